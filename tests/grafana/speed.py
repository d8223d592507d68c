"""How long panels take at ninety days beside much: ten million cells and a million orders.

Rows come from `INSERT ... SELECT ... FROM numbers`, fifty thousand at a time; hours and days are
added up by the trainer's own turn. Every statement is asked several times; the best one counts.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.cells import NAMES
from schemas.rows import MODELS, TABLES
from streams.trainer.dimensions.cursor import Cursor
from streams.trainer.dimensions.store import DimensionStore
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
from tests.grafana.boards import Board, Finding
from tests.grafana.macros import expand
from tests.grafana.sql import DAY, OPENED, Engine, least_interval, options_of, range_of
from tests.grafana.variables import interpolate
from tests.grafana.world import ZONE

CELLS: Final = 10_000_000
ORDERS: Final = 1_000_000
AT_ONCE: Final = 50_000
KOLS: Final = 1_000
BRANDS: Final = 6
BRAND: Final = "brand"  # the variable by which one is chosen
DAYS: Final = 90
MOST_MS: Final = 200.0
TRIES: Final = 5


PROFILES: Final = f"""
    INSERT INTO kol_dim (reading, kol_id, display_name, tier, version)
    SELECT 1, concat('kol-', toString(number)), concat('宝妈 ', toString(number)), 'waist', 1
    FROM numbers({KOLS})
"""  # noqa: S608  # a number of ours


class Timed(NamedTuple):
    """How long a statement took, in ms."""

    where: str
    way: str
    best: float
    worst: float
    rows: int


def fill(
    client: Client,
    end_ms: int,
    *,
    cells: int = CELLS,
    orders: int = ORDERS,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Much of everything, over the ninety days before a moment."""
    for name, total, statement in (
        ("cells", cells, _cells(end_ms, cells)),
        ("scores", cells, _scores(end_ms, cells)),
        ("orders", orders, _orders(end_ms, orders)),
    ):
        for first in range(0, total, AT_ONCE):
            if first % (20 * AT_ONCE) == 0:
                progress(f"{name}: {first:,} of {total:,}")
            count = min(AT_ONCE, total - first)
            settings = {"max_partitions_per_insert_block": 0}
            client.command(f"{statement} FROM numbers({first}, {count})", settings=settings)
    _profiles(client, end_ms)
    progress("hours and days")
    RollUps(client, str(client.database), ZONE).turn(
        Version(1, 1), now_ms=time.time_ns() // 1_000_000, at_once=True
    )


def _minute(end_ms: int, total: int) -> str:
    """The minute of a cell: as many in each, the last ones at the end."""
    begin = end_ms // 60_000 * 60 - DAYS * 86_400
    return f"toDateTime({begin} + 60 * intDiv(number * {DAYS * 1_440}, {total}), 'UTC')"


def _kol() -> str:
    """Whose a cell is: no two of a minute are of one; the first are brands."""
    place = f"(number * 13) % {KOLS}"
    return (
        f"if({place} < {BRANDS}, concat('~brand:brand-', toString({place})),"
        f" concat('kol-', toString({place})))"
    )


def _cells(end_ms: int, total: int) -> str:
    columns = TABLES["minute_cell"].columns
    given = {"kol_id": _kol(), "minute": _minute(end_ms, total), "version": "1"}
    given |= {name: f"(number * {7 + at}) % {3 + at}" for at, name in enumerate(NAMES)}
    written = [f"{given.get(name, '0')} AS `{name}`" for name in columns]
    return f"INSERT INTO minute_cell ({_listed(columns)}) SELECT {', '.join(written)}"


def _scores(end_ms: int, total: int) -> str:
    columns = TABLES["kol_score"].columns
    value = "0.3 + 0.4 * ((number * 17) % 1000) / 1000."
    given = {"kol_id": _kol(), "minute": _minute(end_ms, total), "version": "1", "n_eff": "20."}
    given |= dict.fromkeys(("trust", "resonance"), value)
    given |= dict.fromkeys(("trust_lo", "resonance_lo"), f"{value} - 0.1")
    given |= dict.fromkeys(("trust_hi", "resonance_hi"), f"{value} + 0.1")
    given |= {f"trust_{dimension}": value for dimension in "EAIBO"}
    written = [f"{given.get(name, _least(kind))} AS `{name}`" for name, kind in columns.items()]
    return f"INSERT INTO kol_score ({_listed(columns)}) SELECT {', '.join(written)}"


