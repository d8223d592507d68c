"""Messages say what the columns say, in the order of the rows."""

import json

import numpy as np
import pytest

from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from tests.worlds.messages import Events, Form, clickstream, interaction, purchase
from tests.worlds.world import BEGIN_MS

FORMS = (
    interaction("view", ',"dwell_ms":<dwell:6>,"account_age_d":<age:4>'),
    clickstream("click", ',"content_id":"k<kol:04>-c<content:02>"'),
    purchase("paid", ',"order_id":"o<order:015>","pay_cents":<cents:6>'),
)


def some() -> Events:
    return Events.of(
        np.array([5, 6, 7, 8]),
        BEGIN_MS + np.arange(4),
        [2, 0, 1, 0],
        np.array([1, 20, 300, 4_000]),
        kol=12,
        dwell=np.array([0, 0, 0, 999_999]),
        age=np.array([0, 30, 0, 4_000]),
        content=3,
        order=np.array([5, 0, 0, 0]),
        cents=990,
    )


def test_every_message_says_what_its_row_says() -> None:
    first, second, third, fourth = (json.loads(value) for value in some().messages(FORMS))

    assert first == {
        "event_id": "e000000000000005",
        "ts": BEGIN_MS,
        "user_id": "u0000001",
        "kind": "paid",
        "order_id": "o000000000000005",
        "pay_cents": 990,
    }
    assert (second["event"], second["dwell_ms"], second["account_age_d"]) == ("view", 0, 30)
    assert (third["event"], third["content_id"], third["ts"]) == (
        "click",
        "k0012-c03",
        BEGIN_MS + 2,
    )
    assert (fourth["dwell_ms"], fourth["kol_id"], fourth["user_id"]) == (
        999_999,
        "k0012",
        "u0004000",
    )


def test_a_form_knows_its_topic() -> None:
    assert [form.topic for form in FORMS] == [INTERACTIONS, CLICKSTREAM, PURCHASES]


@pytest.mark.parametrize("number", [-1, 100])
def test_a_number_without_room_is_not_cut(number: int) -> None:
    with pytest.raises(ValueError, match="no room"):
        Form(PURCHASES, '{"a":<a:2>}').written({"a": np.array([number])}, np.array([0]))


def test_no_events_have_no_messages() -> None:
    assert Events.joined([]).messages(FORMS).tolist() == []


def test_parts_that_lack_a_column_have_zeros_there() -> None:
    one = Events.of(np.array([1]), np.array([BEGIN_MS]), 0, 1)
    both = Events.joined([one, some()])

    assert both["cents"].tolist() == [0, 990, 990, 990, 990]
    assert both["number"].tolist() == [1, 5, 6, 7, 8]


def test_events_come_by_record_time_and_then_by_number() -> None:
    at = np.array([3, 1, 3])
    events = Events.of(np.array([9, 8, 7]), at, 0, 1)

    assert events.in_order()["number"].tolist() == [8, 7, 9]
