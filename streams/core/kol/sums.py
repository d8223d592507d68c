"""The faded sums of a KOL, from which trust and resonance are read.

A row of sums is kept at the landmarks of one minute, that of the last cell in it. They
halve every half-life of what they are for; squares of credible weights, and user-days a
second time, halve twice as fast, as the squares of weights do (Kish). Trust is kept twice, as the
score of record and as the fast line, which forgets within days. Trust is read at the end of a
minute; resonance is made of ratios in which the moment of reading cancels.

The sums of a KOL without a cell for 364 days start from nothing: of 60 million user-days (or
judgements) less than one is left after these 26 half-lives, so whatever comes now outweighs
all that was. It is decided by the minutes of two successive cells.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED, Values
from streams.core.kol.decay import Fade, moved
from streams.core.kol.gate import gate
from streams.core.kol.priors import (
    FAST_HALF_LIFE,
    RESONANCE,
    RESONANCE_HALF_LIFE,
    TRUST_HALF_LIFE,
    TrustPrior,
)
from streams.core.kol.resonance import resonance
from streams.core.kol.trust import Scored, Trust, trust
from streams.core.moments import Minutes


class _Sum(NamedTuple):
    """One column of the sums."""

    field: str  # of the cells
    half_life: int  # minutes
    squared: bool = False  # weights are squared, so it halves twice as fast


def _evidence(half_life: Mapping[str, int]) -> Iterator[_Sum]:
    """The sums trust is made of."""
    for word in ("for", "against", "square"):
        for d in DIMENSIONS:
            yield _Sum(f"{word}_{d}", half_life[d], squared=word == "square")


_LAYOUT: Final = (
    *_evidence(TRUST_HALF_LIFE),
    *_evidence(dict.fromkeys(DIMENSIONS, FAST_HALF_LIFE)),
    _Sum("depth", RESONANCE_HALF_LIFE),
    _Sum("depth_square", RESONANCE_HALF_LIFE),
    _Sum("users_day", RESONANCE_HALF_LIFE),
    _Sum("users_day", RESONANCE_HALF_LIFE, squared=True),
)
WIDTH: Final = len(_LAYOUT)
RESTARTS_AFTER: Final = 26 * RESONANCE_HALF_LIFE  # minutes between two cells: 2^26 = 67 million

_MICRO: Final = 1e-6  # the unit of depths in a cell
JUDGED: Final = 6 * len(DIMENSIONS)  # columns of trust
_HALF_LIVES: Final = sorted({column.half_life for column in _LAYOUT})
_FADES: Final = tuple(map(Fade, _HALF_LIVES))


class _Run(NamedTuple):
    """Neighbouring columns of the sums that fade alike, and whose fields are neighbours."""

    columns: slice
    fields: slice
    fade: int
    squared: bool


def _runs() -> Iterator[_Run]:
    fields = [SCORED.index(column.field) for column in _LAYOUT]
    begin = 0
    for end in range(1, WIDTH + 1):
        if (
            end < WIDTH
            and fields[end] == fields[end - 1] + 1
            and _LAYOUT[end][1:] == _LAYOUT[begin][1:]
        ):
            continue
        column = _LAYOUT[begin]
        yield _Run(
            slice(begin, end),
            slice(fields[begin], fields[begin] + end - begin),
            _HALF_LIVES.index(column.half_life),
            column.squared,
        )
        begin = end


_RUNS: Final = tuple(_runs())


def weighted(values: Values, minute: Minutes) -> Floats:
    """What cells add to sums kept at their own minute; shape (n, WIDTH)."""
    added = _laid_out([fade.weight(minute, fade.landmark(minute)) for fade in _FADES])
    for run in _RUNS:
        added[:, run.columns] *= values[:, run.fields]
    return added


def carrying(since: Minutes, minute: Minutes, silent: Minutes) -> Floats:
    """What sums kept at minute `since` are multiplied by to be kept at `minute`; (n, WIDTH).

    `silent` is how many minutes there was no cell: 0 where the sums start from nothing.
    """
    factors = _laid_out([moved(fade.landmark(since), fade.landmark(minute)) for fade in _FADES])
    factors[silent > RESTARTS_AFTER] = 0
    return factors


class Scores(NamedTuple):
    """What is said of a KOL at the end of a minute."""

    trust: Trust
    fast: Trust  # the same, of the last days
    resonance: Scored
    opens: Mask  # where the gate of trust opens
    closes: Mask  # and where it closes


def scores(
    sums: Floats, minute: Minutes, prior: TrustPrior, audits: Floats | None = None
) -> Scores:
    """Scores at the end of each minute, by sums of shape (n, WIDTH) that are kept at it.

    `audits` are what is known of trust beside them, sums as they stand then, shape (n, JUDGED).
    """
    read = standing(sums, minute) if audits is None else standing(sums, minute) + audits
    good, bad, square, fast_good, fast_bad, fast_square = np.split(read, 6, axis=1)
    depth, depth_square, days, days_square = np.ascontiguousarray(sums[:, JUDGED:].T)
    of_record = trust(good, bad, square, prior)
    return Scores(
        of_record,
        trust(fast_good, fast_bad, fast_square, prior),
        resonance(_MICRO * depth, _MICRO * depth_square, days, days_square, RESONANCE),
        *gate(of_record, prior.has_source),
    )


def standing(sums: Floats, minute: Minutes) -> Floats:
    """The columns of trust as they stand at the end of each minute; shape (n, JUDGED)."""
    readings = [fade.reading(minute, fade.landmark(minute)) for fade in _FADES]
    found = np.empty((len(sums), JUDGED))
    for run, factor in _by_run(readings):
        if run.columns.stop <= JUDGED:
            np.multiply(sums[:, run.columns], factor, out=found[:, run.columns])
    return found


def _laid_out(by_fade: list[Floats]) -> Floats:
    """A factor of each fade, as a factor of each column; shape (n, WIDTH)."""
    factors = np.empty((len(by_fade[0]), WIDTH))
    for run, factor in _by_run(by_fade):
        factors[:, run.columns] = factor
    return factors


def _by_run(by_fade: list[Floats]) -> Iterator[tuple[_Run, Floats]]:
    """A factor of each fade, as that of the columns of each run; shape (n, 1)."""
    for run in _RUNS:
        factor = by_fade[run.fade][:, None]
        yield run, factor * factor if run.squared else factor
