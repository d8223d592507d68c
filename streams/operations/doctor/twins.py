"""KOL ids that look alike: each earns on its own, and somebody should know.

Ids are near-twins if they have one fold: they differ in case, width, white space, invisible
characters or the form of composed letters. Ids are never merged.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from schemas.cells import ORGANIC
from schemas.placeholders import folded
from streams.operations.doctor.findings import Finding, fine, warning

MODEL: Final = "time_decay"  # whose cents are shown
SHOWN: Final = 20  # ids named


class Earned(NamedTuple):
    """What a KOL earned in one currency."""

    kol_id: str
    currency: str
    cents: int


def near_twins(earned: Iterable[Earned]) -> list[list[Earned]]:
    """The groups of KOLs with one fold, those with most cents in one currency first.

    >>> near_twins([Earned("K1", "CNY", 5), Earned("k2", "CNY", 7), Earned("k1 ", "CNY", 9)])
    [[Earned(kol_id='k1 ', currency='CNY', cents=9), Earned(kol_id='K1', currency='CNY', cents=5)]]
    """
    by_fold: defaultdict[str, list[Earned]] = defaultdict(list)
    for one in sorted(earned, key=lambda one: (-one.cents, one)):
        if one.kol_id != ORGANIC:
            by_fold[folded(one.kol_id)].append(one)
    return [group for group in by_fold.values() if len({one.kol_id for one in group}) > 1]


def finding(groups: Sequence[Sequence[Earned]]) -> Finding:
    """Whether KOL ids look alike: which, and what each earned in each currency."""
    ids = list(dict.fromkeys(one.kol_id for group in groups for one in group))
    if not ids:
        return fine("KOL ids", "no two look alike")
    cents: defaultdict[str, list[str]] = defaultdict(list)
    for group in groups:
        for one in group:
            cents[one.kol_id].append(f"{one.cents:,} cents {one.currency}")
    shown = "; ".join(f"{_visible(one)} {', '.join(cents[one])}" for one in ids[:SHOWN])
    more = f"; and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    what = f"{len(ids):,} look like another one and earn apart ({MODEL}): {shown}{more}"
    mend = (
        "ids are never merged: let producers send one spelling of each, and settle by hand what "
        "the others earned"
    )
    return warning("KOL ids", what, mend)


def _visible(kol_id: str) -> str:
    """An id in quotes, with escapes where its look would hide how it is written."""
    return repr(kol_id) if unicodedata.is_normalized("NFC", kol_id) else ascii(kol_id)
