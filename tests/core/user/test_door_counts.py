import numpy as np

from schemas.doors import Door, RejectReason
from schemas.events import CLICKSTREAM, INPUTS, PURCHASES
from streams.core.user.door_counts import ANY, COUNTERS, MAY_DECREASE, SERIES, DoorCounts


def told(tally: DoorCounts) -> dict[tuple[str, str], tuple[str, int]]:
    columns = tally.rows(0, 1).columns
    names = ("topic", "door", "kind", "n")
    return {
        (topic, door): (kind, int(n))
        for topic, door, kind, n in zip(*(columns[name] for name in names), strict=True)
    }


def test_only_totals_that_changed_are_told_and_as_they_stand() -> None:
    tally = DoorCounts()
    tally.left(CLICKSTREAM, np.array([Door.WRITTEN, Door.TOO_LATE, Door.WRITTEN], np.uint8))
    first = told(tally)
    tally.left(CLICKSTREAM, np.array([Door.WRITTEN], np.uint8))
    tally.set({(ANY, "touch_limit"): 4})

    assert first == {
        (CLICKSTREAM, "written"): ("door", 2),
        (CLICKSTREAM, "too_late"): ("door", 1),
    }
    assert told(tally) == {
        (CLICKSTREAM, "written"): ("door", 3),
        (ANY, "touch_limit"): ("counter", 4),
    }
    assert not tally.is_changed()


def test_a_total_that_went_back_is_told_too() -> None:
    tally = DoorCounts()
    tally.set({(PURCHASES, "refund_unmatched"): 1})
    told(tally)
    tally.set({(PURCHASES, "refund_unmatched"): 0})

    assert told(tally) == {(PURCHASES, "refund_unmatched"): ("counter", 0)}


def test_totals_are_as_they_stand_and_stay_so_when_more_is_counted() -> None:
    tally = DoorCounts()
    tally.left(CLICKSTREAM, np.array([Door.WRITTEN, Door.TOO_LATE, Door.WRITTEN], np.uint8))
    totals = tally.totals
    tally.left(CLICKSTREAM, np.array([Door.WRITTEN], np.uint8))

    assert {SERIES[at]: totals[at] for at in np.flatnonzero(totals)} == {
        (CLICKSTREAM, "written", "door"): 2,
        (CLICKSTREAM, "too_late", "door"): 1,
    }


def test_what_can_go_back_is_a_counter() -> None:
    assert {name for _, name in COUNTERS} >= MAY_DECREASE


def test_a_restored_tally_goes_on() -> None:
    tally, again = DoorCounts(), DoorCounts()
    tally.add(PURCHASES, "closed_minute", 3)
    again.restore("x", tally.arrays("x"))
    again.add(PURCHASES, "closed_minute", 1)

    assert again[PURCHASES, "closed_minute"] == 4
    assert tally[PURCHASES, "closed_minute"] == 3
    assert again.is_changed()


def test_counters_that_an_older_state_does_not_know_begin_with_nothing() -> None:
    tally = DoorCounts()
    tally.restore("x", {"x.total": np.array([7]), "x.told": np.array([7])})

    assert tally[CLICKSTREAM, "written"] == 7
    assert not tally.is_changed()


def test_every_door_reason_and_counter_has_one_place() -> None:
    places = [(topic, label) for topic, label, _ in SERIES]

    assert (
        len(set(places))
        == len(places)
        == len(INPUTS) * (len(Door) + len(RejectReason)) + len(COUNTERS)
    )
