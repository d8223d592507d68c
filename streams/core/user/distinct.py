"""Distinct users by minute, hour, day and ISO week, exact and additive.

A user counts once for a KOL in a bucket: +1 in the minute of the user's earliest event
of that bucket; an earlier event moves it. So the sum over the minutes of an hour (day,
week) is the number of distinct users of the hour (day, week).

For a user and a KOL memory holds the minutes of each hour, as bits, and the earliest
minute of each day of a week. An hour's earliest minute can change only where a new
minute appears, a day's only where an hour's does.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT
from schemas.columns import Mask
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, Words, high, packed
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.cells import Cells, is_final

HOUR: Final = 60  # minutes
DAY: Final = 1_440
WEEK: Final = 10_080
DAYS: Final = 7
MONDAY: Final = 3 * DAY  # 1970-01-01 was a Thursday: that many minutes after its week began

UNSEEN_MINUTE: Final = np.iinfo(np.int16).max  # the earliest minute of a day without the user
_ONE = np.uint64(1)


def expired_hours(hours: ExpiringTable, watermark: int) -> Mask:
    """Which hours no accepted event can belong to any more."""
    over: Mask = (hours["hi"].astype(np.int64) + 1) * HOUR <= _final_to(watermark)
    return over


def expired_weeks(weeks: ExpiringTable, watermark: int) -> Mask:
    """Which weeks no accepted event can belong to any more."""
    over: Mask = (weeks["hi"].astype(np.int64) + 1) * WEEK - MONDAY <= _final_to(watermark)
    return over


def expired_minutes(minutes: ExpiringTable, watermark: int) -> Mask:
    """Which minutes no accepted event can belong to any more."""
    return is_final(minutes["hi"].astype(np.int64), watermark)


def _final_to(watermark: int) -> int:
    """The minute before which every minute is final."""
    return (watermark - HORIZON_MS) // MINUTE_MS


class Distinct(ExpiringPart):
    """For every user and name the minutes of the hours and days that can still change."""

    def __init__(self, slack: int) -> None:
        # bit m: seen in minute m of the hour
        self._hour = ExpiringTable(slack, expired_hours, minutes=np.uint64)
        # the earliest minute of the week in each day
        self._week = ExpiringTable(slack, expired_weeks, days=(np.int16, (DAYS,)))
        super().__init__({".hour": self._hour, ".week": self._week})

    def add(
        self,
        user: RowNumbers,
        name: NDArray[Any],
        minute: NDArray[np.int64],
        cell: RowNumbers,
        cells: Cells,
    ) -> None:
        """Count users of names in minutes, in any order; `cell` is the row of name and minute."""
        who = packed(user, name)
        event, was, now = self._mark(who, minute)
        cells.add(cell[event], AT["users"], 1)
        first = (_bit(minute[event]) == lowest(now)) & (lowest(was) != lowest(now))
        old = was[first]
        event = event[first]
        cells.add(cell[event], AT["users_hour"], 1)
        moves = old != 0
        left = event[moves]
        before = minute[left] // HOUR * HOUR + minute_of(lowest(old[moves]))
        _add(cells, AT["users_hour"], who[left], before, -1)
        self._lower(who[event], minute[event], cell[event], cells)

    def _mark(
        self, who: Words, minute: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Note minutes; gives one event for each new one, and its hour's minutes before and now."""
        row, first = self._hour.add(who, (minute // HOUR).astype(np.uint64))
        bit, minutes = _bit(minute), self._hour["minutes"]
        minutes[row[first]] = 0
        was = minutes[row]
        minutes[row[first]] = bit[first]
        more = np.flatnonzero((minutes[row] & bit) == 0)
        _, once = np.unique(row[more] * HOUR + minute[more] % HOUR, return_index=True)
        more = more[once]
        np.add.at(minutes, row[more], bit[more])  # each bit once: the same as "or"
        event = np.append(np.flatnonzero(first), more)
        return event, was[event], minutes[row[event]]

    def _lower(self, who: Words, minute: NDArray[np.int64], cell: RowNumbers, cells: Cells) -> None:
        """Count in days and weeks, where minutes became the earliest of their hours."""
        week, within = np.divmod(minute + MONDAY, WEEK)
        row, first = self._week.add(who, week.astype(np.uint64))
        days = self._week["days"]
        days[row[first]] = UNSEEN_MINUTE
        place = row * DAYS + within // DAY
        flat = days.reshape(-1)
        day, of_week = flat[place], _earliest(days[row])
        np.minimum.at(flat, place, within.astype(np.int16))
        for field, before, now in (
            (AT["users_day"], day, flat[place]),
            (AT["users_week"], of_week, _earliest(days[row])),
        ):
            wins = (now < before) & (now == within)  # one for each bucket that changed
            cells.add(cell[wins], field, 1)
            moves = wins & (before != UNSEEN_MINUTE)
            _add(cells, field, who[moves], (minute - within + before)[moves], -1)


class DistinctBuyers(Distinct):
    """Distinct users of brands: what was counted can be taken back.

    A standing order may be replaced by an earlier one of another brand, so every
    (user, brand, minute) counts its facts.
    """

    def __init__(self, slack: int) -> None:
        super().__init__(slack)
        self._minute = ExpiringTable(slack, expired_minutes, facts=np.int32)
        self._tables = {**self._tables, ".minute": self._minute}

    def add(
        self,
        user: RowNumbers,
        name: NDArray[Any],
        minute: NDArray[np.int64],
        cell: RowNumbers,
        cells: Cells,
    ) -> None:
        """Count users of brands in minutes, once for each fact."""
        row, first = self._minute.add(packed(user, name), minute.astype(np.uint64))
        self._minute["facts"][row[first]] = 0
        np.add.at(self._minute["facts"], row, 1)
        super().add(user, name, minute, cell, cells)

    def remove(
        self, user: RowNumbers, name: NDArray[Any], minute: NDArray[np.int64], cells: Cells
    ) -> None:
        """Take away facts that were counted before."""
        who = packed(user, name)
        row = self._minute.find(who, minute.astype(np.uint64))
        np.subtract.at(self._minute["facts"], row, 1)
        over = np.unique(row[self._minute["facts"][row] == 0])
        for lo, hi in zip(self._minute["lo"][over], self._minute["hi"][over], strict=True):
            self._remove_minute(np.array([lo]), int(hi), cells)

    def _remove_minute(self, who: Words, minute: int, cells: Cells) -> None:
        """Remove a minute in which nothing is left, and move the buckets that began in it."""
        hour, minutes = self._hour.find(who, _word(minute // HOUR)), self._hour["minutes"]
        was, now = minutes[hour], minutes[hour] ^ _bit(np.array([minute]))
        minutes[hour] = now
        _add(cells, AT["users"], who, np.array([minute]), -1)
        if lowest(was) == lowest(now):
            return
        left = (minute // HOUR * HOUR + minute_of(lowest(now)))[now != 0]
        _move(cells, AT["users_hour"], who, minute, left)
        day = self._week["days"][self._week.find(who, _word((minute + MONDAY) // WEEK))[0]]
        within = (minute + MONDAY) % WEEK
        monday, earliest = minute - within, int(day.min())
        if day[within // DAY] == within:
            left = self._following(who, minute)
            day[within // DAY] = left[0] - monday if left.size else UNSEEN_MINUTE
            _move(cells, AT["users_day"], who, minute, left)
        if earliest == within:
            left = monday + day[day != UNSEEN_MINUTE][:1].astype(np.int64)
            _move(cells, AT["users_week"], who, minute, left)

    def _following(self, who: Words, minute: int) -> NDArray[np.int64]:
        """The earliest minute left in the day after one that was the earliest, if any."""
        hours = np.arange(minute // HOUR, (minute // DAY + 1) * (DAY // HOUR))
        row = self._hour.find(np.repeat(who, len(hours)), hours.astype(np.uint64))
        minutes = np.where(row >= 0, self._hour["minutes"][row], 0)
        some = np.flatnonzero(minutes)[:1]
        following: NDArray[np.int64] = hours[some] * HOUR + minute_of(lowest(minutes[some]))
        return following


def _earliest(days: NDArray[np.int16]) -> NDArray[np.int16]:
    """The earliest minute of each week, shape `(n, DAYS)`: day by day, in long rows."""
    earliest: NDArray[np.int16] = np.ascontiguousarray(days.T).min(axis=0)
    return earliest


def _word(number: int) -> Words:
    return np.array([number], np.uint64)


def _bit(minute: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The bit of each minute in its hour."""
    return _ONE << (minute % HOUR).astype(np.uint64)


def lowest(minutes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The lowest bit that is set, 0 where none is."""
    return minutes & (~minutes + _ONE)


def minute_of(bit: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Which minute of the hour a single bit stands for."""
    below: NDArray[np.int64] = np.bitwise_count(bit - _ONE).astype(np.int64)
    return below


def _add(cells: Cells, field: int, who: Words, minute: NDArray[np.int64], amount: int) -> None:
    cells.add(cells.rows(high(who), minute), field, amount)


def _move(cells: Cells, field: int, who: Words, minute: int, left: NDArray[np.int64]) -> None:
    """Let a bucket begin in the minute that is left, if any, instead of in `minute`."""
    _add(cells, field, who, np.array([minute]), -1)
    _add(cells, field, who[: len(left)], left, 1)
