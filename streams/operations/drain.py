"""Waiting until everything on the topics now is read, written to ClickHouse and in a snapshot.

Commits follow snapshots and snapshots follow acknowledged rows, so a committed offset
means that everything before it is in ClickHouse. A worker whose state begins earlier
sets the group back before it reads, so a group is never ahead of its state.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kafka.errors import RetriableError

from schemas.events import INPUTS
from schemas.topics import CELLS
from streams.clients.kafka_admin import Broker, Offsets, OpenTransaction
from streams.errors import ExpectedError, named
from streams.operations.open_transactions import held_messages, held_text, long_open

PAUSE_SECONDS = 0.1
ALONE_SECONDS = 3.0  # without a worker in the group, until the observer is told
HELD_SECONDS = 3.0  # between two looks for transactions that are open
NO_WORKERS = "no worker is in the group: start one with `kol up` or `kol worker`"

T = TypeVar("T")


class NotDrainedError(ExpectedError):
    """The workers did not get there in time, or never can; says how far they are."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks of an operation that waits, and its clock."""

    remaining: Callable[[int], None] = lambda _: None  # how many messages are left
    notice: Callable[[str], None] = lambda _: None  # a sentence for the person who waits
    step: Callable[[str], None] = lambda _: None  # what is being done now
    held: Callable[[int], None] = lambda _: None  # how many an open transaction holds back
    clock: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000  # since the epoch
    sleep: Callable[[float], None] = time.sleep


UNOBSERVED = Observer()
EVENTS = (INPUTS, (CELLS,))


def behind(ends: Offsets, committed: Offsets, oldest: Offsets) -> dict[tuple[str, int], int]:
    """The number of messages not yet committed, per partition; {} when all are.

    A partition that was never committed is behind by what is still there.

    >>> behind({("purchases", 0): 5, ("purchases", 1): 9}, {("purchases", 0): 3},
    ...        {("purchases", 0): 0, ("purchases", 1): 9})
    {('purchases', 0): 2}
    """
    left = {at: end - committed.get(at, oldest.get(at, 0)) for at, end in ends.items()}
    return {at: n for at, n in left.items() if n > 0}


def drain(
    broker: Broker,
    group: str,
    timeout: float,
    observer: Observer = UNOBSERVED,
    stages: Sequence[tuple[str, ...]] = EVENTS,
) -> None:
    """Wait for topics as they end now, stage by stage: the inputs, then `kol-cells`.

    Raises:
        NotDrainedError: after `timeout` seconds, or at once where a topic is missing.

    """
    wait = _Wait(broker, group, timeout, observer)
    wait.check_topics(stages)
    for topics in stages:
        wait.until_committed(topics)
    observer.remaining(0)


class _Wait:
    """One drain: its deadline, and whether the missing workers were reported."""

    def __init__(self, broker: Broker, group: str, timeout: float, observer: Observer) -> None:
        self._broker = broker
        self._group = group
        self._timeout = timeout
        self._observer = observer
        self._started = observer.clock()
        self._retry = Retrying(self._started + timeout, observer)
        self._alone_since: float | None = self._started  # None: reported
        self._looked_at = self._started  # for open transactions
        self._reported: set[int] = set()  # producers whose open transaction was

    def check_topics(self, stages: Sequence[tuple[str, ...]]) -> None:
        """Make sure that every topic to wait for exists."""
        counts = self._retry(self._broker.counts)
        missing = [topic for topics in stages for topic in topics if topic not in counts]
        if missing:
            raise NotDrainedError(
                f"no such topic: {', '.join(missing)}. `kol topics` creates what is missing; is "
                "KOL_KAFKA__BOOTSTRAP right?"
            )

    def until_committed(self, topics: tuple[str, ...]) -> None:
        """Wait until everything that is on these topics now is committed."""
        oldest = self._retry(lambda: self._broker.first_offsets(topics))
        ends = self._retry(lambda: self._broker.end_offsets(topics))
        while left := behind(ends, self._retry(self._committed), oldest):
            self._observer.remaining(sum(left.values()))
            if self._is_over:
                raise NotDrainedError(self._timeout_message(left))
            self._report_missing_workers()
            self._report_held(topics)
            self._observer.sleep(PAUSE_SECONDS)

    def _committed(self) -> Offsets:
        return self._broker.committed(self._group)

    def _member_count(self) -> int:
        return len(self._broker.members(self._group))

    def _report_missing_workers(self) -> None:
        """Report once that no worker has been there for some seconds; one may be starting."""
        if self._alone_since is None or self._observer.clock() - self._alone_since < ALONE_SECONDS:
            return
        if self._retry(self._member_count):
            self._alone_since = self._observer.clock()
        else:
            self._alone_since = None
            self._observer.notice(f"{NO_WORKERS}; waiting on")

    def _report_held(self, topics: Sequence[str]) -> None:
        """Report once each producer that holds messages back, and all the time how many."""
        if self._observer.clock() - self._looked_at < HELD_SECONDS:
            return
        self._looked_at = self._observer.clock()
        held = self._held(topics)
        self._observer.held(held_messages(held))
        for one in held:
            if one.producer_id not in self._reported:
                self._reported.add(one.producer_id)
                self._observer.notice(f"{held_text(one, self._observer.now_ms())}; waiting on")

    def _held(self, topics: Iterable[str]) -> list[OpenTransaction]:
        found = self._retry(lambda: self._broker.open_transactions(topics))
        return long_open(found, self._observer.now_ms())

    def _timeout_message(self, left: Offsets) -> str:
        (topic, partition), _ = max(left.items(), key=lambda item: item[1])
        return (
            f"{sum(left.values())} messages not safe after {self._timeout:g} s, most on "
            f"{topic}/{partition}: {self._cause(left)}"
        )

    def _cause(self, left: Offsets) -> str:
        """Why these messages are not safe, as far as the brokers know."""
        if not self._retry(self._member_count):
            return NO_WORKERS
        held = self._held({topic for topic, _ in left})
        if held:
            now = self._observer.now_ms()
            return "; ".join(held_text(one, now) for one in held)
        return "`kol status` and the workers' logs say why"

    @property
    def _is_over(self) -> bool:
        return self._observer.clock() - self._started > self._timeout


class Retrying:
    """Asks again while the broker starts or its coordinator moves.

    Args:
        deadline: of the observer's clock; then it gives up.
        observer: has the clock.

    """

    def __init__(self, deadline: float, observer: Observer) -> None:
        self._deadline = deadline
        self._observer = observer

    def __call__(self, ask: Callable[[], T]) -> T:
        """An answer.

        Raises:
            NotDrainedError: there was none in time.

        """
        while True:
            try:
                return ask()
            except RetriableError as error:
                if self._observer.clock() > self._deadline:
                    raise NotDrainedError(f"Kafka does not answer: {named(error)}") from error
                self._observer.sleep(PAUSE_SECONDS)
