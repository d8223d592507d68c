import numpy as np

from schemas.doors import OF_EVENTS, Door
from schemas.events import CLICKSTREAM, INPUTS, PURCHASES
from streams.core.user.door_counts import (
    ANY,
    COUNTERS,
    MAY_DECREASE,
    SERIES,
    DoorCounts,
)


def written(counts: DoorCounts) -> dict[tuple[str, str], tuple[str, int]]:
    columns = counts.collect_rows(0, 1).columns
    names = ("topic", "door", "kind", "n")
    return {
        (topic, door): (kind, int(n))
        for topic, door, kind, n in zip(*(columns[name] for name in names), strict=True)
    }


def test_only_totals_that_changed_are_told_and_as_they_stand() -> None:
    counts = DoorCounts()
    counts.count_doors(CLICKSTREAM, np.array([Door.WRITTEN, Door.TOO_LATE, Door.WRITTEN], np.uint8))
    first = written(counts)
    counts.count_doors(CLICKSTREAM, np.array([Door.WRITTEN], np.uint8))
    counts.set({(ANY, "touch_limit"): 4})

    assert first == {
        (CLICKSTREAM, "written"): ("door", 2),
        (CLICKSTREAM, "too_late"): ("door", 1),
    }
    assert written(counts) == {
        (CLICKSTREAM, "written"): ("door", 3),
        (ANY, "touch_limit"): ("counter", 4),
    }
    assert not counts.is_changed()


def test_a_total_that_went_back_is_told_too() -> None:
    counts = DoorCounts()
    counts.set({(PURCHASES, "refund_unmatched"): 1})
    written(counts)
    counts.set({(PURCHASES, "refund_unmatched"): 0})

    assert written(counts) == {(PURCHASES, "refund_unmatched"): ("counter", 0)}


def test_totals_are_as_they_stand_and_stay_so_when_more_is_counted() -> None:
    counts = DoorCounts()
    counts.count_doors(CLICKSTREAM, np.array([Door.WRITTEN, Door.TOO_LATE, Door.WRITTEN], np.uint8))
    totals = counts.totals
    counts.count_doors(CLICKSTREAM, np.array([Door.WRITTEN], np.uint8))

    assert {SERIES[at]: totals[at] for at in np.flatnonzero(totals)} == {
        (CLICKSTREAM, "written", "door"): 2,
        (CLICKSTREAM, "too_late", "door"): 1,
    }


def test_what_can_go_back_is_a_counter() -> None:
    assert {name for _, name in COUNTERS} >= MAY_DECREASE


def test_restored_counts_go_on() -> None:
    counts, again = DoorCounts(), DoorCounts()
    counts.add(PURCHASES, "closed_minute", 3)
    again.restore("x", counts.arrays("x"))
    again.add(PURCHASES, "closed_minute", 1)

    assert again[PURCHASES, "closed_minute"] == 4
    assert counts[PURCHASES, "closed_minute"] == 3
    assert again.is_changed()


def test_counters_that_an_older_state_does_not_know_begin_with_nothing() -> None:
    counts = DoorCounts()
    series = np.frombuffer(b"clickstream written", np.uint8)
    counts.restore("x", {"x.total": np.array([7]), "x.told": np.array([7]), "x.series": series})

    assert counts[CLICKSTREAM, "written"] == 7
    assert not counts.is_changed()


def test_every_door_reason_and_counter_has_one_series() -> None:
    series = [(topic, label) for topic, label, _ in SERIES]

    assert (
        len(set(series))
        == len(series)
        == len(INPUTS) * (len(Door) + len(OF_EVENTS)) + len(COUNTERS)
    )


def test_counts_are_restored_by_name() -> None:
    counts = DoorCounts()
    counts.set({(topic, label): n for n, (topic, label, _) in enumerate(SERIES)})
    arrays = counts.arrays("tally")
    reversed_names = "\n".join(f"{topic} {label}" for topic, label, _ in SERIES[::-1]).encode()
    other_order = {
        "tally.total": arrays["tally.total"][::-1],
        "tally.told": arrays["tally.told"][::-1],
        "tally.series": np.frombuffer(reversed_names, np.uint8),
    }
    for given in (arrays, other_order):
        restored = DoorCounts()
        restored.restore("tally", given)
        assert restored.totals.tolist() == counts.totals.tolist()
