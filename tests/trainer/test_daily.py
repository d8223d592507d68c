"""When populations, audits and raters are due, and what is not believed of them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from schemas.cells import DIMENSIONS
from schemas.entries import Entries, texts
from schemas.number_log import NumberLog
from schemas.numbered import AUDIT, RATER, TRUST, TRUST_PARTS
from streams.core.kol.priors import TRUST as POPULATION_0
from streams.core.kol.priors import TrustPrior
from streams.trainer.daily import AFTER_MIDNIGHT_MS, DAILY, DAY_MS, LONGEST_WAIT_MS, Day
from streams.trainer.number_plan import Plan, Refusal, planned

MIDNIGHT = 20_000 * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2


def test_the_first_states_are_due_at_once() -> None:
    assert Day().due({}, MIDNIGHT + 1) == list(DAILY)


def test_each_kind_is_due_once_a_day_once_yesterday_is_added_up() -> None:
    day = Day()
    yesterday = dict.fromkeys(DAILY, MIDNIGHT - 1)

    assert day.due(yesterday, MIDNIGHT + AFTER_MIDNIGHT_MS - 1) == []
    assert day.due(yesterday, MIDNIGHT + AFTER_MIDNIGHT_MS) == list(DAILY)
    assert day.due(dict.fromkeys(DAILY, MIDNIGHT), NOON) == []
    assert day.due(yesterday | {AUDIT: MIDNIGHT}, NOON) == [RATER, TRUST]


def test_whoever_asks_by_hand_is_told_all_of_them() -> None:
    assert Day().due(dict.fromkeys(DAILY, MIDNIGHT), NOON, anyway=True) == list(DAILY)


def test_what_is_not_known_is_asked_for_ever_more_rarely_and_anew_the_next_day() -> None:
    day, asked = Day(), []
    for minute in range(24 * 60):
        now = MIDNIGHT + minute * 60_000
        if day.due({}, now):
            day.asked(now)
            asked.append(minute)

    gaps = np.diff(asked)
    assert asked[0] == 0
    assert (np.diff(gaps) >= 0).all()
    assert gaps[-1] == LONGEST_WAIT_MS // 60_000
    assert day.due({}, MIDNIGHT + DAY_MS) == list(DAILY)


def populations(**groups: TrustPrior) -> Entries:
    parts = dict(zip(TRUST_PARTS, (part.name for part in fields(TrustPrior)), strict=True))
    columns = {
        f"{part}_{d}": np.array([getattr(prior, name)[place] for prior in groups.values()])
        for part, name in parts.items()
        for place, d in enumerate(DIMENSIONS)
    }
    return Entries(texts(list(groups)), columns)


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (4.9, ""),
        (0.21, ""),
        (5.1, "odds of E in all are 5.1 times those of before"),
        (0.19, "odds of E in all are 0.19 times those of before"),
        (np.nan, "odds of E in all are nan times those of before"),
    ],
)
def test_a_population_that_has_moved_too_far_is_kept_back(times: float, why: str) -> None:
    log = NumberLog()
    first = planned(log, TRUST, populations(all=POPULATION_0), NOON, "kol")
    assert isinstance(first, Plan)
    for key, value in (*first.records, first.seal):
        log.add(key, value, NOON)
    odds = POPULATION_0.odds * np.where(np.arange(5) == 0, times, 1.0)
    moved = populations(all=replace(POPULATION_0, odds=odds))
    second = planned(log, TRUST, moved, NOON + DAY_MS, "kol")

    assert (second.why if isinstance(second, Refusal) else "") == why
    assert isinstance(planned(log, TRUST, moved, NOON + DAY_MS, "kol", anyway=True), Plan)


@pytest.mark.parametrize("kind", [AUDIT, RATER])
def test_audits_and_raters_are_others_every_day(kind: str) -> None:
    """All values may move; that most are gone is not believed."""
    name = {AUDIT: "for_A", RATER: "agreement"}[kind]
    log = NumberLog()

    def said(many: int, value: float) -> Entries:
        return Entries(texts([f"k{n}" for n in range(many)]), {name: np.full(many, value)})

    first = planned(log, kind, said(50, 0.5), NOON, "kol")
    assert isinstance(first, Plan)
    for key, value in (*first.records, first.seal):
        log.add(key, value, NOON)

    assert isinstance(planned(log, kind, said(50, 0.25), NOON, "kol"), Plan)
    assert isinstance(planned(log, kind, said(20, 0.5), NOON, "kol"), Refusal)


def test_a_dimension_that_lost_its_source_is_kept_back() -> None:
    log = NumberLog()
    first = planned(log, TRUST, populations(all=POPULATION_0), NOON, "kol")
    assert isinstance(first, Plan)
    for key, value in (*first.records, first.seal):
        log.add(key, value, NOON)
    gone = populations(all=replace(POPULATION_0, has_source=np.zeros(5)))
    second = planned(log, TRUST, gone, NOON + DAY_MS, "kol")

    assert isinstance(second, Refusal)
    assert second.why == "E has no source any more"
