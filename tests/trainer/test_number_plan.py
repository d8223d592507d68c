"""Base, delta, nothing or a refusal: what becomes of a state that was found."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.entries import Entries, texts
from schemas.number_log import FOREVER, NumberLog
from schemas.numbered import CONTENT
from streams.trainer import number_plan
from streams.trainer.number_plan import DAY_MS, Plan, Refusal, planned

NOW = 1_800_000_000_000
State = Mapping[str, int]


def contents(state: State) -> Entries:
    flags = np.array(list(state.values()), np.int8)
    return Entries(texts(list(state)), {"disclosed": flags, "sponsored": flags})


def publish(log: NumberLog, state: State, now: int = NOW, *, anyway: bool = False) -> Plan:
    """Write what is planned to the log."""
    plan = planned(log, CONTENT, contents(state), now, "kol", anyway=anyway)
    assert isinstance(plan, Plan)
    for key, value in plan.records:
        log.add(key, value, now)
    log.add(*plan.seal, now)
    return plan


def held(log: NumberLog) -> State:
    values = log.holding(CONTENT, FOREVER)
    assert values is not None
    rows = values.all_rows()
    return dict(zip(values.ids(rows), values.flags("disclosed", rows).tolist(), strict=True))


def many(n: int, flag: int = 0) -> State:
    return {f"c{i}": flag for i in range(n)}


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abcde"), st.sampled_from([-1, 0, 1])),
            st.integers(0, DAY_MS // 2),
        ),
        max_size=6,
    )
)
def test_after_each_number_the_newest_holds_what_was_found(
    history: list[tuple[State, int]],
) -> None:
    log, now = NumberLog(), NOW
    before: State = {}
    for state, pause in history:
        now += pause
        if state != before:
            publish(log, state, now)
            assert held(log) == state
        assert planned(log, CONTENT, contents(state), now, "kol") is None
        before = state


def test_of_nothing_no_number_is_made() -> None:
    assert planned(NumberLog(), CONTENT, contents({}), NOW, "kol") is None


def test_a_number_says_whose_trainer_made_it() -> None:
    log = NumberLog()
    publish(log, {"a": 1})
    newest = log.newest(CONTENT)

    assert newest is not None
    assert (newest.manifest.app, newest.manifest.made_at) == ("kol", NOW)


def test_a_base_is_followed_by_deltas_for_a_day() -> None:
    log = NumberLog()
    ages = [0, 1, DAY_MS - 1, DAY_MS, DAY_MS + 1]
    plans = [publish(log, {"a": 1, "b": n % 2}, NOW + age) for n, age in enumerate(ages)]

    assert [plan.is_base for plan in plans] == [True, False, False, True, False]
    assert [plan.number for plan in plans] == [1, 2, 3, 4, 5]


def test_many_bytes_of_deltas_make_a_new_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_plan, "SMALL_BASE", 1)
    log = NumberLog()
    base = publish(log, many(1_000))
    deltas = [publish(log, {**many(1_000), "c1": n % 2 + 1 - 1}, NOW) for n in (1, 2, 1, 2)]
    size = sum(plan.size for plan in deltas)

    assert not any(plan.is_base for plan in deltas)
    assert size < number_plan.DELTAS_PER_BASE * base.size


def test_a_delta_that_is_half_as_long_as_its_base_becomes_a_base(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(number_plan, "SMALL_BASE", 1)
    log = NumberLog()
    publish(log, many(1_000))

    assert publish(log, {**many(1_000), "new": 1}).is_base is False
    assert publish(log, {**many(1_000), **{f"d{i}": 0 for i in range(900)}}).is_base


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (many(49), "only 49 of 100 rows are left"),
        ({f"d{i}": 0 for i in range(100)}, "100 of 100 rows are gone"),
        (many(100, 1), "100 of 100 rows have other values"),
        ({}, "only 0 of 100 rows are left"),
    ],
)
def test_a_jump_is_refused_unless_a_person_asks_for_it(now: State, why: str) -> None:
    log = NumberLog()
    publish(log, many(100))

    assert planned(log, CONTENT, contents(now), NOW, "kol") == Refusal(why)
    publish(log, now, anyway=True)
    assert held(log) == now


@pytest.mark.parametrize(
    "now", [many(50), many(1_000), {**many(100), **many(50, 1)}, {**many(51), "d": 1}]
)
def test_what_a_shop_may_do_in_a_day_is_no_jump(now: State) -> None:
    log = NumberLog()
    publish(log, many(100))
    publish(log, now)

    assert held(log) == now


def test_of_few_rows_nothing_is_a_jump() -> None:
    log = NumberLog()
    publish(log, many(19))
    publish(log, {"z": 1})

    assert held(log) == {"z": 1}
