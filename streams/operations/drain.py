"""Waiting until what stands on the topics now is read, stated and safe.

Commits follow snapshots and snapshots follow acknowledged rows, so a committed offset
says that everything before it stands in ClickHouse. A worker whose state begins earlier
sets the group back before it reads, so a group never stands where its state does not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kafka.errors import RetriableError

from schemas.events import INPUTS
from schemas.topics import CELLS
from streams.clients.kafka_admin import Broker, Offsets
from streams.errors import ExpectedError

PAUSE_SECONDS = 0.1
ALONE_SECONDS = 3.0  # without a worker in the group: a word
NO_WORKERS = "no worker is in the group: start one with `kol up` or `kol worker`"

T = TypeVar("T")


class NotDrainedError(ExpectedError):
    """The workers did not get there in time, or never can; says how far they are."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told, and how time passes."""

    seen: Callable[[int], None] = lambda _: None  # how many messages are left
    told: Callable[[str], None] = lambda _: None  # a sentence for who waits
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


UNWATCHED = Watch()
EVENTS = (INPUTS, (CELLS,))


def behind(ends: Offsets, committed: Offsets, oldest: Offsets) -> dict[tuple[str, int], int]:
    """The messages not yet safe, per partition; {} when all are.

    A partition never committed is behind by what is still there.

    >>> behind({("purchases", 0): 5, ("purchases", 1): 9}, {("purchases", 0): 3},
    ...        {("purchases", 0): 0, ("purchases", 1): 9})
    {('purchases', 0): 2}
    """
    left = {at: end - committed.get(at, oldest.get(at, 0)) for at, end in ends.items()}
    return {at: n for at, n in left.items() if n > 0}


def drain(
    broker: Broker,
    group: str,
    seconds: float,
    watch: Watch = UNWATCHED,
    stages: Sequence[tuple[str, ...]] = EVENTS,
) -> None:
    """Wait for topics as they end now, stage by stage: the inputs, then `kol-cells`.

    Raises:
        NotDrainedError: after `seconds`, or at once where a topic is missing.

    """
    waiting = _Waiting(broker, group, seconds, watch)
    waiting.check_topics(stages)
    for topics in stages:
        waiting.wait(topics)
    watch.seen(0)


class _Waiting:
    """One drain: its deadline, and whether its lonely word was said."""

    def __init__(self, broker: Broker, group: str, seconds: float, watch: Watch) -> None:
        self._broker = broker
        self._group = group
        self._seconds = seconds
        self._watch = watch
        self._began = watch.clock()
        self._alone_at: float | None = self._began  # since when nobody may be there; None: said

    def check_topics(self, stages: Sequence[tuple[str, ...]]) -> None:
        """Make sure that every topic to wait for is there."""
        there = self._asked(self._broker.counts)
        missing = [topic for topics in stages for topic in topics if topic not in there]
        if missing:
            raise NotDrainedError(
                f"no such topic: {', '.join(missing)}. `kol topics` creates what is missing; is "
                "KOL_KAFKA__BOOTSTRAP right?"
            )

    def wait(self, topics: tuple[str, ...]) -> None:
        """Until what is on these topics now is committed."""
        oldest = self._asked(lambda: self._broker.first_offsets(topics))
        ends = self._asked(lambda: self._broker.end_offsets(topics))
        while left := behind(ends, self._asked(self._committed), oldest):
            self._watch.seen(sum(left.values()))
            if self._is_over:
                raise NotDrainedError(self._late(left))
            self._look_for_workers()
            self._watch.sleep(PAUSE_SECONDS)

    def _committed(self) -> Offsets:
        return self._broker.committed(self._group)

    def _members(self) -> int:
        return len(self._broker.members(self._group))

    def _look_for_workers(self) -> None:
        """Say it once when nobody has been there for some seconds; somebody may be starting."""
        if self._alone_at is None or self._watch.clock() - self._alone_at < ALONE_SECONDS:
            return
        if self._asked(self._members):
            self._alone_at = self._watch.clock()
        else:
            self._alone_at = None
            self._watch.told(f"{NO_WORKERS}; waiting on")

    def _late(self, left: Offsets) -> str:
        (topic, partition), _ = max(left.items(), key=lambda item: item[1])
        why = (
            "`kol status` and the workers' logs say why"
            if self._asked(self._members)
            else NO_WORKERS
        )
        return (
            f"{sum(left.values())} messages not safe after {self._seconds:g} s, most on "
            f"{topic}/{partition}: {why}"
        )

    @property
    def _is_over(self) -> bool:
        return self._watch.clock() - self._began > self._seconds

    def _asked(self, ask: Callable[[], T]) -> T:
        """An answer; asked again while the broker starts or its coordinator moves."""
        while True:
            try:
                return ask()
            except RetriableError as error:
                if self._is_over:
                    raise NotDrainedError(f"Kafka does not answer: {error!r}") from error
                self._watch.sleep(PAUSE_SECONDS)
