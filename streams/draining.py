"""Waiting until what stands on the topics now is read, stated and safe.

Commits follow snapshots and snapshots follow acknowledged rows, so a committed offset
says that everything before it stands in ClickHouse.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from kafka.errors import RetriableError

from schemas.events import INPUTS
from schemas.topics import CELLS
from streams.broker import Broker, Offsets
from streams.errors import ExpectedError

PAUSE_SECONDS = 0.1

T = TypeVar("T")


class NotDrainedError(ExpectedError):
    """The workers did not get there in time; says how far they are."""


def behind(ends: Offsets, committed: Offsets) -> dict[tuple[str, int], int]:
    """The messages not yet safe, per partition; {} when all are.

    >>> behind({("purchases", 0): 5, ("purchases", 1): 0}, {("purchases", 0): 3})
    {('purchases', 0): 2}
    """
    left = {at: end - committed.get(at, 0) for at, end in ends.items()}
    return {at: n for at, n in left.items() if n > 0}


def drain(
    broker: Broker,
    group: str,
    seconds: float,
    seen: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for the inputs as they end now, then for `kol-cells`; `seen` gets what is left.

    Raises:
        NotDrainedError: after `seconds`, or when nobody reads at all.

    """
    deadline = clock() + seconds

    def answer(ask: Callable[[], T]) -> T:
        while True:
            try:
                return ask()
            except RetriableError as error:  # it starts again, or its coordinator moves
                if clock() > deadline:
                    raise NotDrainedError(f"Kafka does not answer: {error!r}") from error
                sleep(PAUSE_SECONDS)

    for topics in (INPUTS, (CELLS,)):
        ends = answer(lambda topics=topics: broker.end_offsets(topics))  # type: ignore[misc]  # bound early
        while left := behind(ends, answer(lambda: broker.committed(group))):
            seen(sum(left.values()))
            if clock() > deadline:
                worst = max(left, key=lambda at: left[at])
                raise NotDrainedError(
                    f"{sum(left.values())} messages not safe after {seconds:g} s, most on "
                    f"{worst[0]}/{worst[1]}: is a worker running (`kol status`)?"
                )
            sleep(PAUSE_SECONDS)
    seen(0)
