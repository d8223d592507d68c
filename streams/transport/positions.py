"""How far topic partitions are read, delivered and committed, and where they end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from faust.types import TP

from streams.transport.records import Piece


class End(NamedTuple):
    """Where a partition ends, as the broker says."""

    stable: int  # the last stable offset: an open transaction holds it back
    high_watermark: int  # the offset after the last record
    at: int  # neither is older than this, milliseconds since the epoch


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """Where the reading of one topic partition stands; each offset is the next one."""

    position: int | None  # to read; None: not begun
    end: int | None  # the last stable offset as last heard; None: not heard lately
    idle_s: float  # seconds since the last record, or since reading began
    committed: int | None = None  # None: not begun
    committed_at: float | None = None  # seconds since the epoch; None: not by this process
    delivered: int | None = None  # after the last records delivered; None: not begun
    end_at: int | None = None  # `end` is no older than this, milliseconds since the epoch
    high_watermark: int | None = None  # the offset after the last record, as last heard
    known_end: int | None = None  # as `end`, however long ago; None: never heard

    @property
    def lag(self) -> int | None:
        """Records not read yet, at the least; None: not known."""
        end = self.known_end if self.end is None else self.end
        return None if self.position is None or end is None else max(0, end - self.position)

    @property
    def is_at_end(self) -> bool:
        """Whether every readable record was delivered."""
        return self.position is not None and self.end is not None and self.position >= self.end

    @property
    def is_at_high_watermark(self) -> bool:
        """Whether every record was delivered: no open transaction holds older events back."""
        return self.is_at_end and self.end == self.high_watermark

    @property
    def is_held_back(self) -> bool:
        """Whether an open transaction keeps records from being read."""
        return None not in {self.end, self.high_watermark} and self.end != self.high_watermark


class Positions:
    """What this process knows of its topic partitions: read, delivered, committed, and when."""

    def __init__(self) -> None:
        self.starts: Mapping[TP, int] = {}  # where the state of the assigned partitions ends
        self._next: dict[TP, int] = {}
        self._delivered: dict[TP, int] = {}
        self._delivered_at: dict[TP, float] = {}  # steady seconds
        self._ends: dict[TP, int] = {}  # as the last fetch said
        self._committed: dict[TP, int] = {}
        self._committed_at: dict[TP, float] = {}  # seconds since the epoch

    def restart(self) -> None:
        """Reading begins at `starts`."""
        now = time.monotonic()
        for tp, start in self.starts.items():
            self._next[tp] = self._delivered[tp] = start
            self._delivered_at[tp] = now

    def read(self, tp: TP, piece: Piece) -> None:
        """A piece was read; one without records delivers nothing."""
        self._next[tp] = piece.next_offset
        if piece.end is not None:
            self._ends[tp] = piece.end
        if len(piece):
            self._delivered[tp] = piece.next_offset
            self._delivered_at[tp] = time.monotonic()

    def mark_committed(self, offsets: Mapping[TP, int]) -> None:
        """The brokers acknowledged a commit."""
        self._committed.update(offsets)
        self._committed_at |= dict.fromkeys(offsets, time.time())

    def committed(self, tp: TP) -> int:
        """The last offset that this process has committed; 0: none."""
        return self._committed.get(tp, 0)

    def of(self, tp: TP, end: End | None) -> ReadPosition:
        """Everything about one topic partition; `end` as the broker says, None if not lately."""
        delivered_at = self._delivered_at.get(tp)
        return ReadPosition(
            position=self._next.get(tp),
            end=None if end is None else end.stable,
            idle_s=0.0 if delivered_at is None else time.monotonic() - delivered_at,
            committed=self._committed.get(tp, self.starts.get(tp)),
            committed_at=self._committed_at.get(tp),
            delivered=self._delivered.get(tp),
            end_at=None if end is None else end.at,
            high_watermark=None if end is None else end.high_watermark,
            known_end=self._ends.get(tp),
        )

    def forget(self, partitions: frozenset[int]) -> None:
        """These partition numbers are no longer ours."""
        for known in (
            *(self._next, self._delivered, self._delivered_at, self._ends),
            *(self._committed, self._committed_at),
        ):
            for tp in [tp for tp in known if tp.partition in partitions]:
                del known[tp]


class FetchResponses:
    """When the newest answer of a broker was requested, though only its arrival is seen.

    An answer can wait while this process is stopped or its threads wait for their turn.
    But it was requested after the one before it had been seen, so it is no older than that.
    """

    def __init__(self) -> None:
        self._seen: dict[TP, tuple[int | None, int]] = {}  # when: the one before, and the last

    def requested_at(self, tp: TP, seen_at: int | None) -> int | None:
        """A time before the last answer was requested; None while only one is known.

        Args:
            tp: what the answer is about.
            seen_at: when the last one was seen, milliseconds; None: there is none.

        """
        if seen_at is None:
            self._seen.pop(tp, None)
            return None
        before, last = self._seen.get(tp, (None, seen_at))
        if last != seen_at:
            before, last = last, seen_at
        self._seen[tp] = before, last
        return before
