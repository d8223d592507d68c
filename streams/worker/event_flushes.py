"""Rows of `event` on their way: taken from all lanes at once, kept until they are acknowledged.

They leave in flushes of their own, beside those of orders and cells. The engine pays for each
insert: where reading is behind, and nobody waits for these rows, it is one a second or so.
Nothing of a batch is durable before its rows are acknowledged: a snapshot waits for the flush
that has all that was folded before it.

Being mute does not concern them: a row says the same whoever states it, and when.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from schemas.rows import Rows
from streams.core.user.event_rows import rows_of
from streams.worker.lanes import IDLE_SECONDS
from streams.worker.user_lane import UserLane

MANY = 1 << 16  # rows that wait: they leave before their time
BEHIND_SECONDS = 1.0  # the least from one flush to the next where reading is behind


@dataclass(frozen=True, slots=True, eq=False)
class EventFlush:
    """Rows that were taken together."""

    number: int  # counted from 1
    rows: Rows
    bytes: int  # of the messages


@dataclass(frozen=True, slots=True, eq=False)
class _Awaited:
    """A snapshot that waits for the rows of its lane."""

    lane: UserLane
    number: int  # of the flush that has them
    written: "asyncio.Future[None]"


class EventFlushes:
    """The flushes of rows of `event` that are not acknowledged, the oldest first.

    Args:
        every_s: seconds from one to the next.

    """

    def __init__(self, every_s: float = 0.3) -> None:
        self._every_s = every_s
        self._taken = 0  # number of the last flush
        self._taken_at = 0.0
        self._pending: deque[EventFlush] = deque()
        self._awaited: list[_Awaited] = []

    def waiting(self, lanes: Iterable[UserLane]) -> tuple[int, int]:
        """Rows that are not acknowledged, and the bytes of their messages."""
        filled = [lane for lane in lanes if lane.event_bytes]
        parts = [(lane.memory.waiting_events, lane.event_bytes) for lane in filled]
        parts += [(len(flush.rows), flush.bytes) for flush in self._pending]
        return sum(rows for rows, _ in parts), sum(size for _, size in parts)

    def are_due(self, lanes: Iterable[UserLane], now: float, *, is_behind: bool = False) -> bool:
        """Whether rows are to leave: it is time, many wait, or no more are to come for now."""
        if self._pending:
            return True
        every_s = max(self._every_s, BEHIND_SECONDS) if is_behind else self._every_s
        filled = [lane for lane in lanes if lane.memory.waiting_events]
        return bool(filled or self._awaited) and (
            now - self._taken_at >= every_s
            or sum(lane.memory.waiting_events for lane in filled) >= MANY
            or all(now - lane.idle_since >= IDLE_SECONDS for lane in filled)
        )

    def take(self, lanes: Collection[UserLane], now: float) -> None:
        """Take the rows of all lanes; snapshots of lanes that are gone wait in vain."""
        self._taken += 1
        self._taken_at = now
        size = sum(lane.event_bytes for lane in lanes)
        rows = rows_of([part for lane in lanes for part in lane.take_events()])
        if rows is not None:
            self._pending.append(EventFlush(self._taken, rows, size))
        for one in self._awaited:
            if one.number == self._taken and one.lane not in lanes:
                one.written.cancel()

    def pending(self) -> list[EventFlush]:
        """Those that are not acknowledged."""
        return list(self._pending)

    def acknowledge(self, flush: EventFlush | None = None) -> None:
        """Note that the oldest flush is written, or with None that there may be none."""
        if flush is not None:
            self._pending.remove(flush)
        reached = self._pending[0].number - 1 if self._pending else self._taken
        for one in self._awaited:
            if one.number <= reached and not one.written.done():
                one.written.set_result(None)
        self._awaited = [one for one in self._awaited if not one.written.done()]

    def written(self, lane: UserLane) -> "asyncio.Future[None]":
        """What ends once every row is acknowledged that a lane gave so far."""
        number = 0
        if lane.memory.waiting_events:
            number = self._taken + 1
        elif self._pending:
            number = self._pending[-1].number
        future = asyncio.get_running_loop().create_future()
        self._awaited.append(_Awaited(lane, number, future))
        if not number:
            self.acknowledge()
        return future
