"""What rows of `event` say beyond what rules read: labels as sent, and names that need the key."""

from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_128_digest

from schemas.codec import decode
from schemas.columns import Behaviour
from schemas.event_details import LABELS, NAMED
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.keyed_names import KeyedNames
from schemas.values import plain
from tests import keyed
from tests.builders import Message, click, interaction, paid, record_batch

KEY = b"0123456789abcdef"
NAMES = KeyedNames(KEY)
ABSENT: dict[str, Any] = {  # column -> what an event says that says nothing of it
    **dict.fromkeys(LABELS, ""),
    **dict.fromkeys(NAMED, 0),
    "first_screen": -1,
}


def details(topic: str, *messages: Message | bytes) -> dict[str, list[Any]]:
    decoded = decode(record_batch(topic, messages), NAMES, in_full=True)
    assert decoded.details is not None
    found = {name: plain(column) for name, column in decoded.details.items()}
    assert found.keys() <= ABSENT.keys()
    return {name: [none] * len(decoded.facts) for name, none in ABSENT.items()} | found


def low_word(what: str, text: str) -> int:
    """The low word of a name, by its definition."""
    return int.from_bytes(keyed.name(KEY, what, xxh3_128_digest(text.encode()))[8:])


def test_labels_of_a_click_are_as_they_were_sent() -> None:
    sent = {field: f"a {field}" for column, field in LABELS.items() if column in CLICK_COLUMNS}

    found = details(CLICKSTREAM, click(**sent))

    assert {name: found[name] for name in CLICK_COLUMNS} == {
        name: [f"a {LABELS[name]}"] for name in CLICK_COLUMNS
    }


CLICK_COLUMNS = LABELS.keys() - {"root_kol_id", "live_id"}


def test_labels_of_an_interaction_are_as_they_were_sent() -> None:
    found = details(INTERACTIONS, interaction(content_id="c", root_kol_id="k", live_id="l"))

    assert {name: texts for name, texts in found.items() if texts == [""]}.keys() == (
        LABELS.keys() - {"content_id", "root_kol_id", "live_id"}
    )
    assert [found[name] for name in ("content_id", "root_kol_id", "live_id")] == [
        ["c"],
        ["k"],
        ["l"],
    ]


def test_a_producer_s_numbers_are_texts_and_equal_ones_are_one() -> None:
    found = details(CLICKSTREAM, click(slot_id=3), click(slot_id=3.0), click(slot_id=0.5))

    assert found["slot_id"] == ["3", "3", "0.5"]


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("topic", [CLICKSTREAM, INTERACTIONS])
def test_what_is_absent_is_empty_and_has_no_name(topic: str, nothing: str | None) -> None:
    fields = sorted({*LABELS.values(), *(field for field, _ in NAMED.values())})
    event = (click if topic == CLICKSTREAM else interaction)(**dict.fromkeys(fields, nothing))

    found = details(topic, event)

    assert {name: found[name] for name in LABELS} == {name: [""] for name in LABELS}
    assert {name: found[name] for name in NAMED} == {name: [0] for name in NAMED}
    assert found["first_screen"] == [-1]


def test_a_column_of_which_no_event_says_anything_is_left_out() -> None:
    read = decode(record_batch(CLICKSTREAM, [click(), click(platform="p")]), NAMES, in_full=True)
    found = read.details or {}

    assert "platform" in found
    assert not found.keys() & {"brand_id", "stage", "share", "root_kol_id", "first_screen"}


def test_what_a_person_could_be_known_by_has_its_keyed_name() -> None:
    ids = {"device_hash": "d", "ip_hash": "i", "session_id": "v", "share_id": "s"}
    clicked = details(CLICKSTREAM, click(**ids), click())
    shared = {"device_hash": "d", "ip_hash": "i", "share_id": "s", "parent_share_id": "p"}
    reacted = details(INTERACTIONS, interaction(**shared), interaction())

    assert clicked["device"] == reacted["device"] == [low_word("device", "d"), 0]
    assert clicked["ip"] == reacted["ip"] == [low_word("ip", "i"), 0]
    assert clicked["session"] == [low_word("session", "v"), 0]
    assert clicked["share"] == reacted["share"] == [low_word("share", "s"), 0]
    assert reacted["parent_share"] == [low_word("share", "p"), 0]
    assert clicked["parent_share"] == reacted["session"] == [0, 0]


def test_a_share_and_a_device_of_one_text_have_names_that_nothing_links() -> None:
    found = details(CLICKSTREAM, click(share_id="x", device_hash="x", ip_hash="x", session_id="x"))

    assert len({found[name][0] for name in ("share", "device", "ip", "session")}) == 4


def test_whether_it_was_on_the_first_screen_may_be_unknown() -> None:
    clicks = [click(first_screen=seen) for seen in (True, False, None)]

    assert details(CLICKSTREAM, *clicks)["first_screen"] == [1, 0, -1]


def test_rejected_messages_have_none_and_the_others_keep_theirs() -> None:
    found = details(
        CLICKSTREAM,
        click(platform="a", device_hash="1"),
        b"{",
        click(platform="b", device_hash="2", event="?"),
        click(platform="c", device_hash="3", first_screen=False),
    )

    assert found["platform"] == ["a", "c"]
    assert found["device"] == [low_word("device", "1"), low_word("device", "3")]
    assert found["first_screen"] == [-1, 0]


def test_thousands_of_events_in_chunks_are_as_each_alone() -> None:
    clicks = [
        click(event_id=str(i), platform=f"p{i % 7}" if i % 3 else None, session_id=f"v{i}")
        for i in range(600)
    ]

    found = details(CLICKSTREAM, *clicks)

    assert found["platform"] == [f"p{i % 7}" if i % 3 else "" for i in range(600)]
    assert found["session"] == [low_word("session", f"v{i}") for i in range(600)]


@pytest.mark.parametrize("topic", [CLICKSTREAM, INTERACTIONS])
def test_facts_are_the_same_with_details_and_without(topic: str) -> None:
    event = click if topic == CLICKSTREAM else interaction
    given: dict[str, list[Any]] = {
        "share_id": ["s", "", None],
        "live_id": ["l", None, ""],
        "share_depth": [1, 0, None],
    }
    messages = [
        event(**{name: values[(at + shift) % 3] for name, values in given.items()})
        for at in range(3)
        for shift in range(3)
    ]
    batch = record_batch(topic, messages)

    plainly, fully = decode(batch, NAMES), decode(batch, NAMES, in_full=True)

    assert plainly.details is None
    assert isinstance(plainly.facts, Behaviour)
    for name in Behaviour.__dataclass_fields__:
        one, other = getattr(plainly.facts, name), getattr(fully.facts, name)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), name


def test_purchases_have_no_details() -> None:
    assert decode(record_batch(PURCHASES, [paid()]), NAMES, in_full=True).details is None
