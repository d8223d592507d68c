"""Whether rows depend on how a world was cut: into partitions, topics, flushes.

Rows of one core are compared with those of others that took the same world in otherwise, with the
same numbers. Cells add up over source partitions, so their sums are compared; of scores those that
are final in both.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, product
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.cells import NAMES
from schemas.events import INPUTS
from schemas.number_log import NumberLog
from schemas.rows import TABLES
from tests.both_sides import BothSides
from tests.truth.recorded import recorded
from tests.worlds.core import KEY, Passage, standing
from tests.worlds.trust import Trust, TrustCard

SMALL: Final = TrustCard(kols=60, days=24, users=500, most=40.0, silent_days=8, attacks=())


class Cut(NamedTuple):
    """How a core takes a world in."""

    partitions: int
    at_once: int
    topics: tuple[str, ...]


class Invariance(NamedTuple):
    """How far rows are from each other."""

    relative: float  # the greatest relative difference of a number
    differing: int  # integers that are not the same, and rows that are not in both
    compared: int  # values


CUTS: Final = (
    Cut(2, 20_000, INPUTS),
    Cut(1, 20_000, INPUTS),
    Cut(4, 20_000, INPUTS),
    Cut(2, 700, INPUTS),
    Cut(2, 5_000, INPUTS[::-1]),
)


def invariance(seed: int, card: TrustCard = SMALL) -> Invariance:
    """The worst of all cuts beside the first one, for a world of this seed."""
    world = Trust(card.varied(seed=seed))
    log = recorded(world)
    first, *others = (said(world, cut, log) for cut in CUTS)
    return worst([compared(first, other) for other in others])


def worst(found: Sequence[Invariance]) -> Invariance:
    """The worst of several."""
    relative, differing, many = zip(*found, strict=True)
    return Invariance(max(relative), sum(differing), sum(many))


class Said(NamedTuple):
    """Values of rows by KOL and minute, each pair once, in order of their keys."""

    key: NDArray[Any]  # texts, shape (n,)
    minute: NDArray[np.int64]
    values: NDArray[Any]  # shape (n, columns)

    def up_to(self, minute: int) -> "Said":
        """Those up to a minute."""
        return Said(*(one[self.minute <= minute] for one in self))


def said(world: Trust, cut: Cut, log: NumberLog) -> list[Said]:
    """Sums of cells, integers and numbers of scores, of a core that takes a world in like this."""
    core = BothSides(cut.partitions, list(product(INPUTS, range(cut.partitions))), KEY)
    core.known.log = log
    passage = Passage(world, cut.partitions, at_once=cut.at_once, topics=cut.topics, core=core)
    rows = list(chain.from_iterable(passage.rows()))
    cells = standing(rows, "minute_cell", ("kol_id", "minute", "source_partition"))
    scores = standing(rows, "kol_score", ("kol_id", "minute"))
    final = np.asarray(scores["final"]) == 1
    scores = {name: np.asarray(of)[final] for name, of in scores.items()}
    numbers = [name for name, kind in TABLES["kol_score"].columns.items() if "Float64" in kind]
    return [
        _said(cells, NAMES, np.int64),
        _said(scores, ("active", "snapshot"), np.int64),
        _said(scores, numbers, np.float64),
    ]


def _said(columns: Mapping[str, Any], names: Sequence[str], kind: type) -> Said:
    """Some columns, added up over rows of the same KOL and minute."""
    kols, minutes = np.asarray(columns["kol_id"]), np.asarray(columns["minute"], np.int64)
    pairs = zip(kols.tolist(), minutes.tolist(), strict=True)
    key, first, place = np.unique(
        np.array([f"{kol} {minute}" for kol, minute in pairs]),
        return_index=True,
        return_inverse=True,
    )
    values: NDArray[Any] = np.zeros((len(key), len(names)), kind)
    np.add.at(values, place, np.stack([np.asarray(columns[name], kind) for name in names], axis=1))
    return Said(key, minutes[first], values)


def compared(one: Sequence[Said], other: Sequence[Said]) -> Invariance:
    """How far two are from each other; the scores of minutes that are final in both."""
    end = min(int(said[-1].minute.max(initial=0)) for said in (one, other))
    (cells, *scores), (other_cells, *other_scores) = one, other
    pairs = [(cells, other_cells)]
    pairs += [(a.up_to(end), b.up_to(end)) for a, b in zip(scores, other_scores, strict=True)]
    return worst([_compared(a, b) for a, b in pairs])


def _compared(one: Said, other: Said) -> Invariance:
    both, mine, theirs = np.intersect1d(one.key, other.key, return_indices=True)
    alone = len(one.key) + len(other.key) - 2 * len(both)
    a, b = one.values[mine], other.values[theirs]
    if a.dtype.kind == "i":
        return Invariance(0.0, alone + int((a != b).sum()), a.size)
    known = ~np.isnan(a) & ~np.isnan(b)
    apart = int((np.isnan(a) != np.isnan(b)).sum())
    scale = np.maximum(np.abs(a), np.abs(b))[known]
    relative = np.abs(a - b)[known] / np.maximum(scale, np.finfo(float).tiny)
    return Invariance(float(relative.max(initial=0.0)), alone + apart, a.size)
