from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.doors import Door
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.dedup import Gate

HOUR = 3_600_000
START = 1_700_000_000_000

times = st.sampled_from(
    [START + n * HOUR // 2 + delta for n in range(-2, 9) for delta in (-1, 0, 1)]
)
events = st.lists(st.tuples(times, st.integers(0, 4)), max_size=40)  # time, identity

Event = tuple[int, int]


Columns = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint32]]


def columns(batch: Sequence[Event]) -> Columns:
    """Time, identity and content of events; what they say is their time."""
    at = np.array([at for at, _ in batch], np.int64)
    identity = np.array([[n, 0] for _, n in batch], np.uint64).reshape(-1, 2)
    return at, identity, (at - START + HOUR + 2).astype(np.uint32)


def doors(gate: Gate, batch: Sequence[Event]) -> list[int]:
    return [int(code) for code in gate.decide(*columns(batch))[0]]


def expected_doors(log: Sequence[Event]) -> list[Door]:
    return [door for door, _ in decided(log)]


def decided(log: Sequence[Event]) -> list[tuple[Door, bool]]:
    """Say the definition again, one event after the other: its door, and whether it differs."""
    greatest, seen, found = NEVER, dict[int, int](), list[tuple[Door, bool]]()
    for at, identity in log:
        floor = greatest - HORIZON_MS
        if at < floor:
            found.append((Door.TOO_LATE, False))
        elif seen.get(identity, NEVER * 2) >= floor:
            found.append((Door.DUPLICATE, seen[identity] != at))
        else:
            found.append((Door.WRITTEN, False))
            seen[identity] = at
            greatest = max(greatest, at)
    return found


@given(st.lists(events, max_size=5), st.sampled_from([0, 10, 1000]))
def test_doors_are_those_of_one_event_after_the_other(
    batches: list[list[Event]], slack: int
) -> None:
    gate = Gate(slack)
    found = []
    for batch in batches:
        found += doors(gate, batch)
        gate.prune()

    assert found == expected_doors([event for batch in batches for event in batch])


@given(st.lists(events, max_size=5))
def test_the_greatest_time_before_each_event_is_exact(batches: list[list[Event]]) -> None:
    gate, greatest = Gate(0), NEVER
    for batch in batches:
        at, identity, content = columns(batch)
        door, before, _ = gate.decide(at, identity, content)
        for i, moment in enumerate(at.tolist()):
            assert before[i] == greatest
            if door[i] == Door.WRITTEN:
                greatest = max(greatest, moment)

        assert gate.greatest == greatest


@given(st.lists(events, max_size=5), st.sampled_from([0, 10, 1000]))
def test_a_duplicate_differs_from_the_event_that_stands(
    batches: list[list[Event]], slack: int
) -> None:
    gate, found = Gate(slack), list[bool]()
    for batch in batches:
        found += gate.decide(*columns(batch))[2].tolist()
        gate.prune()

    log = [event for batch in batches for event in batch]
    assert found == [differs for _, differs in decided(log)]


def test_what_an_event_of_an_older_snapshot_said_is_unknown() -> None:
    gate, again = Gate(0), Gate(0)
    doors(gate, [(START, 0)])
    arrays = gate.arrays("x")
    again.restore("x", {**arrays, "x.content": np.zeros_like(arrays["x.content"])})
    door, _, differs = again.decide(*columns([(START + 1, 0), (START, 1), (START + 1, 1)]))

    assert door.tolist() == [Door.DUPLICATE, Door.WRITTEN, Door.DUPLICATE]
    assert differs.tolist() == [False, False, True]


@given(events, events)
def test_a_restored_gate_decides_alike(first: list[Event], more: list[Event]) -> None:
    gate, again = Gate(0), Gate(0)
    doors(gate, first)
    again.restore("x", gate.arrays("x"))

    assert doors(again, more) == doors(gate, more)


def test_an_event_at_the_horizon_is_accepted_and_one_below_is_too_late() -> None:
    gate = Gate(0)
    batch = [(START, 0), (START - HORIZON_MS, 1), (START - HORIZON_MS - 1, 2)]

    assert doors(gate, batch) == [Door.WRITTEN, Door.WRITTEN, Door.TOO_LATE]


def test_a_late_event_is_not_remembered() -> None:
    gate = Gate(0)
    late = (START - HORIZON_MS - 1, 7)

    assert doors(gate, [(START, 0), late, late, (START, 7)]) == [
        Door.WRITTEN,
        Door.TOO_LATE,
        Door.TOO_LATE,
        Door.WRITTEN,
    ]


def test_a_duplicate_does_not_raise_the_greatest_time() -> None:
    gate = Gate(0)
    found = doors(gate, [(START, 0), (START + 9 * HOUR, 0), (START - HOUR, 1)])

    assert found == [Door.WRITTEN, Door.DUPLICATE, Door.WRITTEN]
    assert gate.greatest == START


def test_an_identity_is_forgotten_once_its_time_would_be_too_late() -> None:
    gate = Gate(1000)
    first, later = (START, 0), (START + HORIZON_MS + 1, 1)

    assert doors(gate, [first, later, (START + HOUR, 0)]) == [Door.WRITTEN] * 3


def test_memory_of_identities_is_bounded_by_the_horizon() -> None:
    gate = Gate(10)
    for n in range(2_000):
        doors(gate, [(START + n * HORIZON_MS // 10, n)])
        gate.prune()

    assert len(gate) <= 50
