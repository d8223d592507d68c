"""By which numbers each row is judged: those that hold at its minute.

A number holds for minutes that begin when it holds for records. A row is written later than that,
so whoever writes it has read the number; and whoever reads everything again finds the same one.
Before the first number of a kind population 0 holds (`priors`), and nothing was audited.

What numbers say of a KOL is looked up once for each KOL and number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from schemas.columns import Codes
from schemas.number_log import NumberLog, Values
from schemas.numbered import AUDIT, AUDIT_SUMS, KOL, TRUST_PARTS
from schemas.numbered import TRUST as POPULATIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.population import ALL, group_of
from streams.core.kol.priors import FAST_HALF_LIFE, SNAPSHOT, TRUST, TRUST_HALF_LIFE, TrustPrior
from streams.core.moments import MINUTE_MS, Minutes

LINES: Final = ("", "fast_")  # the score of record, the fast line
WORDS: Final = ("for", "against", "square")
AUDITED_SUMS: Final = len(LINES) * len(WORDS) * len(DIMENSIONS)  # in order of `sums`
KEPT: Final = 4  # numbers of a kind whose KOLs are kept: the one that holds, those of late minutes

T = TypeVar("T")


class Numbers(Protocol):
    """What numbers say, of one process; the log may be another one later."""

    log: NumberLog


class NoNumbers:
    """Where there are no numbers."""

    def __init__(self) -> None:
        self.log = NumberLog()


class Known(NamedTuple):
    """What holds for rows."""

    prior: TrustPrior  # shapes (5,) or (rows, 5)
    number: NDArray[np.uint32]  # of the population, shape (rows,)
    audits: Floats | None  # sums as they stand at the end of each row's minute, (rows, 30)


class KnownPriors:
    """The numbers that rows may ask for, and what they say of the KOLs of one partition."""

    def __init__(self, numbers: Numbers | None = None) -> None:
        self._numbers = NoNumbers() if numbers is None else numbers
        self._log = self._numbers.log  # of which the following is
        self._groups = [""]
        self._group_of: dict[int, _ByKol] = {}  # by number of the profiles: places in `_groups`
        self._parts_of: dict[int, _Parts] = {}  # by number of the population
        self._audits: dict[int, _ByKol] = {}  # by number of the audit

    def forget(self) -> None:
        """KOLs have other codes from now on, or numbers say something else."""
        self._log = self._numbers.log
        self._group_of.clear()
        self._parts_of.clear()
        self._audits.clear()

    def of_rows(self, names: Sequence[str], kol: Codes, minute: Minutes) -> Known:
        """What holds for rows, by KOL (codes into `names`) and minute."""
        if self._log is not self._numbers.log:  # the topic was made anew
            self.forget()
        log, at = self._log, minute * MINUTE_MS
        if not (log.has_numbers(POPULATIONS) or log.has_numbers(AUDIT)):
            return Known(TRUST, np.full(len(kol), SNAPSHOT, np.uint32), None)
        number, profile = log.numbers_at(POPULATIONS, at), log.numbers_at(KOL, at)
        parts = np.broadcast_to(_DEFAULT, (len(kol), *_DEFAULT.shape)).copy()
        for one, of in sorted(set(zip(number.tolist(), profile.tolist(), strict=True))):
            if one:
                which = np.flatnonzero((number == one) & (profile == of))
                group = self._group(of, names, kol[which])
                known = _kept(self._parts_of, one, _Parts)
                parts[which] = known.of(self._groups, log.values_of(one))[group]
        held = np.where(number > 0, number, SNAPSHOT).astype(np.uint32)
        prior = TrustPrior(*np.moveaxis(parts, 1, 0))
        return Known(prior, held, self._audited(names, kol, minute))

    def _group(self, profile: int, names: Sequence[str], kol: Codes) -> NDArray[np.integer]:
        """The place in `_groups` of each row; that of no group where there are no profiles."""
        if not profile:
            return np.zeros(len(kol), np.int64)
        values = self._log.values_of(profile)

        def found(some: Sequence[str]) -> NDArray[np.int64]:
            groups = _groups(values, some)
            self._groups += sorted(set(groups) - set(self._groups))
            place = {group: place for place, group in enumerate(self._groups)}
            return np.array([place[group] for group in groups])

        return _kept(self._group_of, profile, _ByKol).of(names, kol, found)

    def _audited(self, names: Sequence[str], kol: Codes, minute: Minutes) -> Floats | None:
        number = self._log.numbers_at(AUDIT, minute * MINUTE_MS)
        if not number.any():
            return None
        found = np.zeros((len(kol), AUDITED_SUMS))
        for one in sorted(set(number.tolist()) - {0}):
            which = np.flatnonzero(number == one)
            known = _kept(self._audits, one, _ByKol)
            sums = known.of(names, kol[which], partial(_sums, self._log.values_of(one)))
            passed = minute[which] + 1 - sums[:, 0]
            found[which] = sums[:, 1:] * np.exp2(-passed[:, None] * _PER_MINUTE)
        return found


class _ByKol:
    """What a number says of KOLs, by their codes; each is looked up once."""

    def __init__(self) -> None:
        self._values: NDArray[Any] | None = None
        self._is_known = np.zeros(0, np.bool_)

    def of(
        self, names: Sequence[str], kol: Codes, find: Callable[[Sequence[str]], NDArray[Any]]
    ) -> NDArray[Any]:
        """What is known of the KOL of each row; `find` looks KOLs up by name."""
        self._is_known = _longer(self._is_known, len(names))
        used = np.unique(kol)
        new = used[~self._is_known[used]]
        if new.size or self._values is None:
            found = find([names[code] for code in new.tolist()])
            if self._values is None:
                self._values = np.zeros((0, *found.shape[1:]), found.dtype)
            self._values = _longer(self._values, len(names))
            self._values[new], self._is_known[new] = found, True
        known: NDArray[Any] = self._values[kol]
        return known


def _longer(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The same with zeros behind them, up to a size."""
    more = max(0, size - len(values))
    return np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)])


