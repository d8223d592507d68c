"""Which dead letters go back, where to, and which never do; what marks them."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import CLICKSTREAM, PURCHASES
from schemas.letters import Letter
from schemas.partitioner import partition_of
from schemas.topics import DEAD_LETTERS
from schemas.version import MARKS, version_of
from streams.clients.kafka_reader import TopicRecord
from streams.operations.dlq.letters import LetterError, Selection, as_text, parse_id
from streams.operations.dlq.retry import (
    Outcome,
    greatest_times,
    mark,
    original_place,
    retry_target,
)
from streams.operations.dlq.target import RetryTarget
from tests.builders import HOUR, NOON, Message, click, paid, reversal

PARTITIONS = 4
HOME = partition_of(b"u1", PARTITIONS)
ELSEWHERE = (HOME + 1) % PARTITIONS


def letter(reason: str = "wrong_partition", **given: object) -> Letter:
    columns = {
        "topic": CLICKSTREAM,
        "partition": ELSEWHERE,
        "offset": 7,
        "target": "input",
        "at": NOON,
        "reason": reason,
        "error": "why",
        "state": "new",
    }
    return Letter(**{**columns, **given})  # type: ignore[arg-type]  # columns of any type


def target_of(
    message: Message | bytes | None,
    reason: str = "wrong_partition",
    *,
    newest: int | None = None,
    anyway: bool = False,
    **given: object,
) -> RetryTarget:
    raw = msgspec.json.encode(message) if isinstance(message, dict) else message
    known = {} if newest is None else {(CLICKSTREAM, HOME): newest}
    one = letter(reason, **given)
    return retry_target(one, raw, PARTITIONS, known, NOON, anyway=anyway)


def test_a_letter_goes_where_murmur2_of_its_user_says_with_the_user_as_key() -> None:
    to = target_of(click())

    assert to.why_not is None
    assert (to.partition, to.key, to.ts) == (HOME, b"u1", NOON)
    assert to.value == msgspec.json.encode(click())


def test_a_word_that_this_version_has_learnt_is_sent_again() -> None:
    to = target_of(reversal(), "unknown_kind", topic=PURCHASES)
    unread = target_of(reversal(kind="unheard_of"), "unknown_kind", topic=PURCHASES)

    assert (to.why_not, to.partition) == (None, HOME)
    assert "would be refused again: unknown_kind" in (unread.why_not or "")


def test_what_was_too_late_is_too_late_for_ever() -> None:
    assert "too late again" in (target_of(click(), "too_late").why_not or "")
    assert target_of(click(), "too_late", anyway=True).why_not


def test_a_record_without_a_value_has_nothing_to_put_back() -> None:
    assert "nothing to put back" in (target_of(None, "null_value", anyway=True).why_not or "")


def test_a_row_that_the_database_refused_is_no_message() -> None:
    to = target_of(b"{}", "refused", topic="", target="minute_cell")

    assert "not a message" in (to.why_not or "")


def test_a_letter_goes_back_once() -> None:
    assert target_of(click(), state="retried").why_not == "was retried already"


def test_what_would_come_back_at_once_stays_unless_it_is_meant() -> None:
    assert "refused again: unknown_kind" in (target_of(click(event="clack")).why_not or "")
    assert target_of(click(event="clack"), anyway=True).why_not is None


def test_bytes_that_name_no_user_go_to_the_partition_they_came_from() -> None:
    to = target_of(b"{oops", "not_json", anyway=True)

    assert (to.partition, to.key, to.ts) == (ELSEWHERE, None, 0)


def test_what_came_from_the_future_goes_back_once_its_time_has_come() -> None:
    early = target_of(click(ts=NOON + HOUR), "from_the_future")
    late = target_of(click(ts=NOON), "from_the_future")

    assert "refused again: from_the_future" in (early.why_not or "")
    assert late.why_not is None


def test_two_hours_below_the_greatest_time_is_on_time_and_a_millisecond_more_is_not() -> None:
    assert target_of(click(), newest=NOON + 2 * HOUR).why_not is None
    assert "would be too late" in (target_of(click(), newest=NOON + 2 * HOUR + 1).why_not or "")
    assert target_of(click(), newest=NOON + 2 * HOUR + 1, anyway=True).why_not


def test_bytes_that_retention_took_are_missed() -> None:
    assert DEAD_LETTERS in (target_of(None).why_not or "")


def test_the_oldest_event_goes_first() -> None:
    targets = [target_of(click(ts=NOON + second)) for second in (3, 1, 2)]
    outcome = Outcome([*targets, target_of(None, "null_value")])

    assert [one.ts - NOON for one in outcome.accepted] == [1, 2, 3]
    assert len(outcome.refused) == 1


# ---------------------------------------------------------------- names


def test_an_id_says_where_a_letter_was() -> None:
    assert parse_id(letter().id) == (CLICKSTREAM, ELSEWHERE, 7)
    assert letter(topic="", target="order_credit", partition=0).id == "order_credit/0/7"


@pytest.mark.parametrize("text", ["", "purchases", "purchases/1", "a/b/c", "a/1/2/3", "a/-1/2"])
def test_what_is_no_id_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(LetterError, match="TOPIC/PARTITION/OFFSET"):
        Selection.of(ids=[text])


def test_a_reason_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(LetterError, match="not_json"):
        Selection.of(reasons=["nonsense"])


def test_a_choice_asks_only_for_what_it_chooses_by() -> None:
    assert Selection.of().sql == "1"
    assert Selection.of(["not_json"], [PURCHASES], states=["new"]).sql == (
        "1 AND reason IN {reasons:Array(String)} AND topic IN {topics:Array(String)}"
        " AND state IN {states:Array(String)}"
    )


# ---------------------------------------------------------------- what lies on the topics


def record(value: Message | bytes | None, **given: object) -> TopicRecord:
    raw = msgspec.json.encode(value) if isinstance(value, dict) else value
    columns = {
        "topic": CLICKSTREAM,
        "partition": HOME,
        "offset": 0,
        "at": NOON,
        "key": None,
        "value": raw,
        "headers": {},
        "by_broker": True,
    }
    return TopicRecord(**{**columns, **given})  # type: ignore[arg-type]  # fields of any type


def test_the_greatest_time_is_that_of_readable_events_or_as_reported() -> None:
    records = [
        record(click(ts=NOON - 5)),
        record(click(ts=NOON + 10 * HOUR), offset=1),  # from the future: it never counted
        record(b"{oops", offset=2),
        record(paid(), topic=PURCHASES),
    ]
    reported = {(CLICKSTREAM, HOME): NOON - 9, (CLICKSTREAM, ELSEWHERE): 1}

    assert greatest_times(records, PARTITIONS, reported) == {
        (CLICKSTREAM, HOME): NOON - 5,
        (CLICKSTREAM, ELSEWHERE): 1,
        (PURCHASES, HOME): NOON,
    }


def test_a_record_of_the_letters_says_where_it_had_been() -> None:
    headers = {"topic": b"purchases", "partition": b"3", "offset": b"17", "reason": b"invalid"}

    assert original_place(record(b"", headers=headers)) == ("purchases", 3, 17)
    assert original_place(record(b"")) is None
    assert original_place(record(b"", headers={**headers, "offset": b"x"})) is None


# ---------------------------------------------------------------- a person reads


def test_json_is_laid_out_and_other_text_is_as_it_is() -> None:
    assert as_text(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert as_text("{奶粉".encode()) == "{奶粉"


def test_a_letter_cannot_write_on_the_terminal() -> None:
    assert as_text(b"\x1b[2Jgone") == r"\x1b[2Jgone"


def test_a_long_letter_is_cut_and_says_so() -> None:
    assert as_text(b"a" * 20, most=5).splitlines() == [
        "aaaaa",
        "… and 15 characters more: --json has all",
    ]
    assert "… and 15 bytes more" in as_text(b"\xff" * 20, most=5)


@given(st.binary(max_size=200))
def test_whatever_a_letter_holds_it_can_be_shown(raw: bytes) -> None:
    as_text(raw).encode()


# ---------------------------------------------------------------- marks


class Recorder:
    """A database that only listens."""

    def __init__(self) -> None:
        self.parameters: list[dict[str, Any]] = []

    def command(self, _sql: str, parameters: dict[str, Any]) -> None:
        self.parameters.append(parameters)


def test_a_mark_outranks_every_version_a_worker_can_have() -> None:
    workers_greatest = version_of(254, 2**24 - 1, 2**32 - 1)
    database = Recorder()

    mark(database, [letter()])  # type: ignore[arg-type]  # a stand-in

    (given,) = database.parameters
    assert workers_greatest < MARKS < given["version"] < 2**64
    assert given["state"] == "retried"
    assert given["keys"] == [("clickstream", ELSEWHERE, 7, "input", NOON)]


def test_many_letters_are_marked_in_pieces() -> None:
    database = Recorder()
    count = 2_500

    mark(database, [letter(offset=n) for n in range(count)])  # type: ignore[arg-type]  # a stand-in

    assert len(database.parameters) == math.ceil(count / 1_000)
    assert sum(len(given["keys"]) for given in database.parameters) == count
