"""What a trainer says at night, by plain sums: a second reading of its definitions, without SQL.

    population   of all cells and audits of the last `DAYS`, by `streams.core.kol.population`
    audits       sum of v 2^(-(now - at) / half-life) over what contents, notices and surveys say:

    A  survey: four answers, stars - 1 for, 5 - stars against; own text for, copied text against
    I  sponsored and disclosed for, sponsored and not disclosed against; a violation 2 against

Of raters it knows nothing, as where none has said enough.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Final, NamedTuple, Self

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, Form, texts, unknown
from schemas.numbered import AUDIT, AUDITED, KINDS, KOL, TRUST, TRUST_PARTS
from schemas.reference_types import CONTENTS, NOTICES, PERCEPTIONS, PROFILES
from schemas.rows import Rows
from streams.core.kol.population import DAYS, Evidence, group_of, populations
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE, TrustPrior
from tests.truth.trainer import States
from tests.worlds.core import standing
from tests.worlds.draws import Floats
from tests.worlds.world import DAY, MINUTE, Record

ANSWERS, VIOLATION = 4.0, 2.0  # words of weight 1, the weight of one
ONE: Final = 1e6  # a weight of 1 in cells
LATE_DAYS: Final = 2  # whose cells may still be said anew
WORDS: Final = ("for", "against", "square")
KEY: Final = ("kol_id", "minute", "source_partition")

_DAY_S: Final = DAY // 1000


class Said(NamedTuple):
    """What one record says of a KOL."""

    minute: int
    kol: str
    dimension: str
    good: float
    bad: float
    square: float


class PlainTrainer:
    """Takes rows all day, and adds them up at night."""

    def __init__(self) -> None:
        self._profiles: dict[str, Record] = {}
        self._cells: list[Rows] = []  # those of days that are not over for long
        self._days: dict[int, Mapping[str, Floats]] = {}  # day -> KOL -> sums, shape (3, 5)
        self._said: list[Said] = []
        self._texts: set[str] = set()

    def take(self, rows: Iterable[Rows]) -> None:
        """Take in what a flush says of cells."""
        self._cells += [part for part in rows if part.table == "minute_cell"]

    def again(self) -> Self:
        """Another one that knows the same."""
        return deepcopy(self)

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        """The states as of midnight."""
        for topic, record in told:
            if topic == PROFILES:
                self._profiles[record["kol_id"]] = record
            else:
                self._said += self._audited(topic, record)
        self._add_up(now_ms // DAY)
        found = {KOL: self._kols(), AUDIT: self._audits(now_ms // MINUTE)}
        if of_groups := populations(self._evidence(now_ms)):
            found[TRUST] = _populations(of_groups)
        return found

    def _add_up(self, today: int) -> None:
        """Add up cells by day; a cell that is said again replaces what was said of it."""
        cells = standing(self._cells, "minute_cell", KEY)
        if not cells:
            return
        day = np.asarray(cells["minute"]) // _DAY_S
        kols, place = np.unique(np.asarray(cells["kol_id"]).astype(np.str_), return_inverse=True)
        values = np.array(
            [[cells[f"{word}_{d}"] for d in DIMENSIONS] for word in WORDS], np.float64
        )
        for one in np.unique(day).tolist():
            sums = np.zeros((len(kols), len(WORDS), len(DIMENSIONS)))
            which = np.flatnonzero(day == one)
            np.add.at(sums, place[which], np.moveaxis(values[..., which], -1, 0))
            self._days[one] = dict(zip(kols.tolist(), sums, strict=True))
        late = (today - LATE_DAYS) * _DAY_S
        recent = [
            part.pick(np.flatnonzero(np.asarray(part.columns["minute"]) >= late))
            for part in self._cells
        ]
        self._cells = [part for part in recent if len(part)]

    def _audited(self, topic: str, record: Record) -> Iterator[Said]:
        at, kol = int(record["ts"]) // MINUTE, str(record["kol_id"])
        if topic == PERCEPTIONS:
            good = record["authenticity"] - 1
            yield Said(at, kol, "A", good, ANSWERS - good, ANSWERS)
        elif topic == NOTICES and record["kind"] == "violation":
            yield Said(at, kol, "I", 0.0, VIOLATION, VIOLATION**2)
        elif topic == CONTENTS:
            if "text" in record:
                is_copy = record["text"] in self._texts
                self._texts.add(record["text"])
                yield Said(at, kol, "A", float(not is_copy), float(is_copy), 1.0)
            if record["sponsored"]:
                says = float(record["disclosed"])
                yield Said(at, kol, "I", says, 1 - says, 1.0)

    def _kols(self) -> Entries:
        profiles = list(self._profiles.values())
        columns: dict[str, Column] = {
            name: texts([str(one[name]) for one in profiles])
            for name in ("tier", "vertical", "display_name")
        }
        columns["accounts"] = unknown(Form.KEYS, len(profiles))
        return Entries(texts(list(self._profiles)), columns)

    def _audits(self, now: int) -> Entries:
        """Faded sums as of the end of the minute before midnight."""
        kols = sorted({one.kol for one in self._said})
        columns: dict[str, Column] = {name: np.zeros(len(kols)) for name in KINDS[AUDIT]}
        columns["minute"] = np.full(len(kols), float(now))
        for d in AUDITED:
            some = [one for one in self._said if one.dimension == d]
            at = np.array([one.minute for one in some])
            good, bad, square = (np.array([one[i] for one in some]) for i in (3, 4, 5))
            place = np.searchsorted(kols, [one.kol for one in some])
            for line, half_life in (("", TRUST_HALF_LIFE[d]), ("fast_", FAST_HALF_LIFE)):
                left = 2.0 ** (-(now - at) / half_life)
                for word, values in (
                    ("for", good * left * ONE),
                    ("against", bad * left * ONE),
                    ("square", square * left**2 * ONE**2),
                ):
                    column = np.bincount(place, values, minlength=len(kols))
                    columns[f"{line}{word}_{d}"] = column
        return Entries(texts(kols), columns)

    def _evidence(self, now_ms: int) -> Evidence:
        """What was said of every KOL in the days before."""
        judged = [kol for by_kol in self._days.values() for kol in by_kol]
        kols = sorted({*self._profiles, *judged, *(one.kol for one in self._said)})
        place = {kol: number for number, kol in enumerate(kols) if not kol.startswith("~")}
        sums = np.zeros((len(kols), len(WORDS), len(DIMENSIONS)))
        today, now = now_ms // DAY, now_ms // MINUTE
        for day, by_kol in self._days.items():
            counts = np.array([0 <= today - 1 - day < DAYS[d] for d in DIMENSIONS])
            for kol, values in by_kol.items():
                if kol in place and counts.any():
                    sums[place[kol]] += values * counts
        for one in self._said:
            if now - one.minute <= DAYS[one.dimension] * (DAY // MINUTE):
                here = place[one.kol], slice(None), DIMENSIONS.index(one.dimension)
                sums[here] += (one.good * ONE, one.bad * ONE, one.square * ONE**2)
        good, bad, square = np.moveaxis(sums, 1, 0)
        groups = [self._group(kol) for kol in kols]
        return Evidence(good, bad, np.asarray(square.sum(axis=0)), groups)

    def _group(self, kol: str) -> str:
        profile = self._profiles.get(kol)
        return group_of(profile["tier"], profile["vertical"]) if profile else ""


def _populations(of_groups: Mapping[str, TrustPrior]) -> Entries:
    columns: dict[str, Column] = {}
    for part in TRUST_PARTS:
        said = [
            getattr(one, "has_source" if part == "source" else part) for one in of_groups.values()
        ]
        for place, d in enumerate(DIMENSIONS):
            columns[f"{part}_{d}"] = np.array([float(one[place]) for one in said])
    return Entries(texts(list(of_groups)), columns)
