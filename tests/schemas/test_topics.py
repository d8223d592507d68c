import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import INPUTS, MAX_EVENT_BYTES
from schemas.reference_keys import KEYS
from schemas.reference_types import CONSENTS
from schemas.topics import (
    CELLS,
    CRISES,
    DEAD_LETTERS,
    ERASURES,
    KOL_STATE,
    OPTIONAL,
    PLANNED,
    REVIEWS,
    SNAPSHOTS,
    TOPICS,
    TRAINER,
    USER_STATE,
    plan,
    suffices,
)

REFERENCES = (
    *("kol-profile", "content", "campaign-spend", "perception"),
    *("identity", "policy", "kol-notice"),
)


@given(st.integers(1, 1_000))
def test_what_is_created_fits(n: int) -> None:
    assert all(TOPICS[name].fits(count, n) for name, (count, _) in plan(n).items())


def test_every_topic_has_a_plan() -> None:
    ours = (CELLS, USER_STATE, KOL_STATE, SNAPSHOTS, CRISES, REVIEWS, ERASURES, DEAD_LETTERS)

    assert set(plan(4)) == {*INPUTS, *REFERENCES, CONSENTS, *ours, TRAINER}


def test_what_is_planned_exists() -> None:
    assert {CRISES, REVIEWS} == PLANNED
    assert TOPICS.keys() >= PLANNED


@pytest.mark.parametrize(
    "name", [*INPUTS, CELLS, USER_STATE, KOL_STATE, CRISES, ERASURES, CONSENTS]
)
def test_what_is_read_together_has_equally_many_partitions(name: str) -> None:
    assert plan(8)[name][0] == 8
    assert not TOPICS[name].fits(4, 8)


@pytest.mark.parametrize("name", [SNAPSHOTS, REVIEWS, TRAINER])
def test_what_has_one_order_has_one_partition(name: str) -> None:
    assert plan(8)[name][0] == 1
    assert not TOPICS[name].fits(8, 8)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_topic_may_have_any_number_of_partitions_up_to_n(name: str) -> None:
    assert [count for count in range(11) if TOPICS[name].fits(count, 8)] == [*range(1, 9)]


@pytest.mark.parametrize("name", [*INPUTS, *REFERENCES, CONSENTS])
def test_the_record_time_of_the_inputs_is_the_brokers(name: str) -> None:
    assert TOPICS[name].required["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize(
    "name", [*REFERENCES, CONSENTS, USER_STATE, KOL_STATE, SNAPSHOTS, ERASURES, TRAINER]
)
def test_what_is_kept_forever_is_compacted(name: str) -> None:
    assert TOPICS[name].required["cleanup.policy"] == "compact"


@pytest.mark.parametrize("name", [*REFERENCES, CONSENTS])
def test_what_is_taken_back_is_not_forgotten_before_a_month(name: str) -> None:
    month = 30 * 24 * 60 * 60 * 1_000
    kept = TOPICS[name].required["delete.retention.ms"]

    assert int(kept) == month
    answers = {str(month): True, str(month + 1): True, str(month - 1): False, "": False}
    assert {now: suffices("delete.retention.ms", now, kept) for now in answers} == answers
    assert not suffices("delete.retention.ms", None, kept)


def test_a_key_is_called_by_its_fields() -> None:
    assert {name: TOPICS[name].key for name in KEYS} == {
        name: "/".join(fields) for name, fields in KEYS.items()
    }


def test_only_reference_topics_may_be_missing() -> None:
    assert set(REFERENCES) == OPTIONAL


def test_any_record_of_an_input_fits_into_the_dead_letters() -> None:
    limits = {name: int(TOPICS[name].required["max.message.bytes"]) for name in INPUTS}
    letters = int(TOPICS[DEAD_LETTERS].required["max.message.bytes"])

    assert {letters - limit for limit in limits.values()} == {64 * 1_024}
    assert min(limits.values()) > MAX_EVENT_BYTES


def test_state_is_kept_in_small_segments() -> None:
    assert int(plan(1)[USER_STATE][1]["segment.bytes"]) <= 64 << 20


def test_cells_are_kept_for_seven_days() -> None:
    assert plan(1)[CELLS][1]["retention.ms"] == "604800000"
