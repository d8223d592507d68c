"""What is said of each KOL at each midnight: the rows of `kol_score`, as arrays by day and KOL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from schemas.rows import Rows
from schemas.values import Coded
from tests.worlds.draws import Floats
from tests.worlds.trust import Trust, kol_id
from tests.worlds.world import BEGIN_MS, DAY

SCORES: Final = ("trust", "fast", "resonance", *(f"trust_{d}" for d in DIMENSIONS))
COLUMNS: Final = (
    *(f"{score}{end}" for score in SCORES for end in ("", "_lo", "_hi")),
    *(f"n_{d}" for d in DIMENSIONS),
    *("n_eff", "active"),
)

_DAY_S: Final = DAY // 1000
_BEGIN_S: Final = BEGIN_MS // 1000


@dataclass(frozen=True)
class Interval:
    """A score with its interval, shape (days, kols) each; NaN where nothing is said."""

    score: Floats
    low: Floats
    high: Floats

    def covers(self, truth: Floats) -> Mask:
        """Where the interval holds what is true."""
        found: Mask = (self.low <= truth) & (truth <= self.high)
        return found


class Midnights:
    """The rows of the midnights that end the days of a world; a later word replaces a former one.

    Row d of an array is the end of day d, column k the KOL number k.
    """

    def __init__(self, days: int, kols: int) -> None:
        self.columns: dict[str, Floats] = {name: np.full((days, kols), np.nan) for name in COLUMNS}

    @classmethod
    def of(cls, world: Trust) -> "Midnights":
        """Those of a world, of which nothing is said yet."""
        return cls(world.card.days, world.card.kols)

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    def interval(self, name: str) -> Interval:
        """A score of `SCORES`."""
        return Interval(*(self.columns[f"{name}{end}"] for end in ("", "_lo", "_hi")))

    @property
    def dimensions(self) -> Mask:
        """Which dimensions have a source where something is said; shape (days, kols, 5)."""
        return np.stack([~np.isnan(self[f"trust_{d}"]) for d in DIMENSIONS], axis=-1)

    def take(self, rows: Iterable[Rows]) -> None:
        """Take in what a flush says."""
        for part in rows:
            if part.table == "kol_score":
                self._take(part.columns)

    def _take(self, columns: Mapping[str, object]) -> None:
        minute = np.asarray(columns["minute"]) - _BEGIN_S
        day = minute // _DAY_S - 1
        here = np.flatnonzero((minute % _DAY_S == 0) & (day >= 0) & (day < len(self["trust"])))
        if not here.size:
            return
        names = columns["kol_id"]
        assert isinstance(names, Coded)
        kol = np.array([_number(name) for name in names.names])[names.code[here]]
        place = day[here], kol
        known = kol >= 0
        for name, into in self.columns.items():
            into[place[0][known], place[1][known]] = np.asarray(columns[name])[here][known]


def _number(name: str) -> int:
    """Of a KOL; -1 of a reserved name."""
    number = int(name[1:]) if name[1:].isdigit() else -1
    return number if number >= 0 and name == kol_id(number) else -1
