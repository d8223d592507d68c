"""A replay is only begun where the log still holds what it needs, and under names of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import OWN, TOPICS
from streams.core.moments import DAY_MS, HORIZON_MS
from streams.operations.replay.prepare import (
    Oldest,
    ReplayError,
    refusal,
    replay_settings,
    variables_of,
)
from streams.settings import ClickHouse, Kafka, Settings, descriptions

NOW = 1_790_000_000_000
TOUCHES_MS = 30 * DAY_MS  # the longest an order looks back
REFUNDS_MS = 180 * DAY_MS + HORIZON_MS  # the longest an order can be given back
TOPIC = "purchases"


def at(ms: int | None, offset: int = 7) -> dict[tuple[str, int], Oldest]:
    """One partition whose log was cut, and begins then."""
    return {(TOPIC, 0): Oldest(offset, ms)}


@given(st.lists(st.none() | st.integers(0, NOW), max_size=5))
def test_a_log_that_lost_nothing_can_always_be_read_again(times: list[int | None]) -> None:
    oldest = {(TOPIC, number): Oldest(0, ms) for number, ms in enumerate(times)}
    assert refusal(oldest, None, NOW) is None
    assert refusal(oldest, NOW - 200 * DAY_MS, NOW) is None


@given(st.integers(1, 10**9), st.none() | st.integers(0, NOW))
def test_whatever_was_removed_keeps_a_replay_of_all_from_beginning(
    offset: int, ms: int | None
) -> None:
    why = refusal(at(0, 0) | {(TOPIC, 1): Oldest(offset, ms)}, None, NOW)
    assert why is not None
    assert f"{TOPIC}/1 " in why
    assert f"offset {offset}" in why


@given(st.integers(0, 400 * DAY_MS), st.integers(0, 400 * DAY_MS))
def test_what_is_allowed_knows_every_touch_and_every_refund(age: int, reach: int) -> None:
    since = NOW - age
    if refusal(at(since - reach), since, NOW) is None:
        assert age > REFUNDS_MS  # no order before it can still be given back
        assert reach > TOUCHES_MS  # every order from it on finds all its touches


def test_a_moment_long_enough_ago_is_allowed_where_the_log_goes_on_behind_it() -> None:
    since = NOW - 182 * DAY_MS
    assert refusal(at(since - 31 * DAY_MS), since, NOW) is None


def test_a_partition_that_holds_nothing_more_reaches_nowhere() -> None:
    since = NOW - 182 * DAY_MS
    why = refusal(at(None), since, NOW)
    assert why is not None
    assert "holds nothing more" in why


def test_the_worst_partition_is_named_and_the_others_are_counted() -> None:
    oldest = {(TOPIC, n): Oldest(1, NOW - (9 - n) * DAY_MS) for n in range(3)}
    why = refusal(oldest, None, NOW)
    assert why is not None
    assert f"{TOPIC}/2 begins on" in why
    assert "2 more" in why


def test_a_replay_shares_the_inputs_and_nothing_that_is_written() -> None:
    live = Settings()
    second = replay_settings(live, "kol-2")
    assert second.app_id != live.app_id
    assert second.clickhouse.database == "kol_2"
    for topic in TOPICS:
        is_shared = second.kafka.broker_topic(topic) == live.kafka.broker_topic(topic)
        assert is_shared == (topic not in OWN)
    assert variables_of(second).keys() <= descriptions().keys()


@pytest.mark.parametrize("name", ["kol", "", "Kol-2", "2nd", "a b", "x" * 41, "a;b"])
def test_a_name_that_is_taken_or_no_name_is_refused(name: str) -> None:
    with pytest.raises(ReplayError):
        replay_settings(Settings(), name)


def test_who_has_become_the_live_one_is_not_replayed_into_itself() -> None:
    live = Settings(
        app_id="other",
        kafka=Kafka(prefix="kol-2."),
        clickhouse=ClickHouse(database="kol_2"),
    )
    with pytest.raises(ReplayError, match="KOL_KAFKA__PREFIX, KOL_CLICKHOUSE__DATABASE"):
        replay_settings(live, "kol-2")


@given(st.sampled_from(sorted(TOPICS)), st.sampled_from(["", "kol-2.", "a."]))
def test_a_topic_is_known_by_the_name_it_was_given(topic: str, prefix: str) -> None:
    kafka = Kafka(prefix=prefix)
    assert kafka.plain_topic(kafka.broker_topic(topic)) == topic


@given(st.sampled_from(sorted(OWN)))
def test_another_apps_own_topics_are_nobodys(topic: str) -> None:
    assert Kafka(prefix="kol-2.").plain_topic(topic) is None
    assert Kafka(prefix="kol-2.").plain_topic(f"kol-3.{topic}") == f"kol-3.{topic}"