class _Parts:
    """What a population says of groups, shape (groups, parts, 5)."""

    def __init__(self) -> None:
        self._values = np.empty((0, *_DEFAULT.shape))

    def of(self, groups: Sequence[str], values: Values) -> Floats:
        """That of each of these groups, to which others may have come since."""
        new = groups[len(self._values) :]
        if new:
            self._values = np.concatenate([self._values, _parts(values, new)])
        return self._values


def _kept(known: dict[int, T], number: int, new: Callable[[], T]) -> T:
    """What is known by a number; the one that was asked for longest ago goes."""
    found = known.pop(number, None) or new()
    known[number] = found
    if len(known) > KEPT:
        del known[next(iter(known))]
    return found


def _groups(profiles: Values, names: Sequence[str]) -> list[str]:
    """The group of each KOL; empty where none is known."""
    rows = profiles.rows(names)
    both = zip(profiles.texts("tier", rows), profiles.texts("vertical", rows), strict=True)
    return [group_of(tier, vertical) for tier, vertical in both]


def _parts(values: Values, groups: Sequence[str]) -> Floats:
    """What holds for each group, shape (n, parts, 5): its own, else that of all."""
    own, every = values.rows(groups), np.full(len(groups), values.rows([ALL])[0])
    found = np.empty((len(groups), *_DEFAULT.shape))
    for i, part in enumerate(TRUST_PARTS):
        for j, d in enumerate(DIMENSIONS):
            mine, all_ = (values.numbers(f"{part}_{d}", rows) for rows in (own, every))
            said = np.where(np.isnan(mine), all_, mine)
            found[:, i, j] = np.where(np.isnan(said), _DEFAULT[i, j], said)
    return found


def _sums(values: Values, names: Sequence[str]) -> Floats:
    """What was audited of each KOL, and as of which minute: shape (n, 1 + AUDITED_SUMS)."""
    rows = values.rows(names)
    found = np.zeros((len(names), 1 + AUDITED_SUMS))
    for name, column in _COLUMN_OF.items():
        found[:, column] = np.nan_to_num(values.numbers(name, rows))
    return found


_DEFAULT: Final = np.stack([getattr(TRUST, part.name) for part in fields(TrustPrior)])
_NAMES: Final = [f"{line}{word}_{d}" for line in LINES for word in WORDS for d in DIMENSIONS]
_COLUMN_OF: Final[Mapping[str, int]] = {
    "minute": 0,
    **{name: 1 + place for place, name in enumerate(_NAMES) if name in AUDIT_SUMS},
}
_PER_MINUTE: Final = np.array(  # halvings of each sum
    [
        (2 if word == "square" else 1) / (FAST_HALF_LIFE if line else TRUST_HALF_LIFE[d])
        for line in LINES
        for word in WORDS
        for d in DIMENSIONS
    ]
)
