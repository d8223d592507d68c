"""What `kol snapshots` says: the numbers on the topic, and what holds at a record time."""

import math
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from schemas.entries import UNKNOWN, Form, Rows
from schemas.keyed_names import as_hex
from schemas.number_log import NumberLog, Values
from schemas.numbered import KINDS
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.numbering import Numbering
from streams.trainer.publishing import Numbers
from streams.trainer.report import Report
from streams.trainer.turns import patient_client

FLAGS: Final[Mapping[int, bool | None]] = {UNKNOWN: None, 0: False, 1: True}


class NothingHoldsError(ExpectedError):
    """There is no such kind, or no number of it holds at that moment, or it has no such id."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One number, as far as the topic tells."""

    kind: str
    number: int
    state: str  # in words: whether it holds, and why not
    valid: bool  # whole and sealed
    base: int | None = None  # itself: it is a base
    rows: int | None = None  # ids that have values once it holds
    upserts: int | None = None
    removed: int | None = None
    stored_bytes: int | None = None
    sealed_at: int | None = None  # record time, ms
    holds_from: int | None = None  # record time, ms
    app: str = ""  # whose trainer made it

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Holding:
    """What holds of a kind at a record time."""

    kind: str
    at: int  # ms
    number: int
    holds_from: int
    total: int  # ids that have values
    rows: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def listed(log: NumberLog, now_ms: int) -> list[Listed]:
    """All numbers of a topic, the newest first."""
    found = [
        Listed(
            kind,
            one.manifest.number,
            state(log, kind, one.manifest.number, one.holds_from, now_ms),
            valid=True,
            base=one.manifest.base,
            rows=one.manifest.rows,
            upserts=one.manifest.upserts,
            removed=one.manifest.removed,
            stored_bytes=one.stored_bytes,
            sealed_at=one.sealed_at,
            holds_from=one.holds_from,
            app=one.manifest.app,
        )
        for kind in KINDS
        for one in log.numbers(kind)
    ]
    found += [
        Listed(
            one.kind, one.number, f"never holds: {one.why}", valid=False, sealed_at=one.sealed_at
        )
        for one in log.faults()
    ]
    found += [
        Listed(kind, number, "not sealed: under way, or given up", valid=False)
        for kind, number in log.unsealed()
    ]
    return sorted(found, key=lambda one: -one.number)


def state(log: NumberLog, kind: str, number: int, holds_from: int, now_ms: int) -> str:
    """Whether a whole number holds, in words."""
    if holds_from > now_ms:
        return f"holds in {(holds_from - now_ms) / 1000:.0f} s"
    holding = log.holding(kind, now_ms)
    if holding is not None and holding.number.manifest.number == number:
        return "holds"
    return "superseded"


def what_holds(log: NumberLog, kind: str, ids: list[str] | None, at: int, limit: int) -> Holding:
    """What holds of a kind for records of a record time.

    Args:
        log: what the topic holds.
        kind: one of `KINDS`.
        ids: whose values are asked for; None: the first ones of all.
        at: record time, ms.
        limit: at most so many rows.

    Raises:
        NothingHoldsError: there is none.

    """
    if kind not in KINDS:
        raise NothingHoldsError(f"{kind}: no kind of values; there are {', '.join(KINDS)}")
    values = log.holding(kind, at)
    if values is None:
        raise NothingHoldsError(f"no number of {kind} holds at {moment_text(at)}")
    rows = values.all_rows()[:limit] if ids is None else values.rows(ids)
    names = values.ids(rows) if ids is None else ids
    missing = [name for name, row in zip(names, rows.tolist(), strict=True) if row < 0]
    if missing:
        number = values.number.manifest.number
        raise NothingHoldsError(f"number {number} of {kind} says nothing of {', '.join(missing)}")
    return Holding(
        kind,
        at,
        values.number.manifest.number,
        values.number.holds_from,
        len(values),
        [{"id": name, **row} for name, row in zip(names, _values(values, kind, rows), strict=True)],
    )


def _values(values: Values, kind: str, rows: Rows) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    for name, form in KINDS[kind].items():
        for row, value in zip(found, _column(values, name, form, rows), strict=True):
            row[name] = value
    return found


def _column(values: Values, name: str, form: Form, rows: Rows) -> list[Any]:
    if form is Form.FLAG:
        return [FLAGS[flag] for flag in values.flags(name, rows).tolist()]
    if form is Form.TEXT:
        return list(values.texts(name, rows))
    if form is Form.NUMBER:
        found = values.numbers(name, rows).tolist()
        return [None if math.isnan(value) else value for value in found]
    return [[as_hex(key) for key in keys.tolist()] for keys in values.keys(name, rows)]


def moment_text(ms: int) -> str:
    """A moment for a person, UTC.

    >>> moment_text(1_800_000_000_000)
    '2027-01-15 08:00:00'
    """
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


async def read_numbers(settings: Settings) -> NumberLog:
    """All numbers on the topic.

    Raises:
        BrokerError: the brokers do not answer.

    """
    return await Numbers(settings.kafka, settings.app_id).read()


def publish(settings: Settings, *, anyway: bool) -> Report:
    """Publish by hand what has changed; a trainer may run beside it.

    Args:
        settings: of the deployment.
        anyway: also what looks like a mishap, and beside the trainer of another app.

    Raises:
        ExpectedError: ClickHouse or the brokers refuse, or a number did not come about.

    """
    with closing(patient_client(settings)) as client:
        now_ms = time.time_ns() // 1_000_000
        return Numbering(settings).turn(client, _go_on, now_ms, anyway=anyway)


def _go_on() -> None:
    """Nothing ends a turn by hand but its end."""