def _orders(end_ms: int, total: int) -> str:
    columns = TABLES["order_credit"].columns
    apart = DAYS * DAY / total
    given = {
        "ordered_at": "ordered",
        "order_id": "concat('o-', toString(number))",
        "user_hash": "lower(hex(sipHash128(number % 200000)))",
        "brand_id": f"concat('brand-', toString(number % {BRANDS}))",
        "platform": "['tmall', 'douyin', 'xiaohongshu', 'jd'][1 + number % 4]",
        "channel": "['shelf', 'social', 'live', 'private'][1 + intDiv(number, 4) % 4]",
        "currency": "'CNY'",
        "category": "'care'",
        "paid_cents": "toInt64(paid)",
        "refunded_cents": "if(number % 8 = 0, toInt64(paid), 0)",
        "touch_kol": "ks",
        "touch_at": "ats",
        "touch_begin": "ats",
        "touch_class": "arrayMap(i -> 'click', ks)",
        "touch_via": "arrayMap(i -> 'direct', ks)",
        "kols": "sorted",
        "kol_via": "arrayMap(i -> 'direct', ks)",
        "refund_at": "if(number % 8 = 0, [ordered + INTERVAL 3 DAY], [])",
        "refund_cents": "if(number % 8 = 0, [toInt64(paid)], [])",
        "refund_kind": "if(number % 8 = 0, ['refund'], [])",
        "refund_reason": "if(number % 8 = 0, [''], [])",
        "version": "1",
    }
    even = "arrayMap((kol, place) -> part + (place <= rest), sorted, places)"
    shares = dict.fromkeys(MODELS, even)
    shares |= {
        model: f"arrayMap(kol -> if(kol = {kol}, toInt64(paid), 0), sorted)"
        for model, kol in (("first", "ks[1]"), ("last", "ks[-1]"))
    }
    given |= {f"credit_{model}": share for model, share in shares.items()}
    given |= {
        f"refunded_{model}": f"arrayMap(cents -> if(number % 8 = 0, cents, 0), {share})"
        for model, share in shares.items()
    }
    written = [f"{given.get(name, _least(kind))} AS `{name}`" for name, kind in columns.items()]
    begin = end_ms - DAYS * DAY
    return f"""
        INSERT INTO order_credit ({_listed(columns)})
        WITH 1 + number % 5 AS touched,
            arrayMap(i -> (number * 31 + i * 7) % {KOLS - BRANDS}, range(touched)) AS who,
            arrayMap(i -> concat('kol-', toString({BRANDS} + i)), who) AS ks,
            arraySort(ks) AS sorted, arrayEnumerate(sorted) AS places,
            10000 + number % 30000 AS paid, intDiv(toInt64(paid), touched) AS part,
            toInt64(paid) % touched AS rest,
            fromUnixTimestamp64Milli({begin} + toInt64(number * {apart}), 'UTC') AS ordered,
            arrayMap(i -> ordered - toIntervalHour(touched - i), range(touched)) AS ats
        SELECT {", ".join(written)}
    """


def _least(kind: str) -> str:
    """The emptiest value of a type."""
    return "NULL" if kind.startswith("Nullable") else f"defaultValueOfTypeName('{_quoted(kind)}')"


def _quoted(kind: str) -> str:
    return kind.replace("'", "\\'")


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _profiles(client: Client, end_ms: int) -> None:
    store = DimensionStore(client, lambda: None)
    client.command(PROFILES)
    table = store.table_ids()["kol_dim"]
    store.write_cursor(Cursor("kol-profile", "an id", table, 1, 1, {0: KOLS}, end_ms), 1)


def measure(
    boards: Sequence[Board],
    client: Client,
    end_ms: int,
    *,
    tries: int = TRIES,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[list[Timed], list[Finding]]:
    """How long every statement of every panel takes at ninety days, the slowest first."""
    engine, timed, seen = Engine(client), [], set()
    for board in boards:
        progress(board.uid)
        options, _ = options_of(board, engine, range_of(DAYS * DAY, end_ms))
        ways = [way for way in options.all_ways() if way[0] in {OPENED, "one of each"}]
        ways += [
            ("one brand", {**options.opened(), one.name: options.choice(one, 1)})
            for one in board.variables
            if one.name == BRAND
        ]
        for way, choices in ways:
            for panel in board.panels:
                span = range_of(DAYS * DAY, end_ms, least_interval(panel))
                for target in panel.targets:
                    sql = expand(interpolate(target.sql, choices, span), span)
                    if not sql or sql in seen:
                        continue
                    seen.add(sql)
                    timed.append(_timed(client, f"{panel.where} [{target.ref}]", way, sql, tries))
    timed.sort(key=lambda one: -one.best)
    slow = [
        Finding(one.where, f"{one.best:.0f} ms at {DAYS} d, {one.way}: more than {MOST_MS:.0f}")
        for one in timed
        if one.best > MOST_MS
    ]
    return timed, slow


def _timed(client: Client, where: str, way: str, sql: str, tries: int) -> Timed:
    spent, rows = [], 0
    for _ in range(tries):
        began = time.perf_counter()
        rows = len(client.query(sql).result_rows)
        spent.append(1_000 * (time.perf_counter() - began))
        if min(spent) <= MOST_MS / 4:
            break  # far enough below
    return Timed(where, way, min(spent), max(spent), rows)
