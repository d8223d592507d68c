"""Letters of reference topics go back under their own key, and never over a newer record."""

from typing import Any

import msgspec
import pytest

from schemas.letters import Letter
from schemas.partitioner import partition_of
from streams.clients.kafka_reader import TopicRecord
from streams.operations.dlq.reference import Standing, newest_of_keys, reference_target
from streams.operations.dlq.retry import Outcome, why_not_retryable
from streams.operations.dlq.target import RetryTarget
from tests.builders import HOUR, MINUTE, NOON, Message

N = 3
NOTICE: Message = {"kol_id": "k/1", "kind": "violation", "ref": "r1", "ts": NOON}
KEY = b"k%2F1/violation/r1"
AT = partition_of(KEY, N)


def letter(reason: str = "wrong_key", at: int = NOON, offset: int = 7, **more: Any) -> Letter:  # noqa: ANN401
    place = {"topic": "kol-notice", "partition": AT, "offset": offset, "target": "input"}
    return Letter(**{**place, "at": at, "reason": reason, "error": "", "state": "new", **more})


def target(
    raw: Message | bytes,
    one: Letter | None = None,
    standing: Standing | None = None,
    *,
    partitions: int = N,
    anyway: bool = False,
) -> RetryTarget:
    value = msgspec.json.encode(raw) if isinstance(raw, dict) else raw
    found = standing or {}
    return reference_target(one or letter(), value, partitions, found, NOON + HOUR, anyway=anyway)


def record(at: int, offset: int, value: Message | bytes | None, key: bytes = KEY) -> TopicRecord:
    raw = msgspec.json.encode(value) if isinstance(value, dict) else value
    return TopicRecord("kol-notice", AT, offset, at, key, raw, {}, by_broker=True)


@pytest.mark.parametrize("reason", ["wrong_key", "null_key", "wrong_partition"])
def test_a_letter_goes_back_under_the_key_that_its_value_says(reason: str) -> None:
    to = target(NOTICE, letter(reason, partition=0))

    assert why_not_retryable(letter(reason)) is None
    assert (to.why_not, to.key, to.partition) == (None, KEY, AT)
    assert to.value == msgspec.json.encode(NOTICE)


def test_what_would_be_refused_again_stays_unless_it_is_meant() -> None:
    praise = NOTICE | {"kind": "praise"}

    assert "refused again: unknown_kind" in (target(praise).why_not or "")
    assert target(praise, anyway=True).why_not is None
    oops = target(b"{oops", anyway=True)
    assert (oops.key, oops.partition) == (None, AT)


def test_a_letter_never_takes_the_place_of_a_newer_record() -> None:
    newer = newest_of_keys([record(NOON + 1, 8, NOTICE)], {"kol-notice": N})
    taken_back = newest_of_keys([record(NOON + 1, 8, None)], {"kol-notice": N})

    for standing in (newer, taken_back):
        for anyway in (False, True):
            why_not = target(NOTICE, standing=standing, anyway=anyway).why_not
            assert "a newer record of its key stands" in (why_not or "")


def test_what_is_older_of_another_key_or_was_refused_itself_is_in_nobodys_way() -> None:
    records = [
        record(NOON, 6, NOTICE),
        record(NOON, 7, NOTICE),  # the letter itself, which this version can read
        record(NOON + 1, 8, b"{oops"),
        record(NOON + 1, 9, NOTICE | {"ref": "r2"}, b"k%2F1/violation/r2"),
        record(NOON + 1, 10, NOTICE, b"k%2F1/violation/r2"),
    ]

    standing = newest_of_keys(records, {"kol-notice": N})

    assert target(NOTICE, standing=standing).why_not is None


def test_the_newest_record_of_a_key_counts_in_whatever_order_they_are_read() -> None:
    records = [record(NOON + at, 8 + at, NOTICE) for at in (1, 3, 2)]

    assert newest_of_keys(records, {"kol-notice": N}) == {
        ("kol-notice", KEY): (NOON + 3, AT, 11),
    }


def test_letters_of_one_key_go_back_in_the_order_in_which_they_came() -> None:
    letters = [
        letter(at=NOON + MINUTE, offset=9),
        letter(at=NOON + MINUTE, offset=10),
        letter(at=NOON, offset=11),
    ]
    outcome = Outcome([target(NOTICE | {"ts": NOON - n}, one) for n, one in enumerate(letters)])

    assert [one.letter.offset for one in outcome.accepted] == [11, 9, 10]


def test_a_topic_that_is_not_there_is_named() -> None:
    why_not = target(NOTICE, partitions=0).why_not

    assert why_not == "kol-notice is not there: `kol topics` creates it"
