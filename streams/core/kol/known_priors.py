"""By which numbers each row is judged: those that hold at its minute.

A number holds for minutes that begin when it holds for records. A row is written later than that,
so whoever writes it has read the number; and whoever reads everything again finds the same one.
Before the first number of a kind population 0 holds (`priors`), and nothing was audited.

What numbers say of a KOL is looked up once for each KOL and number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final, NamedTuple, Protocol

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
        self._priors: dict[tuple[int, ...], _ByKol] = {}  # by population and profiles
        self._audits: dict[tuple[int, ...], _ByKol] = {}  # by audit

    def forget(self) -> None:
        """KOLs have other codes from now on."""
        self._priors.clear()
        self._audits.clear()

    def of_rows(self, names: Sequence[str], kol: Codes, minute: Minutes) -> Known:
        """What holds for rows, by KOL (codes into `names`) and minute."""
        log, at = self._numbers.log, minute * MINUTE_MS
        if not (log.has_numbers(POPULATIONS) or log.has_numbers(AUDIT)):
            return Known(TRUST, np.full(len(kol), SNAPSHOT, np.uint32), None)
        number, profile = log.numbers_at(POPULATIONS, at), log.numbers_at(KOL, at)
        parts = np.broadcast_to(_DEFAULT, (len(kol), *_DEFAULT.shape)).copy()
        for pair in sorted(set(zip(number.tolist(), profile.tolist(), strict=True))):
            if pair[0]:
                which = np.flatnonzero((number == pair[0]) & (profile == pair[1]))
                parts[which] = self._prior_of(log, pair, names)[kol[which]]
        held = np.where(number > 0, number, SNAPSHOT).astype(np.uint32)
        prior = TrustPrior(*np.moveaxis(parts, 1, 0))
        return Known(prior, held, self._audited(log, names, kol, minute))

    def _prior_of(self, log: NumberLog, pair: tuple[int, int], names: Sequence[str]) -> Floats:
        """The prior of every KOL by a population and profiles, shape (kols, parts, 5)."""
        number, profile = pair
        known = _kept(self._priors, pair)
        new = known.new(names)
        if new:
            profiles = log.values_of(profile) if profile else None
            known.add(_parts(log.values_of(number), _groups(profiles, new)))
        return known.values

    def _audited(
        self, log: NumberLog, names: Sequence[str], kol: Codes, minute: Minutes
    ) -> Floats | None:
        number = log.numbers_at(AUDIT, minute * MINUTE_MS)
        if not number.any():
            return None
        found = np.zeros((len(kol), AUDITED_SUMS))
        for one in sorted(set(number.tolist()) - {0}):
            values, known = log.values_of(one), _kept(self._audits, (one,))
            new = known.new(names)
            if new:
                known.add(_sums(values, new))
            which = np.flatnonzero(number == one)
            sums = known.values[kol[which]]
            passed = minute[which] + 1 - sums[:, 0]
            found[which] = sums[:, 1:] * np.exp2(-passed[:, None] * _PER_MINUTE)
        return found


class _ByKol:
    """What a number says of KOLs, by their codes."""

    def __init__(self) -> None:
        self.values = np.empty((0,))

    def new(self, names: Sequence[str]) -> Sequence[str]:
        """The KOLs of which nothing is known yet."""
        return names[len(self.values) :]

    def add(self, values: Floats) -> None:
        """Take in what is known of the new ones."""
        self.values = np.concatenate([self.values, values]) if self.values.size else values


def _kept(known: dict[tuple[int, ...], _ByKol], numbers: tuple[int, ...]) -> _ByKol:
    """What is known by numbers; those that were asked for longest ago go."""
    found = known.pop(numbers, None) or _ByKol()
    known[numbers] = found
    if len(known) > KEPT:
        del known[next(iter(known))]
    return found


def _groups(profiles: Values | None, names: Sequence[str]) -> list[str]:
    """The group of each KOL; empty where none is known."""
    if profiles is None:
        return [""] * len(names)
    rows = profiles.rows(names)
    both = zip(profiles.texts("tier", rows), profiles.texts("vertical", rows), strict=True)
    return [group_of(tier, vertical) for tier, vertical in both]


def _parts(values: Values, groups: Sequence[str]) -> Floats:
    """What holds for each, shape (n, parts, 5): that of its group, else that of all."""
    kinds, place = np.unique(np.array(groups, np.str_), return_inverse=True)
    own = values.rows(kinds.tolist())
    every = np.full(len(kinds), values.rows([ALL])[0])
    found = np.empty((len(kinds), *_DEFAULT.shape))
    for i, part in enumerate(TRUST_PARTS):
        for j, d in enumerate(DIMENSIONS):
            mine, all_ = (values.numbers(f"{part}_{d}", rows) for rows in (own, every))
            said = np.where(np.isnan(mine), all_, mine)
            found[:, i, j] = np.where(np.isnan(said), _DEFAULT[i, j], said)
    return found[place]


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
