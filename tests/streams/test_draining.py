"""Draining waits for commits, inputs before cells, and gives up with a reason."""

import itertools

import pytest
from kafka.errors import CoordinatorNotAvailableError

from streams.broker import Offsets
from streams.draining import NotDrainedError, behind, drain


class Scripted:
    """Brokers whose group moves one message a question."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.asked: list[tuple[str, ...]] = []
        self.read = itertools.count()

    def end_offsets(self, topics: tuple[str, ...]) -> Offsets:
        self.asked.append(tuple(topics))
        return {(topic, 0): 3 for topic in topics}

    def committed(self, group: str) -> Offsets:
        assert group == "kol"
        at = 0 if self.stuck else next(self.read)
        topics = ("clickstream", "content-interactions", "purchases", "kol-cells")
        return {(topic, 0): at for topic in topics}


def test_a_partition_never_committed_is_behind_by_all_it_holds() -> None:
    assert behind({("purchases", 0): 4, ("purchases", 1): 0}, {}) == {("purchases", 0): 4}


def test_inputs_are_waited_for_before_cells() -> None:
    broker = Scripted()
    seen: list[int] = []

    drain(broker, "kol", 60, seen.append, clock=lambda: 0.0, sleep=lambda _: None)  # type: ignore[arg-type]  # a stand-in

    assert broker.asked == [("clickstream", "content-interactions", "purchases"), ("kol-cells",)]
    assert seen == [9, 6, 3, 0]


def test_it_gives_up_and_says_where_it_stands() -> None:
    time = itertools.count()

    with pytest.raises(NotDrainedError, match="9 messages not safe"):
        drain(Scripted(stuck=True), "kol", 3, lambda _: None, lambda: next(time), lambda _: None)  # type: ignore[arg-type]  # a stand-in


class Restarting(Scripted):
    """Brokers that have no coordinator for the first questions, as just after their start."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def committed(self, group: str) -> Offsets:
        if self.refusals:
            self.refusals -= 1
            raise CoordinatorNotAvailableError("starting")
        return super().committed(group)


def test_a_broker_without_a_coordinator_yet_is_asked_again() -> None:
    seen: list[int] = []

    drain(Restarting(3), "kol", 60, seen.append, clock=lambda: 0.0, sleep=lambda _: None)  # type: ignore[arg-type]  # a stand-in

    assert seen == [9, 6, 3, 0]


def test_a_broker_that_never_answers_is_given_up() -> None:
    time = itertools.count()

    with pytest.raises(NotDrainedError, match="does not answer"):
        drain(Restarting(99), "kol", 3, lambda _: None, lambda: next(time), lambda _: None)  # type: ignore[arg-type]  # a stand-in
