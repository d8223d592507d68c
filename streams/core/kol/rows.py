"""What the KOL side says, as columns: scores of KOLs at the ends of minutes, counters."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from schemas.rows import Rows
from schemas.values import Coded, Values
from streams.core.kol.kol_sums import Judged, KolRows
from streams.core.kol.trust import Scored, Trust

MODEL_VERSION: Final = "3"  # generation of the formulas

_MINUTE_S: Final = 60
_GENERATIONS: Final = (MODEL_VERSION,)
_MISSING: Final = [
    ",".join(d for place, d in enumerate(DIMENSIONS) if code >> place & 1)
    for code in range(1 << len(DIMENSIONS))
]  # the texts of `missing`, by a bit of each dimension


def score_rows(
    names: Sequence[str], rows: KolRows, judged: Judged, version: int, *, final: bool
) -> Rows:
    """What was judged, as rows of a version; `names` are those of the KOLs' codes."""
    trust, fast, resonance, *_ = judged.scores
    n = len(rows.kol)
    has_source = np.broadcast_to(judged.known.prior.has_source > 0, (n, len(DIMENSIONS)))
    columns: dict[str, Values] = {
        "kol_id": Coded(rows.kol, names),
        "minute": rows.minute * _MINUTE_S,
        "model_version": Coded(np.zeros(n, np.int64), _GENERATIONS),
        **_interval("trust", trust),
        **_interval("resonance", resonance),
        "n_eff": trust.n_eff,
        **_part_columns(trust, has_source),
        "uncertainty": trust.uncertainty,
        "final": np.full(n, final, np.uint8),
        "snapshot": judged.known.number,
        "version": np.full(n, version, np.uint64),
        **_interval("fast", fast),
        "active": judged.is_open.astype(np.uint8),
        "missing": _missing(has_source),
    }
    return Rows("kol_score", columns)


def counter_rows(topic: str, partition: int, counters: Mapping[str, int], version: int) -> Rows:
    """Counters of a topic, by name, as rows of `door_count`."""
    n = len(counters)
    columns: dict[str, Values] = {
        "topic": [topic] * n,
        "partition": np.full(n, partition, np.uint16),
        "door": list(counters),
        "kind": ["counter"] * n,
        "n": np.array(list(counters.values()), np.uint64),
        "version": np.full(n, version, np.uint64),
    }
    return Rows("door_count", columns)


def _interval(name: str, scored: Scored) -> dict[str, Values]:
    """The columns of a score and its interval."""
    return {name: scored.score, f"{name}_lo": scored.low, f"{name}_hi": scored.high}


def _part_columns(trust: Trust, has_source: Mask) -> dict[str, Values]:
    """The columns of each dimension; NULL where it has no source."""
    parts = {
        "trust_{}": trust.parts.score,
        "trust_{}_lo": trust.parts.low,
        "trust_{}_hi": trust.parts.high,
        "n_{}": trust.n,
    }
    return {
        name.format(d): np.where(has_source[:, place], values[:, place], np.nan)
        for place, d in enumerate(DIMENSIONS)
        for name, values in parts.items()
    }


def _missing(has_source: Mask) -> Coded:
    """The dimensions that have no source, for instance `A,I`."""
    code = (~has_source).astype(np.int64) @ (1 << np.arange(len(DIMENSIONS)))
    return Coded(code, _MISSING)
