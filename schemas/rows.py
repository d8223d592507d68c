"""The tables of ClickHouse as data, column by column, and rows of them as columns.

A row is the whole state of its key, not a change: of all rows with the same key the one with the
greatest version replaces the others. After a change of `TABLES`, `make migration` prints the DDL
that is missing, and `make docs` writes the page of tables.

Values have any form of `values`. `DateTime64(3, 'UTC')` columns are int milliseconds since the
epoch, `DateTime('UTC')` columns int seconds, money is integer cents, a NaN in a
`Nullable(Float64)` column is NULL, and so is `values.NULL` in a `Nullable(Int64)` one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.cells import DIMENSION_NAMES, FIELDS, STREAMS
from schemas.units import commented, unit_of, without_unit
from schemas.values import Positions, Values, join, pick, plain

MODELS: Final = ("first", "last", "linear", "position", "time_decay", "shapley")

MOMENT: Final = "DateTime64(3, 'UTC')"
SECOND: Final = "DateTime('UTC')"
NAME: Final = "LowCardinality(String)"
NUMBER: Final = "Nullable(Float64)"
AMOUNT: Final = "Nullable(Int64)"
FLAG: Final = "Nullable(Bool)"
NAMES: Final = f"Array({NAME})"
WEIGHTS: Final = f"Map({NAME}, Float64)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its ClickHouse type and what it means."""

    type: str
    meaning: str
    codec: str | None = None  # how it is compressed; None: as its type is, empty: by the server
    default: str = ""  # what the server fills in, as an expression


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ClickHouse: what it is for, its columns, key, partitions and age."""

    name: str
    description: str
    described: Mapping[str, Column]  # those that a writer fills, in order
    key: tuple[str, ...]  # ORDER BY: rows with equal values replace each other
    partition: str = ""  # a part holds one value of this expression; empty: one partition
    moment: str = ""  # the column of the key behind `partition`
    keep: str = ""  # rows are deleted so long after `aged_by`; empty: never
    searched: tuple[str, ...] = ()  # columns beside the key by whose value rows are looked up
    derived: bool = False  # only the trainer writes it, from other tables or reference topics
    numbered: bool = False  # its rows know the number of their insert: roll-ups are made of them
    sorted_first: str = ""  # an expression of the key by which rows are sorted before it
    aged_by: str = "stated_at"  # another one: the server fills no `stated_at` in
    at_once: int = 20_000  # most rows of one insert

    @property
    def columns(self) -> dict[str, str]:
        """Column -> ClickHouse type, those that a writer fills, in order."""
        return {name: column.type for name, column in self.described.items()}

    def unit(self, name: str) -> str:
        """The unit of a column; empty where it has none."""
        return unit_of(name, self.all_columns[name].type)

    def meaning(self, name: str) -> str:
        """What a column means, without its unit."""
        return without_unit(self.all_columns[name].meaning, self.unit(name))

    def comment(self, name: str) -> str:
        """What stands in `system.columns` of a column."""
        return commented(self.meaning(name), self.unit(name))

    @property
    def all_columns(self) -> dict[str, Column]:
        """All columns in order; the one that the server fills is last, where it fills one."""
        return {**self.described, **(SERVER if self.aged_by in SERVER else {})}


SERVER: Final[Mapping[str, Column]] = {
    "stated_at": Column(
        SECOND, "when the server took the row; its age counts from here", default="now()"
    )
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table as columns, all equally long; names and types as in `TABLES`."""

    table: str
    columns: Mapping[str, Values]

    def __len__(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)

    def cut(self, start: int, stop: int) -> "Rows":
        """The rows from start up to, not including, stop."""
        return Rows(self.table, {name: column[start:stop] for name, column in self.columns.items()})

    def pick(self, rows: Positions) -> "Rows":
        """The rows at these positions, in that order."""
        return Rows(self.table, {name: pick(column, rows) for name, column in self.columns.items()})

    def row(self, at: int) -> dict[str, Any]:
        """The Python values of one row."""
        return {name: plain(column[at : at + 1])[0] for name, column in self.columns.items()}

    def validate(self) -> None:
        """Check names and lengths of the columns; values are checked when they are encoded.

        Raises:
            ValueError: the table is unknown or not for writers, a column is missing
                or one too many, or one is longer than another.

        """
        table = TABLES.get(self.table)
        if table is None or table.derived:
            raise ValueError(f"no table for writers: {self.table!r}")
        if wrong := self.columns.keys() ^ table.described.keys():
            raise ValueError(
                f"{self.table}: columns missing or unknown: {', '.join(sorted(wrong))}"
            )
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.table}: columns of different lengths: {lengths}")


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one part after the other.

    Raises:
        ValueError: there are no parts, or they are of different tables.

    """
    tables = {part.table for part in parts}
    if len(tables) != 1:
        raise ValueError(f"parts of one table wanted, not of {sorted(tables)}")
    first = parts[0]
    if len(parts) == 1:
        return first
    return Rows(
        first.table, {name: join([p.columns[name] for p in parts]) for name in first.columns}
    )


def _columns(**columns: tuple[str, str] | tuple[str, str, str]) -> dict[str, Column]:
    return {name: Column(*column) for name, column in columns.items()}


_KOL: Final = _columns(kol_id=(NAME, "the KOL, or ~brand:<brand_id>"))
_MINUTE: Final = _columns(minute=(SECOND, "beginning of the minute"))
_HOUR: Final = _columns(hour=(SECOND, "beginning of the hour"))
_SOURCE: Final = _columns(
    source_partition=("UInt16", "partition of the inputs the events came from")
)
_SNAPSHOT: Final = _columns(snapshot=("UInt32", "number of the population values used; 0: none"))
_VERSION: Final = _columns(
    version=(
        "UInt64",
        "epoch << 56 | life << 32 | folded: of a key's rows the greatest stands",
        "Delta, ZSTD(1)",
    ),
)
_TURN: Final = _columns(
    version=(
        "UInt64",
        "generation << 40 | turn of the trainer: of a key's rows the greatest stands",
        "Delta, ZSTD(1)",
    )
)
_MONTH_OF_MINUTE: Final = "toYYYYMM(minute)"

_CREDITS: Final = {
    f"{kind}_{model}": Column("Array(Int64)", f"{meaning}, by model {model}")
    for model in MODELS
    for kind, meaning in (
        ("credit", "owed to each of kols"),
        ("refunded", "of those given back"),
    )
}

_REFUNDS: Final = {
    "refund_at": Column(
        f"Array({MOMENT})",
        "event time of each refund, cancel and reversal of the order, in order of time",
        default="if(refunded_cents = 0, [], [ordered_at])",
    ),
    "refund_cents": Column(
        "Array(Int64)",
        "what each changed of refunded_cents, which is their sum; below 0 of a reversal, 0 of "
        "what had no effect",
        default="if(refunded_cents = 0, [], [refunded_cents])",
    ),
    "refund_kind": Column(
        f"Array({NAME})",
        "refund, cancel or reversal; merged: those of one quarter of an hour, of an order with "
        "more than 256; undated: stated by a version that kept no times, here at the order's",
        default="if(refunded_cents = 0, [], ['undated'])",
    ),
    "refund_reason": Column(
        "Array(String)",
        "why, as sent, the first 200 characters; empty of what is merged and of a forgotten person",
        default="if(refunded_cents = 0, [], [''])",
    ),
}

_PLACE: Final = _columns(
    brand_id=(NAME, "brand, empty where unknown"),
    platform=(NAME, "platform, empty where unknown"),
    channel=(NAME, "channel, empty where unknown"),
)

_ORDER_CREDIT: Final = Table(
    "order_credit",
    "One row per order: paid and given back, the touches that count, what each model owes to whom. "
    "A row with empty kols is a key the order has moved away from.",
    {
        **_columns(
            ordered_at=(MOMENT, "event time of the payment that stands"),
            order_id=("String", "the shop's number"),
            user_hash=(
                "String",
                "keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash",
            ),
        ),
        **_PLACE,
        **_columns(
            currency=(NAME, "currency, empty where unknown"),
            category=(NAME, "category of the product, empty where unknown"),
            price_tier=(NAME, "price tier of the product, empty where unknown"),
            sku=("String", "the product, empty where unknown"),
            size=(NAME, "size of the pack as sent, empty where unknown"),
            qty=(NUMBER, "pieces, or weight of loose goods; NULL where unknown"),
            coupon_id=("String", "coupon redeemed; empty where none, and of a forgotten person"),
            promo=("UInt8", "1 if bought in a promotion, 0 if not or unknown"),
            member=("UInt8", "1 if bought by a member, 0 if not or unknown"),
            paid_cents=("Int64", "paid"),
            list_cents=("Int64", "price without any discount, 0 where unknown"),
            discount_cents=("Int64", "taken off the list price, 0 where none or unknown"),
            margin_cents=(AMOUNT, "margin of the shop, may be negative; NULL where unknown"),
            refunded_cents=("Int64", "given back, at most what was paid"),
            excess_cents=("Int64", "asked back beyond what was paid, not subtracted"),
            reversed_cents=("Int64", "of what was asked back, failed and reversed"),
            refunds_outside=(
                "Int64",
                "refunds, cancels and reversals without effect: outside 24 h before to 180 d after",
            ),
            refunds_foreign=(
                "Int64",
                "refunds, cancels and reversals without effect: in another currency",
            ),
        ),
        **_REFUNDS,
        **_columns(
            touch_kol=("Array(String)", "the KOL of each counting touch, newest touch last"),
            touch_at=(f"Array({MOMENT})", "event time of each touch's last event"),
            touch_class=(f"Array({NAME})", "click, engage, live, share or view"),
            touch_via=(f"Array({NAME})", "direct or share"),
        ),
        "touch_begin": Column(
            f"Array({MOMENT})",
            "event time of each touch's first event",
            default="touch_at",
        ),
        **_columns(
            paid_again=("Int64", "further `paid` of the order with another amount: one payout"),
            paid_again_cents=("Int64", "amount of the last of them"),
            touches_after=(
                "Int64",
                "of an organic order: touches that begin up to 10 minutes after it, not counted",
            ),
            first_after_ms=(
                "Int64",
                "how long after the order the first of them begins, ms",
            ),
            kols=(
                "Array(String)",
                "the KOLs of these touches once each by UTF-8 bytes, or organic alone",
            ),
            kol_via=(
                f"Array({NAME})",
                "direct if one of its touches is, else share; none for organic",
            ),
        ),
        **_CREDITS,
        **_SNAPSHOT,
        **_VERSION,
    },
    key=("ordered_at", "order_id", "user_hash"),
    partition="toYYYYMM(ordered_at)",
    moment="ordered_at",
    keep="25 MONTH",
    searched=("order_id",),
    numbered=True,
)

_MINUTE_CELL: Final = Table(
    "minute_cell",
    "What a source partition counted for a KOL or brand in a minute; add over source_partition.",
    {
        **_KOL,
        **_MINUTE,
        **_SOURCE,
        **{name: Column("Int64", meaning) for name, meaning in FIELDS.items()},
        **_VERSION,
    },
    key=("kol_id", "minute", "source_partition"),
    partition=_MONTH_OF_MINUTE,
    moment="minute",
    keep="90 DAY",
    numbered=True,
)

_DETECTOR_CELL: Final = Table(
    "detector_cell",
    "Observations of a stream about a KOL in a minute, and how many were bad; add over "
    "source_partition.",
    {
        **_KOL,
        **_MINUTE,
        **_columns(
            stream=(NAME, f"what was observed: {', '.join(STREAMS)}"),
            bucket=(
                "UInt8",
                "of refund the age: 0 to 5 end 1, 3, 7, 14, 30 and 90 days after the order; else 0",
            ),
        ),
        **_SOURCE,
        **_columns(n=("Int64", "observations"), k=("Int64", "of them, bad ones")),
        **_VERSION,
    },
    key=("kol_id", "minute", "stream", "bucket", "source_partition"),
    partition=_MONTH_OF_MINUTE,
    moment="minute",
    keep="90 DAY",
)

_NAMED: Final = "UInt64"  # the low word of a keyed name
_COUNT: Final = "Int64"  # -1 where unknown
_ZSTD: Final = "ZSTD(1)"  # of what is equal for the events of a user, or random

_EVENT: Final = Table(
    "event",
    "One row per accepted event of clickstream and content-interactions, with or without a KOL. "
    "No text, no query, and nothing a person could be known by without the key.",
    {
        **_columns(
            moment=(MOMENT, "event time", _ZSTD),
            received_at=(
                MOMENT,
                "the broker's time of the record; the age of the row counts from here",
                _ZSTD,
            ),
            topic=(NAME, "clickstream or content-interactions"),
            kind=(NAME, "what was done, as on the wire: click, view, like, ..."),
            user_hash=("String", "keyed name of the user, 32 hex digits, as in order_credit"),
            kol_id=(NAME, "the KOL, empty where none is named"),
            content_id=("String", "the content, empty where unknown"),
            share=(_NAMED, "keyed name of the share made or followed, 0 where none", _ZSTD),
            parent_share=(
                _NAMED,
                "keyed name of the share that this one re-shares, 0 where none",
                _ZSTD,
            ),
            root_kol_id=(NAME, "the KOL where the chain of shares began, empty where unknown"),
            share_depth=("Int64", "how far from the KOL the share is, 0 where unknown"),
            live_id=(NAME, "the live room, empty where none"),
            brand_id=(NAME, "brand, empty where unknown"),
            category=(NAME, "category of the product, empty where unknown"),
            platform=(NAME, "platform, empty where unknown"),
            channel=(NAME, "channel, empty where unknown"),
            session=(_NAMED, "keyed name of the visit, 0 where unknown", _ZSTD),
            slot_id=(NAME, "slot on the page, empty where unknown"),
            reco_id=("String", "recommendation, empty where none"),
            reco_version=(NAME, "version of the recommender, empty where unknown"),
            exp_id=(NAME, "experiment, empty where none"),
            arm=(NAME, "arm of the experiment: treat, holdout; empty where none"),
            stage=(NAME, "stage of the user's child; empty where unknown or not consented to"),
            geo=(NAME, "region or city of the user; empty where unknown or not consented to"),
            age_band=(NAME, "age of the user as a range; empty where unknown or not consented to"),
            dwell_ms=(_COUNT, "how long it was viewed, -1 where unknown, ms"),
            completion_ppm=(
                "Int32",
                "part of it that was viewed, -1 where unknown, millionths",
                _ZSTD,
            ),
            visible_ms=(_COUNT, "how long an impression was visible, -1 where unknown, ms"),
            account_age_d=(NUMBER, "age of the user's account; NULL where unknown"),
            credibility_ppm=(
                "Int32",
                "weight of the account as evidence about a KOL, 0 of clickstream, millionths",
                _ZSTD,
            ),
            first_screen=("Int8", "1 on the first screen of results, 0 not, -1 where unknown"),
            sponsored=("Int8", "1 if somebody paid for the content, 0 not, -1 where unknown"),
            disclosed=("Int8", "1 if it says that somebody paid for it, 0 not, -1 where unknown"),
            snapshot=("UInt32", "number of the values that say so of the content; 0: none"),
            device=(_NAMED, "keyed name of the device, 0 where unknown", _ZSTD),
            ip=(_NAMED, "keyed name of the IP address, 0 where unknown", _ZSTD),
            identity=(_NAMED, "keyed name of the event, by topic, user and event id", "NONE"),
        ),
        **_VERSION,
    },
    key=("user_hash", "moment", "identity"),
    partition="toDate(moment)",
    moment="moment",
    keep="400 DAY",
    sorted_first="toDate(moment)",
    aged_by="received_at",
    at_once=1 << 16,
)

_PARTS: Final = {
    f"trust_{d}": Column(NUMBER, f"trust in {meaning}; NULL where it has no source")
    for d, meaning in DIMENSION_NAMES.items()
}
_ENDS_OF_PARTS: Final = {
    "trust_{}_lo": "lower end of the 90 % interval of trust in {}",
    "trust_{}_hi": "upper end of the 90 % interval of trust in {}",
    "n_{}": "how many independent judgements stand behind trust in {}",
}
_INTERVALS_OF_PARTS: Final = {
    name.format(d): Column(NUMBER, text.format(meaning))
    for d, meaning in DIMENSION_NAMES.items()
    for name, text in _ENDS_OF_PARTS.items()
}

_KOL_SCORE: Final = Table(
    "kol_score",
    "Trust and resonance of a KOL at the end of a minute, each with its 90 % interval.",
    {
        **_KOL,
        **_MINUTE,
        **_columns(
            model_version=(NAME, "generation of the formulas"),
            trust=(NUMBER, "trust, 0 to 1"),
            trust_lo=(NUMBER, "lower end of its 90 % interval"),
            trust_hi=(NUMBER, "upper end of its 90 % interval"),
            resonance=(NUMBER, "resonance, 0 to 1; NULL while nothing speaks for any value"),
            resonance_lo=(NUMBER, "lower end of its 90 % interval"),
            resonance_hi=(NUMBER, "upper end of its 90 % interval"),
            n_eff=("Float64", "how many independent judgements of users stand behind trust"),
        ),
        **_PARTS,
        **_columns(
            uncertainty=("Float64", "how much of trust is prior, 0 to 1"),
            final=("UInt8", "1 once no accepted event can change it"),
        ),
        **_SNAPSHOT,
        **_INTERVALS_OF_PARTS,
        **_columns(
            fast=(NUMBER, "trust of the last days, 0 to 1: half-life 3 d"),
            fast_lo=(NUMBER, "lower end of its 90 % interval"),
            fast_hi=(NUMBER, "upper end of its 90 % interval"),
            active=("UInt8", "1 while the KOL is a trust node: the gate of trust is open"),
            missing=(NAME, "dimensions of trust that have no source here, as A,I"),
        ),
        **_VERSION,
    },
    key=("kol_id", "minute", "model_version"),
    partition=_MONTH_OF_MINUTE,
    moment="minute",
    keep="90 DAY",
    numbered=True,
)

_DEAD_LETTER: Final = Table(
    "dead_letter",
    "What could not be read or written, as it came.",
    {
        **_columns(
            topic=(NAME, "where it stood"),
            partition=("UInt16", "its partition"),
            offset=("UInt64", "its offset"),
            target=(NAME, "input, or the table that refused the row"),
            at=(MOMENT, "the broker's time of the record, never that of the failure"),
            reason=(NAME, "why, of the closed list"),
            error=("String", "why, in words for a person"),
            encoding=(NAME, "of payload: utf8 or base64"),
            payload=("String", "the bytes as they came, or the refused row as JSON", "ZSTD(6)"),
            state=(NAME, "new, or what became of it"),
        ),
        **_VERSION,
    },
    key=("topic", "partition", "offset", "target", "at"),
    partition="toYYYYMM(at)",
    moment="at",
    keep="30 DAY",
)

_DOOR_COUNT: Final = Table(
    "door_count",
    "How many messages of a topic partition left by which door, since its beginning.",
    {
        **_columns(
            topic=(NAME, "the input topic"),
            partition=("UInt16", "its partition"),
            door=(NAME, "a door, a reason to reject, or the name of a counter"),
            kind=(NAME, "door, rejected or counter"),
            n=("UInt64", "how many"),
        ),
        **_VERSION,
    },
    key=("topic", "partition", "door"),
)

_DAY: Final = _columns(day=("Date", "business day, in the zone of KOL_BUSINESS_ZONE"))
_CREDITED: Final = _columns(kol_id=(NAME, "the KOL, or organic where no touch counts"))
_SUMS: Final = {name: Column("Int64", text) for name, text in FIELDS.items() if name != "users"}
_CREDIT_SUMS: Final = {
    f"{kind}_{model}": Column("Int64", f"{meaning}, by model {model}")
    for model in MODELS
    for kind, meaning in (
        ("orders", "orders the KOL is concerned in"),
        ("credit", "the KOL's part of their payments, refunds not deducted"),
        ("refunded", "the KOL's part of what was given back of them"),
    )
}
_LAST_SCORE: Final = _columns(
    model_version=(NAME, "generation of the formulas"),
    trust=(NUMBER, "trust at the last minute"),
    trust_lo=(NUMBER, "lower end of its 90 % interval"),
    trust_hi=(NUMBER, "upper end of its 90 % interval"),
    trust_min=(NUMBER, "least trust on the way"),
    trust_max=(NUMBER, "greatest trust on the way"),
    resonance=(NUMBER, "resonance at the last minute"),
    resonance_lo=(NUMBER, "lower end of its 90 % interval"),
    resonance_hi=(NUMBER, "upper end of its 90 % interval"),
    n_eff=("Float64", "judgements behind the last trust"),
    active=("UInt8", "1 if the KOL was a trust node at the last minute"),
)


def _by_hour(
    name: str, description: str, key: tuple[str, ...], columns: Mapping[str, Column]
) -> Table:
    """A roll-up by hour: a partition is a day, which the trainer drops as a whole."""
    return Table(
        name,
        f"{description} Only the hours since rollup_cursor.hours_from count.",
        {**columns, **_TURN},
        key=key,
        partition="toYYYYMMDD(hour)",
        moment="hour",
        derived=True,
    )


def _by_day(
    name: str, description: str, key: tuple[str, ...], columns: Mapping[str, Column], keep: str = ""
) -> Table:
    """A roll-up by day."""
    return Table(
        name,
        description,
        {**columns, **_TURN},
        key=key,
        partition="toYYYYMM(day)",
        moment="day",
        keep=keep,
        derived=True,
    )


_ROLL_UPS: Final = (
    _by_hour(
        "cell_1h",
        "minute_cell added up by hour over all source partitions; without users, which do not add.",
        ("kol_id", "hour"),
        {**_KOL, **_HOUR, **_SUMS},
    ),
    _by_hour(
        "credit_1h",
        "What orders of an hour owe a KOL, by model, in the shop's currency.",
        ("kol_id", "hour"),
        {**_CREDITED, **_HOUR, **_CREDIT_SUMS},
    ),
    _by_hour(
        "score_1h",
        "The last score of a KOL in an hour and the extremes of trust on the way.",
        ("kol_id", "hour", "model_version"),
        {**_KOL, **_HOUR, **_LAST_SCORE},
    ),
    _by_day(
        "cell_1d",
        "minute_cell added up by business day over all source partitions; without users.",
        ("kol_id", "day"),
        {**_KOL, **_DAY, **_SUMS},
        keep="25 MONTH",
    ),
    _by_day(
        "credit_1d",
        "What orders of a business day owe a KOL, by model, in the shop's currency.",
        ("kol_id", "day"),
        {**_CREDITED, **_DAY, **_CREDIT_SUMS},
    ),
    _by_day(
        "place_credit_1d",
        "What orders of a business day owe a KOL, by brand, platform, channel and model, in the "
        "shop's currency.",
        ("brand_id", "kol_id", "platform", "channel", "day"),
        {**_PLACE, **_CREDITED, **_DAY, **_CREDIT_SUMS},
    ),
    _by_day(
        "refund_1d",
        "What KOLs gave back on a business day, by model, in the shop's currency.",
        ("model", "kol_id", "day"),
        {
            **_columns(model=(NAME, "the model")),
            **_CREDITED,
            **_DAY,
            **_columns(
                refunds=("Int64", "refunds, cancels and reversals that changed what it keeps"),
                refunded_cents=("Int64", "the KOL's part of what was given back on that day"),
            ),
        },
    ),
    _by_day(
        "score_1d",
        "The last score of a KOL in a business day and the extremes of trust on the way.",
        ("kol_id", "day", "model_version"),
        {**_KOL, **_DAY, **_LAST_SCORE},
        keep="25 MONTH",
    ),
)

_ROLLUP_FLOOR: Final = Table(
    "rollup_floor",
    "Which rows of an hour or day of a roll-up count: none below the settled version.",
    {
        **_columns(
            target=(NAME, "table of the roll-up"),
            bucket=(SECOND, "beginning of the hour; of a day its date at midnight UTC"),
            settled=("UInt8", "0: a turn begins to write rows; 1: all rows of the version are in"),
            stated_from=(SECOND, "oldest stated_at of the rows it was made of"),
        ),
        **_TURN,
    },
    key=("target", "bucket", "settled"),
    derived=True,
)

_ROLLUP_CURSOR: Final = Table(
    "rollup_cursor",
    "Up to where the roll-ups of a table are true: nothing beyond it was added up yet.",
    {
        **_columns(
            source=(NAME, "the table that is added up"),
            scope=(NAME, "recent: hours and days of the last 48 h; days: all days"),
            table_id=("String", "UUID of the table, which one made anew or restored has not"),
            partitions=("Array(String)", "partitions of the table as they were found"),
            blocks=("Array(UInt64)", "greatest number of an insert in each"),
            mutations=("Array(UInt64)", "mutation that all parts of each have"),
            zone=(NAME, "time zone of the days"),
            hours_from=(
                SECOND,
                "hours from this one on are kept; older ones are computed if asked",
            ),
            turned_at=(MOMENT, "when the turn began, by the clock of its host"),
        ),
        **_TURN,
    },
    key=("source", "scope"),
    derived=True,
)


def _dimension(
    name: str, description: str, key: Mapping[str, Column], columns: Mapping[str, Column]
) -> Table:
    """A table of what a reference topic says, a row for each key; only the trainer writes it."""
    return Table(
        name,
        f"{description} Only the reading that dimension_cursor shows counts.",
        {
            **_columns(reading=("UInt64", "which reading of the topic from its beginning")),
            **key,
            **columns,
            **_columns(
                deleted=("Bool", "true: the topic has taken the key back; then all else is empty"),
                received_at=(MOMENT, "record time of the record that says so"),
                version=(
                    "UInt64",
                    "offset of the record + 1: of a key's rows the greatest stands",
                ),
            ),
        },
        key=("reading", *key),
        derived=True,
    )


_OF_KOL: Final = _columns(kol_id=(NAME, "the KOL"))
_USER_HASH: Final = _columns(user_hash=("String", "keyed name of the user; empty where unknown"))

_DIMENSIONS: Final = (
    _dimension(
        "kol_dim",
        "Who a KOL is, as the topic kol-profile says.",
        _OF_KOL,
        {
            **_columns(
                display_name=("String", "the name that people read, empty where unknown"),
                tier=(NAME, "size of the audience, such as head, waist or koc; empty: unknown"),
                vertical=(NAME, "field, such as nutrition or sleep; empty where unknown"),
                credentials=(NAMES, "proofs of expertise"),
                verified=(FLAG, "whether the platform has verified who it is; NULL: unknown"),
                value_tags=(NAMES, "values that the KOL stands for"),
                virtual_kol=(FLAG, "true: no human being; NULL: unknown"),
                user_hash=("String", "keyed name of the KOL's own account as a buyer, or empty"),
                coupon_ids=("Array(String)", "coupons of the KOL"),
                coupons_since=(f"Array({MOMENT})", "from when each is the KOL's"),
                said_at=(f"Nullable({MOMENT})", "when the shop said so; NULL: unknown"),
            )
        },
    ),
    _dimension(
        "content_dim",
        "What was published, as the topic content says.",
        _columns(content_id=("String", "the content")),
        _columns(
            kol_id=(NAME, "the KOL whose it is; empty: nobody's"),
            published_at=(MOMENT, "when it was published"),
            genre=(NAME, "such as lab_review, narrative or promo; empty where unknown"),
            sponsored=(FLAG, "whether somebody paid for it; NULL: unknown"),
            disclosed=(FLAG, "whether it says that somebody paid for it; NULL: unknown"),
            evidence_refs=("Array(String)", "what it proves its claims by"),
            claims=("Array(String)", "what it claims"),
            text=("String", "its text", "ZSTD(6)"),
            ai_generated=(FLAG, "whether a machine made it; NULL: unknown"),
            virtual_kol=(FLAG, "whether no human being presents it; NULL: unknown"),
        ),
    ),
    _dimension(
        "spend_dim",
        "What a campaign with a KOL cost on a day, as the topic campaign-spend says.",
        {
            **_OF_KOL,
            **_columns(
                campaign=("String", "the campaign"),
                day=("Date", "business day, in the zone of the shop"),
            ),
        },
        _columns(
            brand_id=(NAME, "the brand that pays, empty where unknown"),
            currency=(NAME, "currency; empty: the shop's"),
            fee_cents=("Int64", "paid to the KOL"),
            commission_cents=("Int64", "paid by orders"),
            seeding_cents=("Int64", "products given away"),
            coupon_cents=("Int64", "coupons redeemed"),
            target_segment=(WEIGHTS, "whom it is for: the share of each group of users, 0 to 1"),
            tracked_keywords=("Array(String)", "searches that it is to be found by"),
            said_at=(f"Nullable({MOMENT})", "when the shop said so; NULL: unknown"),
        ),
    ),
    _dimension(
        "perception_dim",
        "What a respondent of a survey thinks of a KOL, as the topic perception says.",
        {
            **_OF_KOL,
            **_columns(
                respondent_hash=("String", "keyed name of the respondent"),
                wave=("String", "round of the survey"),
            ),
        },
        {
            **_columns(
                answered_at=(MOMENT, "when it was answered"),
                user_hash=("String", "keyed name of the respondent as a user; empty: unknown"),
                brand_id=(NAME, "the brand that is asked about, empty where unknown"),
                survey=(NAME, "the survey, empty where unknown"),
                nps=("Nullable(Int8)", "would recommend, 0 to 10; NULL: not asked"),
                brand_lift=(
                    NUMBER,
                    "opinion of the brand after less before; NULL: not asked",
                ),
                authenticity=(NUMBER, "how genuine the KOL seems, 1 to 5; NULL: not asked"),
                aided_recall=(FLAG, "knows the brand when it is named; NULL: not asked"),
                unaided_recall=(FLAG, "names the brand unasked; NULL: not asked"),
            ),
        },
    ),
    _dimension(
        "identity_dim",
        "From when on an anonymous id is a user's, as the topic identity says.",
        _columns(
            anon_hash=("String", "keyed name of the anonymous id"),
            bound_at=(MOMENT, "from when on it is the user's"),
        ),
        {
            **_USER_HASH,
            **_columns(
                confidence=(NUMBER, "how sure that is, 0 to 1; NULL: unknown"),
                age_band=(NAME, "age of the user, empty where unknown"),
                birth_month=(NAME, "month in which the child was or will be born, or empty"),
                geo=(NAME, "region or city of the user, empty where unknown"),
                tags=(WEIGHTS, "interests and values of the user, each with a weight"),
            ),
        },
    ),
    _dimension(
        "policy_dim",
        "A public policy that moves demand, as the topic policy says.",
        _columns(policy_id=("String", "the policy")),
        _columns(
            announced_at=(MOMENT, "when it was announced"),
            region=(NAME, "where it holds, empty where unknown"),
            type=(NAME, "what it is, such as a subsidy; empty where unknown"),
            effective_at=(f"Nullable({MOMENT})", "from when it holds; NULL: unknown"),
        ),
    ),
    _dimension(
        "notice_dim",
        "What a platform or an authority said about a KOL, as the topic kol-notice says.",
        {
            **_OF_KOL,
            **_columns(
                kind=(NAME, "violation, retraction or appeal_upheld"),
                ref=("String", "the case, as the platform names it"),
            ),
        },
        _columns(noticed_at=(MOMENT, "when it was said")),
    ),
    _dimension(
        "consent_dim",
        "What a user allows to be used of what is known of the family, as kol-consents says.",
        _columns(user_hash=("String", "keyed name of the user")),
        _columns(
            stage=("Bool", "the stage of the child"),
            geo=("Bool", "region or city"),
            age_band=("Bool", "the age band"),
        ),
    ),
)

_DIMENSION_CURSOR: Final = Table(
    "dimension_cursor",
    "Up to where a reference topic is in its dimension, and which rows of that count.",
    {
        **_columns(
            topic=(NAME, "the reference topic"),
            topic_id=("String", "its UUID, which one made anew has not; empty: there is none"),
            table_id=("String", "UUID of the dimension, which one made anew or restored has not"),
            reading=("UInt64", "the reading that goes on, since the beginning of the topic"),
            shown=("UInt64", "the reading whose rows count: of a new one once it was complete"),
            partitions=("Array(UInt16)", "partitions of the topic"),
            offsets=("Array(UInt64)", "of each, what is before it is in the dimension"),
            looked_at=(
                MOMENT,
                "when a turn last asked where the topic ends",
            ),
            absent_since=(
                f"Nullable({MOMENT})",
                "since when it does not exist; NULL: it does",
            ),
        ),
        **_TURN,
    },
    key=("topic",),
    derived=True,
)

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        _ORDER_CREDIT,
        _MINUTE_CELL,
        _DETECTOR_CELL,
        _EVENT,
        _KOL_SCORE,
        _DEAD_LETTER,
        _DOOR_COUNT,
        *_ROLL_UPS,
        _ROLLUP_FLOOR,
        _ROLLUP_CURSOR,
        *_DIMENSIONS,
        _DIMENSION_CURSOR,
    )
}

VIEWS: Final[Mapping[str, str]] = {
    "v_order_credit": "What a model owes a KOL for an order: one row per (order, model, KOL).",
    "v_order_kol": "v_order_credit with columns for each model: one row per (order, KOL).",
    "v_order": "One row per order: what was bought, paid and given back, how many touches count.",
    "v_order_touches": "One row per order with the touches that count and with its refunds.",
    "v_refund": "One row per refund, cancel or reversal: its cents of an order, by both dates.",
    "v_refund_credit": "v_refund by model and KOL: what each gives back, by both dates.",
    "v_minute": "What was counted for a KOL (or ~brand:<brand_id>) in a minute.",
    "v_detector": "Observations of a stream about a KOL in a minute, and how many were bad.",
    "v_event": "One row per accepted event of clickstream and content-interactions, with or "
    "without a KOL; joins orders by user_hash. Ask for a span of time.",
    "v_score": "Trust and resonance of a KOL at the end of a minute, with 90 % intervals.",
    "v_dead_letter": "What could not be read or written, each once.",
    "v_door": "How many messages of a topic partition left by which door.",
    "v_cell_1h": "v_minute by hour, without users, which do not add.",
    "v_credit_1h": "v_order_credit by model, KOL and hour of the order, in the shop's currency. "
    "Of the last 48 h as of the trainer's last turn; older hours are added up when asked.",
    "v_score_1h": "The last score of a KOL in an hour, and the extremes of trust.",
    "v_cell_1d": "v_minute by business day, without users, which do not add. A change of a day "
    "before the last 48 h shows within 10 minutes and a turn of the trainer.",
    "v_credit_1d": "v_order_credit by model, KOL and business day of the order, in the shop's "
    "currency. A refund counts in the day of its order, and shows there within 10 minutes and a "
    "turn of the trainer; of the last 48 h with its next turn.",
    "v_place_credit_1d": "v_credit_1d by brand, platform and channel, too, with columns for each "
    "model: one row per KOL, place and day. As up to date as v_credit_1d.",
    "v_refund_1d": "v_refund_credit by model, KOL and business day of the refund, whenever the "
    "order was, in the shop's currency. Up to date within 10 minutes and a turn of the trainer. "
    "What is `undated` is in no day.",
    "v_score_1d": "The last score of a KOL in a business day, and the extremes of trust.",
    "v_trust_node": "Which KOLs are trust nodes, by ISO week: the state of its last business day.",
    "v_kol": "Who a KOL is: name, tier, field, coupons.",
    "v_content": "What was published, by whom, whether somebody paid and whether it says so.",
    "v_spend": "What a campaign with a KOL cost on a business day.",
    "v_perception": "What a respondent of a survey thinks of a KOL.",
    "v_identity": "From when on an anonymous id is a user's, and what the user said of the family.",
    "v_policy": "Public policies that move demand.",
    "v_notice": "What platforms and authorities said about KOLs.",
}
