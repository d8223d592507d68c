"""Distinct users by minute, hour, day and ISO week, exact and additive.

A user counts once for a KOL in a bucket: +1 in the minute of the user's earliest event
of that bucket; an earlier event moves it. So the sum over the minutes of an hour (day,
week) is the number of distinct users of the hour (day, week).

An hour's earliest minute can change only where a new (user, KOL, minute) appears.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT
from streams.core.arena import Arrays, Due
from streams.core.cells import Cells
from streams.core.index import Keyed, RowNumbers, Words, high, low, packed
from streams.core.lateness import HORIZON_MS, MINUTE_MS


class Level(IntEnum):
    """A length of buckets of the UTC clock."""

    MINUTE = 0
    HOUR = 1
    DAY = 2
    WEEK = 3


MINUTES: Final = (1, 60, 1440, 10_080)  # of a bucket, by level
SHIFT: Final = (0, 0, 0, 3 * 1440)  # minutes; 1970-01-01 was a Thursday, weeks begin on Monday
FIELDS: Final = tuple(AT[f] for f in ("users", "users_hour", "users_day", "users_week"))
LONGER: Final = (Level.HOUR, Level.DAY, Level.WEEK)

_LEVEL_BITS = np.uint64(3)
_BUCKET_AT = np.uint64(2)  # where the bucket begins in a key's high word
NOBODY: Final = np.iinfo(np.int64).max  # the earliest minute of a bucket without a user


def bucket_key(level: Level, minute: NDArray[np.int64]) -> Words:
    """Give the high word of the keys of the buckets that hold these minutes."""
    bucket = (minute + SHIFT[level]) // MINUTES[level]
    return (bucket.astype(np.uint64) << _BUCKET_AT) | np.uint64(level)


def bucket_end(key: Words) -> NDArray[np.int64]:
    """Give the first minute after each bucket, from the high words of keys."""
    level = (key & _LEVEL_BITS).astype(np.int64)
    after = (key >> _BUCKET_AT).astype(np.int64) + 1
    end: NDArray[np.int64] = after * np.array(MINUTES)[level] - np.array(SHIFT)[level]
    return end


class Distinct:
    """For every user, name and bucket that can still change: the earliest minute."""

    def __init__(self, slack: int) -> None:
        self._pair = Keyed(earliest=np.int64, count=np.int32)
        self._due = Due(slack)

    def __len__(self) -> int:
        return len(self._pair)

    def see(
        self, user: RowNumbers, name: NDArray[Any], minute: NDArray[np.int64], cells: Cells
    ) -> None:
        """Count users of names in minutes, in any order."""
        who = packed(user, name)
        _, first = self._pair.add(who, bucket_key(Level.MINUTE, minute))
        self._begin(who[first], minute[first], cells)

    def _begin(self, who: Words, minute: NDArray[np.int64], cells: Cells) -> None:
        """Count (user, name, minute) that were not there before, each once."""
        cell = cells.rows(high(who), minute)
        cells.add(cell, FIELDS[Level.MINUTE], 1)
        keys = np.concatenate([bucket_key(level, minute) for level in LONGER])
        row, first = self._pair.add(np.tile(who, len(LONGER)), keys)
        earliest = self._pair["earliest"]
        earliest[row[first]] = NOBODY
        before = earliest[row]
        minutes = np.tile(minute, len(LONGER))
        np.minimum.at(earliest, row, minutes)
        now = earliest[row]
        wins = (now < before) & (now == minutes)  # one for each bucket that changed
        field = np.repeat([FIELDS[level] for level in LONGER], len(who))
        cells.add(np.tile(cell, len(LONGER))[wins], field[wins], 1)
        moves = wins & (before != NOBODY)
        if moves.any():
            old = cells.rows(high(np.tile(who, len(LONGER))[moves]), before[moves])
            cells.add(old, field[moves], -1)

    def forget(self, watermark: int) -> None:
        """Drop buckets that no accepted event can belong to, when there are many."""
        if self._due.reached(len(self._pair)):
            ends = bucket_end(self._pair["hi"]) * MINUTE_MS
            self._pair.keep(ends + HORIZON_MS > watermark)
            self._due.reset(len(self._pair))

    def users(self) -> RowNumbers:
        """Give the user of every row."""
        return low(self._pair["lo"])

    def renumber(self, user: NDArray[np.int64]) -> None:
        """Give every user a new number."""
        self._pair.renumber(user)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds."""
        return self._pair.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._pair.restore(prefix, arrays)


class DistinctBuyers(Distinct):
    """Distinct users of brands: what was counted can be taken back.

    A standing order may be replaced by an earlier one of another brand, so every
    (user, brand, minute) counts its facts.
    """

    def see(
        self, user: RowNumbers, name: NDArray[Any], minute: NDArray[np.int64], cells: Cells
    ) -> None:
        """Count users of brands in minutes, once for each fact."""
        who = packed(user, name)
        row, first = self._pair.add(who, bucket_key(Level.MINUTE, minute))
        count = self._pair["count"]
        count[row[first]] = 0
        rows, event = np.unique(row, return_index=True)
        begins = event[count[rows] == 0]
        np.add.at(count, row, 1)
        self._begin(who[begins], minute[begins], cells)

    def take_back(
        self, user: RowNumbers, name: NDArray[Any], minute: NDArray[np.int64], cells: Cells
    ) -> None:
        """Count facts no more that were counted before."""
        for who, gone in zip(packed(user, name), minute.tolist(), strict=True):
            row = self._row(who, Level.MINUTE, gone)
            self._pair["count"][row] -= 1
            if self._pair["count"][row] == 0:
                self._end(who, gone, cells)

    def _end(self, who: np.uint64, gone: int, cells: Cells) -> None:
        """Move every bucket that began in a minute where nothing is left."""
        self._move(who, Level.MINUTE, gone, NOBODY, cells)
        for level in LONGER:
            row = self._row(who, level, gone)
            if self._pair["earliest"][row] == gone:
                following = self._next(who, level, gone)
                self._pair["earliest"][row] = following
                self._move(who, level, gone, following, cells)

    def _next(self, who: np.uint64, level: Level, gone: int) -> int:
        """Give the earliest minute left in the bucket of a level, NOBODY where none is.

        The parts of the bucket before `gone` hold nothing; those after it are still in
        memory, since `gone` is.
        """
        end = int(bucket_end(bucket_key(level, np.array([gone])))[0])
        part = Level(level - 1)
        minutes = np.arange(gone, end, MINUTES[part])
        row = self._pair.find(np.full(len(minutes), who), bucket_key(part, minutes))
        found = row >= 0
        row, minutes = row[found], minutes[found]
        if part == Level.MINUTE:
            left = minutes[self._pair["count"][row] > 0]
        else:
            left = self._pair["earliest"][row]
        return int(left.min(initial=NOBODY))

    def _row(self, who: np.uint64, level: Level, minute: int) -> int:
        return int(self._pair.find(np.array([who]), bucket_key(level, np.array([minute])))[0])

    def _move(self, who: np.uint64, level: Level, gone: int, to: int, cells: Cells) -> None:
        minutes = np.array([gone] if to == NOBODY else [gone, to])
        cell = cells.rows(high(np.full(len(minutes), who)), minutes)
        cells.add(cell, FIELDS[level], np.array([-1, 1])[: len(minutes)])
