"""The roll-ups: what the trainer keeps added up, by hour and by business day.

A roll-up is a table of `rows.TABLES` whose rows are groups of the rows of a source. `ROLL_UPS`
says of what and how; the statements of the trainer, the views and the docs are made from it.
Decision 0021 says how a roll-up stays equal to its source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Final

from schemas.rows import MODELS, TABLES, Table

HOURS_KEPT: Final = 48  # before now; older hours are added up when they are asked for

CREDITS: Final = "credit_source"  # a view: one row per (order, KOL) in the shop's currency
REFUNDS: Final = "refund_source"  # a view: one row per (order, model, KOL, refund), likewise


@dataclass(frozen=True, slots=True)
class RollUp:
    """One roll-up: the table it fills, what it adds up, and how."""

    table: str
    source: str  # the table whose inserts and deletions make its buckets dirty
    reads: str  # the table or view whose rows `s` it groups; no view that `kol replay` exchanges
    at: str  # column of `reads`: the moment whose hour or day a row belongs to
    columns: Mapping[str, str]  # column beside the key -> expression over the rows of a group
    moments: str = ""  # of a source row `s`, an array: where it belongs; empty: `at` alone
    left: str = ""  # condition for a source row `s` that says no more where its key's former one
    same: str = ""  # belonged: that is told by rows with the same value of this column
    by: str = ""  # column of both, in whose order the source lies; empty: `at`
    days_before: int = 0  # that `by` may lie before `at`
    days_after: int = 0  # that it may lie after it
    is_by_model: bool = False  # whether columns end in a model, of which the view makes rows
    is_collected: bool = False  # whether recent days wait like old ones, as they are dear

    @property
    def target(self) -> Table:
        """The table it fills."""
        return TABLES[self.table]

    @property
    def is_hourly(self) -> bool:
        """Whether its buckets are hours of UTC; else business days."""
        return self.target.moment == "hour"

    @property
    def labels(self) -> tuple[str, ...]:
        """What rows are grouped by beside the bucket."""
        return tuple(name for name in self.target.key if name != self.target.moment)

    @property
    def rows(self) -> str:
        """What it reads, as it stands behind FROM and the database."""
        return f"{self.reads} AS s FINAL" if self.reads in TABLES else f"{self.reads} AS s"

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of the table that a reader wants, in order."""
        return tuple(name for name in self.target.columns if name != "version")

    @property
    def order(self) -> str:
        """The column in whose order the source lies."""
        return self.by or self.at

    @property
    def source_rows(self) -> str:
        """Its source `s`, a row for each `moment`, as it stands behind FROM and the database."""
        joined = f" ARRAY JOIN {self.moments} AS moment" if self.moments else ""
        return f"{self.source} AS s{joined}"

    def source_bucket(self, zone: str) -> str:
        """The hour, or the day in a zone, of one of `source_rows`."""
        return self.bucket(zone, "moment" if self.moments else "")

    def bucket(self, zone: str = "", moment: str = "") -> str:
        """The hour, or the day in a zone, of a row `s` of what is read.

        >>> ROLL_UPS["credit_1d"].bucket("{zone:String}")
        'toDate(s.ordered_at, {zone:String})'
        """
        moment = moment or f"s.{self.at}"
        return f"toStartOfHour({moment})" if self.is_hourly else f"toDate({moment}, {zone})"

    def select(self, bucket: str, where: str, database: str) -> str:
        """The rows of the roll-up for the rows of its source that meet a condition."""
        columns = ",\n    ".join(self._column(name, bucket) for name in self.shown)
        by = ", ".join([*self.labels, self.target.moment])
        read = f"{database}.{self.rows}"
        return f"SELECT\n    {columns}\nFROM {read}\nWHERE {where}\nGROUP BY {by}"

    def kept(self, database: str, *also: str) -> str:
        """The rows `r` of the table that count: none below the floor of its hour or day.

        They have the columns that a reader wants, and those of `also`; more conditions may follow.
        Floors are read first: read after the rows they could be those of a turn whose rows were
        not there yet, and hide the former ones.
        """
        columns = ",\n    ".join(f"r.{name} AS {name}" for name in (*self.shown, *also))
        moment = self.target.moment
        bucket = "bucket" if self.is_hourly else "toDate(bucket)"
        return f"""SELECT
    {columns}
FROM
(
    SELECT {bucket} AS {moment}, max(version) AS floor
    FROM {database}.rollup_floor FINAL
    WHERE target = '{self.table}' AND settled = 1
    GROUP BY {moment}
) AS f
INNER JOIN {database}.{self.table} AS r FINAL ON r.{moment} = f.{moment}
WHERE r.version >= f.floor"""  # noqa: S608  # names of ours

    def by_model(self, rows: str) -> str:
        """Of rows of the table one row for each model by which orders concern the KOL."""
        each = ",\n    ".join(
            f"('{model}', {', '.join(f'{kind}_{model}' for kind in _SUMS)})" for model in MODELS
        )
        return f"""SELECT
    one.1 AS model,
    kol_id,
    {self.target.moment},
    one.2 AS orders,
    one.3 AS credit_cents,
    one.4 AS refunded_cents
FROM
(
{indent(rows, "    ")}
)
ARRAY JOIN [
    {each}
] AS one
WHERE orders > 0"""  # noqa: S608  # names of ours

    def _column(self, name: str, bucket: str) -> str:
        if name in self.labels:
            return name
        return f"{bucket if name == self.target.moment else self.columns[name]} AS {name}"


