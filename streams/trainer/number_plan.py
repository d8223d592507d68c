"""What becomes of a state that was found: a base, a delta, nothing, or a refusal that says why.

A number is compared with the one before it, so that what a mishap made of a dimension (a topic
that was emptied, a field that its producer renamed) does not become what every worker believes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.entries import Difference, Entries, difference, strings
from schemas.number_log import Number, NumberLog, Values
from schemas.numbered import AUDIT, RATER, TRUST, Record, encode_number
from schemas.values import Lists

DAY_MS: Final = 86_400_000
FEW: Final = 20  # rows below which nothing is a jump
LEAST_SHARE: Final = 0.5  # of the rows before that have to be there still
MOST_CHANGED: Final = 0.5  # share of the rows before that may have other values
MOVING: Final = (AUDIT, RATER)  # kinds whose values are others every day
MOST_TIMES: Final = 5.0  # that odds and weights of a population are those of the day before
DELTAS_PER_BASE: Final = 4  # bytes of deltas for one of their base, until there is a new base
SMALL_BASE: Final = 1 << 20  # bytes that a base counts for at least


@dataclass(frozen=True)
class Refusal:
    """A state that is not published, and why."""

    why: str


@dataclass(frozen=True)
class Plan:
    """A number that is to be published."""

    kind: str
    number: int
    rows: int
    is_base: bool
    records: list[Record]  # of its transaction, the manifest last
    seal: Record

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return sum(len(value) for _, value in (*self.records, self.seal))


def planned(
    log: NumberLog,
    kind: str,
    found: Entries,
    now_ms: int,
    app: str,
    *,
    anyway: bool = False,
) -> Plan | Refusal | None:
    """What is to be published; None where the newest number says the same.

    Args:
        log: what the topic holds.
        kind: of values.
        found: all that is known now.
        now_ms: milliseconds since the epoch.
        app: whose trainer asks.
        anyway: publish also what a jump would keep back.

    """
    newest = log.newest(kind)
    if newest is not None:
        change = difference(newest.values.entries(), found)
        if not len(change.upserts) and not len(change.removed):
            return None
        why = "" if anyway else refused(kind, newest, change, found)
        if why:
            return Refusal(why)
    elif not len(found):
        return None
    base = None if newest is None else newest.base or newest
    if base is not None and not _is_base_due(log, kind, base, now_ms):
        delta = difference(base.said.upserts, found)
        plan = _plan(log, kind, delta.upserts, len(found), now_ms, app, (base, delta.removed))
        if plan.size * 2 <= base.stored_bytes or base.stored_bytes < SMALL_BASE:
            return plan
    return _plan(log, kind, found, len(found), now_ms, app)


def _plan(
    log: NumberLog,
    kind: str,
    upserts: Entries,
    rows: int,
    now_ms: int,
    app: str,
    against: tuple[Number, Lists] | None = None,
) -> Plan:
    base, removed = (None, None) if against is None else against
    number = log.next_number
    records, seal = encode_number(
        kind,
        number,
        upserts,
        base=None if base is None else base.manifest.number,
        removed=removed,
        rows=rows,
        made_at=now_ms,
        app=app,
    )
    return Plan(kind, number, rows, base is None, records, seal)


def _is_base_due(log: NumberLog, kind: str, base: Number, now_ms: int) -> bool:
    """Whether a base is a day old, or its deltas have become many bytes."""
    deltas = sum(one.stored_bytes for one in log.numbers(kind) if one.base is base)
    most = DELTAS_PER_BASE * max(base.stored_bytes, SMALL_BASE)
    return now_ms - base.sealed_at >= DAY_MS or deltas >= most


def refused(kind: str, newest: Number, change: Difference, found: Entries) -> str:
    """Why a change is too large to be believed; empty where it is not."""
    if kind == TRUST:
        return population_jump(newest.values, found)
    return jump(newest.manifest.rows, change, moves=kind in MOVING)


def population_jump(was: Values, now: Entries) -> str:
    """Why populations have moved too far; empty where they have not."""
    rows = was.rows(strings(now.ids))
    for d in DIMENSIONS:
        had, has = was.numbers(f"source_{d}", rows) > 0, np.asarray(now.columns[f"source_{d}"]) > 0
        if (had & ~has).any():
            return f"{d} has no source any more"
        for part in ("odds", "weight"):
            name = f"{part}_{d}"
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = np.asarray(now.columns[name]) / was.numbers(name, rows)
            far = had & has & ~((factor > 1 / MOST_TIMES) & (factor < MOST_TIMES))
            if far.any():
                at = int(far.argmax())
                group = strings(now.ids)[at]
                return f"{part} of {d} in {group} are {factor[at]:.3g} times those of before"
    return ""


def jump(rows: int, change: Difference, *, moves: bool = False) -> str:
    """Why so many rows cannot have changed; empty where they can.

    Args:
        rows: how many there were.
        change: to the state now.
        moves: whether values are others every day.

    """
    gone, now = len(change.removed), rows + len(change.upserts) - change.changed
    now -= gone
    if rows < FEW:
        return ""
    if now < rows * LEAST_SHARE:
        return f"only {now:,} of {rows:,} rows are left"
    if gone > rows * (1 - LEAST_SHARE):
        return f"{gone:,} of {rows:,} rows are gone"
    if not moves and change.moved > rows * MOST_CHANGED:
        return f"{change.moved:,} of {rows:,} rows have other values"
    return ""
