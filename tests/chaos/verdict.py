"""What stands against what must stand: the oracle, and the same log read in peace."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.blocks import unpack
from schemas.cells import NAMES
from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.number_log import NumberLog
from schemas.reference_types import REFERENCES
from schemas.rows import MODELS
from sinks.memory import Memory
from streams.clients.clickhouse import connect, query
from streams.core.kol.memory import KolMemory
from streams.core.user.known_values import KnownValues
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.settings import Settings
from streams.worker.changes import Source
from streams.worker.outgoing import blocks
from tests.event_oracle import (
    ALLOWED,
    COLUMNS,
    NO_CONSENTS,
    Consents,
    event_rows,
    record_times,
)
from tests.oracle import PRODUCT, Expected, Record

BATCH = 1_000  # messages a quiet worker reads at a time
NEAR = 1e-9  # of scores
SHOWN = 4  # differences told of each kind
MINUTES_OF_A_DAY = 1_440

FLOATS = (
    *("trust", "trust_lo", "trust_hi", "resonance", "resonance_lo", "resonance_hi"),
    *("n_eff", "trust_E", "trust_A", "trust_I", "trust_B", "trust_O", "uncertainty"),
)
ORACLE_CELLS = (
    *("events", "users", "users_hour", "users_day", "users_week", "impressions", "clicks"),
    *("carts", "views", "likes", "saves", "comments", "danmaku", "shares", "follows"),
    *("unfollows", "joins", "leaves", "questions", "replies", "creations", "reports"),
    *("dwell_ms", "orders", "paid_cents", "list_cents", "discount_cents", "promo_cents"),
    *("member_cents", "refunds", "refund_cents", "depth", "depth_square"),
    *("credible_days", "credible_days_square", "credible_depth", "credible_depth_square"),
    *("aged_days", "young_days", "users_near", "users_far", "dwell_views", "short_views"),
    *("live_ms", "unfollowers"),
)

Row = tuple[Any, ...]
_PART = "model, kol_id, order_id, user_hash, ordered_at"
_UNBALANCED = (
    "SELECT model, kol_id, order_id, user_hash, sum(cents) AS difference FROM"  # noqa: S608  # names of ours
    f" (SELECT {_PART}, refunded_cents AS cents FROM v_refund_credit"
    f" UNION ALL SELECT {_PART}, -refunded_cents FROM v_order_credit)"
    f" GROUP BY {_PART} HAVING difference != 0"
)

_LETTERS = (
    "SELECT topic, partition, offset, reason, target FROM v_dead_letter"
    " WHERE topic NOT IN {references:Array(String)}"
)
_AS_STORED = {  # column of `event` -> the same of its view, which is there also beside a replay
    "moment": "toUnixTimestamp64Milli(moment)",
    "dwell_ms": "ifNull(dwell_ms, -1)",
    "completion_ppm": "ifNull(toInt32(round(completion * 1000000)), -1)",
    "visible_ms": "ifNull(visible_ms, -1)",
    "credibility_ppm": "toInt32(round(credibility * 1000000))",
    "first_screen": "ifNull(toInt8(first_screen), -1)",
}
_EVENTS = f"SELECT {', '.join(_AS_STORED.get(name, name) for name in COLUMNS)} FROM v_event"  # noqa: S608  # names of ours


@dataclass(slots=True)
class Told:
    """Everything the tables say, as sets of rows; scores by KOL and minute."""

    credits: Counter[Row]
    orders: Counter[Row]
    cells: dict[tuple[str, int], tuple[int, ...]]  # sums of all fields
    letters: Counter[Row]
    doors: dict[tuple[str, int, str], int]
    scores: dict[tuple[str, int], tuple[float, ...]]  # final ones
    refused: Counter[Row] = field(default_factory=Counter)  # letters that are not of inputs
    products: Counter[Row] = field(default_factory=Counter)
    refunds: Counter[Row] = field(default_factory=Counter)
    observations: dict[Row, Row] = field(default_factory=dict)
    unbalanced: list[Row] = field(default_factory=list)  # KOLs whose refunds do not add up
    events: Counter[Row] = field(default_factory=Counter)
    appended: Counter[Row] = field(default_factory=Counter, compare=False)  # event, record time


def told(settings: Settings) -> Told:
    """What stands in the engine under FINAL."""
    client = connect(settings.clickhouse)

    def ask(sql: str) -> list[Row]:
        given = {"references": list(REFERENCES)}
        return [tuple(row.values()) for row in query(client, sql, given)]

    names = ", ".join(NAMES)
    letters = ask(_LETTERS)
    found = Told(
        credits=Counter(
            ask(
                "SELECT model, kol_id, toUnixTimestamp64Milli(ordered_at), order_id, via,"
                " credit_cents, refunded_cents FROM v_order_credit"
                " WHERE credit_cents != 0 OR refunded_cents != 0"
            )
        ),
        orders=Counter(
            ask(
                "SELECT toUnixTimestamp64Milli(ordered_at), order_id, brand_id, platform, channel,"
                " paid_cents, refunded_cents, touches, currency, user_hash FROM v_order"
            )
        ),
        cells={
            (row[0], row[1]): tuple(map(int, row[2:]))
            for row in ask(
                f"SELECT kol_id, intDiv(toUnixTimestamp(minute), 60), {names} FROM v_minute"  # noqa: S608  # names of ours
            )
            if any(row[2:])
        },
        letters=Counter(row[:4] for row in letters if row[4] == "input"),
        doors={
            (row[0], row[1], row[2]): int(row[3])
            for row in ask("SELECT topic, partition, door, n FROM v_door WHERE kind != 'counter'")
            if int(row[3])
        },
        scores={
            (row[0], row[1]): _floats(row[2:])
            for row in ask(
                "SELECT kol_id, intDiv(toUnixTimestamp(minute), 60),"  # noqa: S608  # names of ours
                f" {', '.join(FLOATS)} FROM v_score WHERE final"
            )
        },
        refused=Counter(row[:4] for row in letters if row[4] != "input"),
        products=Counter(
            ask(
                f"SELECT toUnixTimestamp64Milli(ordered_at), order_id, {', '.join(PRODUCT)}"  # noqa: S608  # names of ours
                " FROM v_order"
            )
        ),
        refunds=Counter(
            ask(
                "SELECT toUnixTimestamp64Milli(ordered_at), order_id,"
                " toUnixTimestamp64Milli(refunded_at), refunded_cents, kind, reason FROM v_refund"
            )
        ),
        observations={
            row[:4]: row[4:]
            for row in ask(
                "SELECT kol_id, intDiv(toUnixTimestamp(minute), 60), stream, bucket, n, k"
                " FROM v_detector WHERE stream != 'unfollow'"
            )
        },
        unbalanced=ask(_UNBALANCED),
        events=told_events(client),
        appended=Counter(ask("SELECT identity, toUnixTimestamp64Milli(received_at) FROM v_event")),
    )
    client.close()
    return found


def told_events(client: Client) -> Counter[Row]:
    """The rows of events that stand, `COLUMNS` of each."""
    return Counter(tuple(row.values()) for row in query(client, _EVENTS))


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else float(value) for value in values)


# ---------------------------------------------------------------- the same log in peace


def quiet(
    log: Sequence[Record], partitions: int, hmac_key: bytes, numbers: NumberLog | None = None
) -> Told:
    """What both sides say of a log, read from its beginning to its end with nothing going wrong.

    Numbers say whose accounts are a KOL's own; nobody has consented to anything.
    """
    return asyncio.run(_quiet(log, partitions, hmac_key, numbers or NumberLog()))


async def _quiet(
    log: Sequence[Record], partitions: int, hmac_key: bytes, numbers: NumberLog
) -> Told:
    known = KnownValues()
    known.log = numbers
    users = [UserMemory(p, hmac_key=hmac_key) for p in range(partitions)]
    for user in users:
        user.ask(known)
    kols = [KolMemory(p, partitions) for p in range(partitions)]
    sink = Memory()
    for turn in turns(log, partitions):
        said, sources = [], []
        for batch in turn:
            user = users[batch.partition]
            user.fold(decode(batch, user.keyed_names, in_full=True))
        for memory in users:
            stated = collect_updates(memory)
            said += [*stated.rows, *filter(None, [memory.take_events()])]
            mark = memory.watermark(INPUTS)
            sources.append(Source(memory.partition, 1, stated.cells, mark is not None, mark))
            memory.prune(mark)
        for target, block in blocks(sources, partitions, moved=True):
            kols[target].fold(unpack(block))
        for part in (*said, *(part for memory in kols for part in memory.collect_updates())):
            await sink.write(part)
    return _of(sink)


def turns(log: Sequence[Record], partitions: int) -> list[list[RecordBatch]]:
    """Batches of every topic partition; in each turn all topics are about as far, by share."""
    parts: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in log:
        parts[record.topic, record.partition].append(record)
    count = max(1, max(map(len, parts.values())) // BATCH)
    turns = []
    for turn in range(count):
        batches = []
        for records in parts.values():
            cut = [len(records) * at // count for at in (turn, turn + 1)]
            if cut[0] < cut[1]:
                batches.append(_batch(records[cut[0] : cut[1]], partitions))
        turns.append(batches)
    return turns


def _batch(part: Sequence[Record], partitions: int) -> RecordBatch:
    return RecordBatch(
        topic=part[0].topic,
        partition=part[0].partition,
        partitions=partitions,
        first_offset=part[0].offset,
        next_offset=part[-1].offset + 1,
        values=[record.value for record in part],
        offsets=np.array([record.offset for record in part], np.int64),
        received_at=np.array([record.received_at for record in part], np.int64),
    )


def _of(sink: Memory) -> Told:
    found = Told(Counter(), Counter(), {}, Counter(), {}, {})
    sums: dict[tuple[str, int], list[int]] = {}
    for row in sink.rows("order_credit"):
        if row["kols"]:
            _add_order(found, row)
    for row in sink.rows("minute_cell"):
        cell = sums.setdefault((row["kol_id"], row["minute"] // 60), [0] * len(NAMES))
        for at, name in enumerate(NAMES):
            cell[at] += int(row[name])
    found.cells = {key: tuple(values) for key, values in sums.items() if any(values)}
    cells = {
        (
            row["kol_id"],
            row["minute"] // 60,
            row["stream"],
            row["bucket"],
            row["source_partition"],
        ): ((int(row["n"]), int(row["k"])))
        for row in sink.rows("detector_cell")
    }
    found.observations = _over_partitions(cells)
    for row in sink.rows("dead_letter"):
        found.letters[row["topic"], row["partition"], row["offset"], row["reason"]] += 1
    for row in sink.rows("door_count"):
        if row["kind"] != "counter" and row["n"]:
            found.doors[row["topic"], int(row["partition"]), row["door"]] = int(row["n"])
    for row in sink.rows("event"):
        found.events[tuple(row[name] for name in COLUMNS)] += 1
        found.appended[row["identity"], row["received_at"]] += 1
    for row in sink.rows("kol_score"):
        if row["final"]:
            found.scores[row["kol_id"], row["minute"] // 60] = _floats([row[n] for n in FLOATS])
    return found


def _add_order(found: Told, row: Mapping[str, Any]) -> None:
    at, order_id = row["ordered_at"], row["order_id"]
    shop = (row["brand_id"], row["platform"], row["channel"])
    cents = (row["paid_cents"], row["refunded_cents"])
    found.orders[
        (at, order_id, *shop, *cents, len(row["touch_kol"]), row["currency"], row["user_hash"])
    ] += 1
    found.products[(at, order_id, *(row[name] for name in PRODUCT))] += 1
    refunds = (row[f"refund_{name}"] for name in ("at", "cents", "kind", "reason"))
    found.refunds.update((at, order_id, *refund) for refund in zip(*refunds, strict=True))
    for model in MODELS:
        shares = zip(
            row["kols"],
            row["kol_via"],
            row[f"credit_{model}"],
            row[f"refunded_{model}"],
            strict=True,
        )
        for kol, via, credit, refunded in shares:
            if credit or refunded:
                found.credits[model, kol, at, order_id, via, credit, refunded] += 1


# ---------------------------------------------------------------- comparing


def against_oracle(
    stands: Told,
    expected: Expected,
    messages: int,
    key: bytes,
    consents: Consents = NO_CONSENTS,
) -> list[str]:
    """Where the tables and the definitions differ, in words; [] where nowhere."""
    cells = {
        key: tuple(fields.get(name, 0) for name in ORACLE_CELLS)
        for key, fields in expected.cells.items()
    }
    places = [NAMES.index(name) for name in ORACLE_CELLS]
    ours = {key: tuple(values[at] for at in places) for key, values in stands.cells.items()}
    doors = {key: n for key, n in stands.doors.items() if key[2] in DOORS}
    letters = {row[:3] for row in stands.letters}
    wrong = {row for row in stands.letters if row[3] not in _reasons(expected, row)}
    left = sum(stands.doors.values())
    return [
        *compare_sets("credits", stands.credits, expected.credit_rows()),
        *compare_sets(
            "orders", Counter(row[:9] for row in stands.orders.elements()), _orders(expected)
        ),
        *compare_sets("products", stands.products, expected.product_rows()),
        *compare_sets("refunds", stands.refunds, expected.refund_rows()),
        *compare_sets("events", stands.events, event_rows(expected, key, consents)),
        *compare_sets("record times", stands.appended, record_times(expected, key)),
        *([f"refunds of KOLs: {stands.unbalanced[:SHOWN]}"] if stands.unbalanced else []),
        *_maps("cells", {k: v for k, v in ours.items() if any(v)}, _some(cells)),
        *_observed(
            "observations",
            stands.observations,
            _over_partitions(expected.observations()),
            _over_partitions(expected.observations(final=False)),
        ),
        *_maps("doors", doors, {key: n for key, n in expected.doors.items() if n}),
        *compare_sets(
            "dead letters",
            Counter(letters),
            Counter({*expected.rejected, *expected.dropped}),
        ),
        *([f"letters with other reasons: {sorted(wrong)[:SHOWN]}"] if wrong else []),
        *([f"{messages} messages, but {left} left by a door"] if left != messages else []),
        *([f"rows were refused: {list(stands.refused)[:SHOWN]}"] if stands.refused else []),
    ]


DOORS = frozenset({"written", "duplicate", "duplicate_order", "too_late"})


def _orders(expected: Expected) -> Counter[Row]:
    return Counter(dict(expected.order_rows()))


def _some(cells: Mapping[tuple[str, int], tuple[int, ...]]) -> dict[Any, Any]:
    return {key: values for key, values in cells.items() if any(values)}


def _reasons(expected: Expected, letter: Row) -> frozenset[str]:
    at = (letter[0], letter[1], letter[2])
    dropped = frozenset({expected.dropped[at]} if at in expected.dropped else ())
    return expected.rejected.get(at, frozenset[str]()) | dropped


def _unallowed(events: Counter[Row]) -> Counter[Row]:
    """Events without what only consents let them say: of these record times decide."""
    kept = [place for place, name in enumerate(COLUMNS) if name not in ALLOWED]
    found: Counter[Row] = Counter()
    for row, n in events.items():
        found[tuple(row[place] for place in kept)] += n
    return found


def against_quiet(stands: Told, peace: Told) -> list[str]:
    """Where the tables and an undisturbed run of the same log differ; [] where nowhere."""
    far = [
        f"{key}: {ours} for {theirs}"
        for key, theirs in peace.scores.items()
        if (ours := stands.scores.get(key)) is not None and not _near(ours, theirs)
    ]
    return [
        *compare_sets("credits (quiet)", stands.credits, peace.credits),
        *compare_sets("orders (quiet)", stands.orders, peace.orders),
        *compare_sets("products (quiet)", stands.products, peace.products),
        *compare_sets("refunds (quiet)", stands.refunds, peace.refunds),
        *compare_sets("events (quiet)", _unallowed(stands.events), _unallowed(peace.events)),
        *_maps("cells (quiet)", stands.cells, peace.cells),
        *_observed("observations (quiet)", stands.observations, _older(peace.observations, stands)),
        *_maps("doors (quiet)", stands.doors, peace.doors),
        *compare_sets("dead letters (quiet)", stands.letters, peace.letters),
        *compare_sets(
            "final scores (quiet)", Counter(list(stands.scores)), Counter(list(peace.scores))
        ),
        *([f"{len(far)} final scores differ: {far[:SHOWN]}"] if far else []),
    ]


def against_orders(settings: Settings, zone: str) -> list[str]:
    """Where hours and business days differ from the orders and refunds; [] where nowhere."""
    client = connect(settings.clickhouse)
    given = {"zone": zone, "currency": settings.currency}

    def rows(columns: str, source: str) -> Counter[Row]:
        found = query(client, f"SELECT model, kol_id, {columns} FROM {source}", given)  # noqa: S608  # names of ours
        return Counter(tuple(row.values()) for row in found)

    ours = "WHERE currency = {currency:String}"
    credits_of = "count() AS orders, sum(credit_cents) AS credit, sum(refunded_cents) AS refunded"
    refunds_of = "count() AS refunds, sum(refunded_cents) AS refunded"
    grouped = f"v_order_credit {ours} GROUP BY model, kol_id, at"
    refunds = f"v_refund_credit {ours} AND refunded_cents != 0 GROUP BY model, kol_id, at"
    places = "brand_id, platform, channel"
    each = ", ".join(f"('{m}', orders_{m}, credit_{m}, refunded_{m})" for m in MODELS)
    by_place = f"SELECT *, each, each.1 AS model FROM v_place_credit_1d ARRAY JOIN [{each}] AS each"  # noqa: S608  # names of ours
    wrong = [
        *compare_sets(
            "v_credit_1h",
            rows("toString(hour) AS at, orders, credit_cents, refunded_cents", "v_credit_1h"),
            rows(f"toString(toStartOfHour(ordered_at)) AS at, {credits_of}", grouped),
        ),
        *compare_sets(
            "v_credit_1d",
            rows("toString(day) AS at, orders, credit_cents, refunded_cents", "v_credit_1d"),
            rows(f"toString(toDate(ordered_at, {{zone:String}})) AS at, {credits_of}", grouped),
        ),
        *compare_sets(
            "v_place_credit_1d",
            rows(
                f"{places}, toString(day) AS at, each.2, each.3, each.4",
                f"({by_place}) WHERE each.2 > 0",
            ),
            rows(
                f"{places}, toString(toDate(ordered_at, {{zone:String}})) AS at, {credits_of}",
                f"{grouped}, {places}",
            ),
        ),
        *compare_sets(
            "v_refund_1d",
            rows("toString(day) AS at, refunds, refunded_cents", "v_refund_1d"),
            rows(f"toString(toDate(refunded_at, {{zone:String}})) AS at, {refunds_of}", refunds),
        ),
    ]
    client.close()
    return wrong


def _near(ours: tuple[float, ...], theirs: tuple[float, ...]) -> bool:
    return bool(np.allclose(ours, theirs, rtol=0, atol=NEAR, equal_nan=True))


def compare_sets(name: str, ours: Counter[Any], theirs: Counter[Any]) -> list[str]:
    """Where two sets of rows differ, in words; [] where nowhere."""
    more, fewer = ours - theirs, theirs - ours
    if not more and not fewer:
        return []
    shown = (sorted(more, key=repr)[:SHOWN], sorted(fewer, key=repr)[:SHOWN])
    return [f"{name}: {more.total()} too many, {fewer.total()} missing: {shown}"]


def _observed(
    name: str,
    ours: Mapping[Row, Row],
    least: Mapping[Row, Row],
    most: Mapping[Row, Row] | None = None,
) -> list[str]:
    """Where observations are fewer than those of final minutes, or more than those of all minutes.

    A worker raises topics that are idle, so more minutes are final than by the log alone.
    """
    none = (0, 0)
    few = {k: v for k, v in least.items() if not _at_least(ours.get(k, none), v)}
    many = (
        {}
        if most is None
        else {k: v for k, v in ours.items() if not _at_least(most.get(k, none), v)}
    )
    return [
        *([f"{name}: {len(few)} too few: {sorted(few.items(), key=repr)[:SHOWN]}"] if few else []),
        *(
            [f"{name}: {len(many)} too many: {sorted(many.items(), key=repr)[:SHOWN]}"]
            if many
            else []
        ),
    ]


def _older(observations: Mapping[Row, Row], stands: Told) -> dict[Row, Row]:
    """Those a day older than the newest that stands: both had time to make them."""
    newest = max((key[1] for key in stands.observations), default=0)
    return {key: nk for key, nk in observations.items() if key[1] < newest - MINUTES_OF_A_DAY}


def _at_least(ours: Row, theirs: Row) -> bool:
    return all(a >= b for a, b in zip(ours, theirs, strict=True))


def _over_partitions(cells: Mapping[Any, tuple[int, int]]) -> dict[Row, Row]:
    """Observations added up over partitions, the last of each key."""
    sums: dict[Row, Row] = {}
    for (*about, _), (n, k) in cells.items():
        before = sums.get(tuple(about), (0, 0))
        sums[tuple(about)] = (before[0] + n, before[1] + k)
    return sums


def _maps(name: str, ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> list[str]:
    other = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    if not other:
        return []
    shown = [(key, ours.get(key), theirs.get(key)) for key in sorted(other, key=repr)[:SHOWN]]
    return [f"{name}: {len(other)} differ; key, ours, wanted: {shown}"]