_SUMS: Final = ("orders", "credit", "refunded")
_CREDITS: Final = {
    f"{kind}_{model}": f"sum(s.{kind}_{model})" for model in MODELS for kind in _SUMS
}
_REFUNDS: Final = {
    "refunds": "toInt64(countIf(s.refunded_cents != 0))",
    "refunded_cents": "sum(s.refunded_cents)",
}
_CELLS: Final = {
    name: f"sum(s.{name})"
    for name in TABLES["cell_1h"].columns
    if name in TABLES["minute_cell"].columns and name not in {"kol_id", "version"}
}


def _last(name: str) -> str:
    """The value at the last minute, also where it is NULL."""
    return f"argMax(tuple(s.{name}), s.minute).1"


_SCORES: Final = {
    **{name: _last(name) for name in ("trust", "trust_lo", "trust_hi")},
    "trust_min": "min(s.trust)",
    "trust_max": "max(s.trust)",
    **{name: _last(name) for name in ("resonance", "resonance_lo", "resonance_hi")},
    "n_eff": "argMax(s.n_eff, s.minute)",
    "active": "argMax(s.active, s.minute)",
}

ROLL_UPS: Final[Mapping[str, RollUp]] = {
    one.table: one
    for one in (
        RollUp("credit_1h", "order_credit", CREDITS, "ordered_at", _CREDITS, is_by_model=True),
        RollUp("credit_1d", "order_credit", CREDITS, "ordered_at", _CREDITS, is_by_model=True),
        RollUp("place_credit_1d", "order_credit", CREDITS, "ordered_at", _CREDITS),
        RollUp(
            "refund_1d",
            "order_credit",
            REFUNDS,
            "refunded_at",
            _REFUNDS,
            # a key that an order left lost its refunds, whose time may have been its own; the
            # others stay in the order, which may stand under its new key a turn earlier
            moments="arrayConcat(s.refund_at, if(empty(s.kols), [s.ordered_at], []))",
            left="empty(s.kols)",
            same="order_id",
            by="ordered_at",
            days_before=180,
            days_after=1,
            is_collected=True,
        ),
        RollUp("cell_1h", "minute_cell", "minute_cell", "minute", _CELLS),
        RollUp("cell_1d", "minute_cell", "minute_cell", "minute", _CELLS),
        RollUp("score_1h", "kol_score", "kol_score", "minute", _SCORES),
        RollUp("score_1d", "kol_score", "kol_score", "minute", _SCORES),
    )
}
SOURCES: Final = tuple(dict.fromkeys(one.source for one in ROLL_UPS.values()))


def of_source(source: str) -> list[RollUp]:
    """The roll-ups of a source, hours first."""
    return [one for one in ROLL_UPS.values() if one.source == source]
