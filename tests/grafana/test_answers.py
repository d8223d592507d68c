"""What panels say of rows that a person can add up by hand."""

import itertools
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import MODELS, Rows
from sinks.connection import HttpInserter
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
from tests.builders import NAMES
from tests.embedded.gateway.running import READER, Server, gateway
from tests.grafana import sql
from tests.grafana.boards import Board, read
from tests.grafana.macros import Range
from tests.grafana.sql import Engine, options_of
from tests.grafana.variables import HARD, Choice
from tests.grafana.world import ZONE
from tests.integration.engine import empty, fresh
from tests.sinks.samples import MAY, Row, cells, order, orders
from tests.told import Dimensions

pytestmark = pytest.mark.integration

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BEGIN: Final = 1_000 * MAY  # 2024-05-01 00:00 UTC, 08:00 in Shanghai
BOARDS: Final = {board.uid: board for board in read()}
NUMBER: Final = itertools.count()  # an insert that was made before is not made again
Answers = list[dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("answers")) as running:
        yield running


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[Client]:
    client = fresh(server, "answers")
    yield client
    client.close()


@pytest.fixture
def write(owner: Client) -> Callable[[Rows], None]:
    """Write rows into tables that have none."""
    empty(owner)
    insert = HttpInserter(lambda: owner, {})
    return lambda given: insert(given, f"{given.table} {next(NUMBER)}")


@pytest.fixture
def reader(server: Server, owner: Client) -> Iterator[Client]:
    assert owner.database == "answers"
    client = server.client(READER, database="answers")
    yield client
    client.close()


CREDIT_PER_DAY = (
    "kol-attribution / Credit by KOL per day: ${model:text}, refunds ${refunds:text} [$currency]"
)


def said(client: Client, where: str, begin: int, end: int, **given: str) -> Answers:
    """The rows of a panel, `uid / title`, for a range and what is chosen above it."""
    uid, _, title = where.partition(" / ")
    board = BOARDS[uid]
    (panel,) = [one for one in board.panels if one.title == title]
    span = Range(begin, end, MINUTE)
    answer = sql.run(panel.targets[0], _chosen(board, client, span, given), Engine(client), span)
    assert not answer.error
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def _chosen(board: Board, client: Client, span: Range, given: dict[str, str]) -> dict[str, Choice]:
    options, _ = options_of(board, Engine(client), span)
    return {**options.opened(), **{name: Choice((value,)) for name, value in given.items()}}


def by_hour(found: Answers) -> dict[int, tuple[float | None, ...]]:
    """Hours since the beginning, and what is said of each."""
    return {
        (round(1_000 * row["time"].timestamp()) - BEGIN) // HOUR: tuple(row.values())[1:]
        for row in found
    }


# ---------------------------------------------------------------- one KOL

FIRST: Final[dict[str, Any]] = {
    "credible_days": 1_000_000,
    "credible_days_square": 1_000_000,
    "users_day": 2,
}
LATER: Final[dict[str, Any]] = {
    "credible_depth": 1_100_000,
    "credible_depth_square": 1_850_000,
    "users_near": 1,
}


def test_who_comes_back_adds_to_the_depth_of_the_day(
    write: Callable[[Rows], None], reader: Client
) -> None:
    write(cells(70, **FIRST, credible_depth=400_000, credible_depth_square=160_000))
    write(cells(3 * 60, **LATER, version=2))
    write(cells(25 * 60, **FIRST, credible_depth=700_000, credible_depth_square=490_000))
    begin, end = BEGIN + 2 * HOUR, BEGIN + 26 * HOUR

    depth = by_hour(said(reader, "kol-kol / Depth of engagement", begin, end, kol="k1"))
    near = by_hour(said(reader, "kol-kol / Audience: near, far, young", begin, end, kol="k1"))

    assert {hour: values[0] for hour, values in depth.items()} == {3: 1.5, 25: 0.7}
    assert {hour: values[0] for hour, values in near.items()} == {3: 0.5, 25: 0}


HOSTILE: Final = (
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "it's",
    "'; reboot #",
    "a b",
    "~",
    "*",
    "订单",
)


def test_the_command_that_explains_an_order_is_one_command(
    write: Callable[[Rows], None], reader: Client
) -> None:
    plain = ["o1", "2024-05-01/A:7", "a_b.c@d"]
    unsafe = ["-x", "a\nreboot", "\x1b[201~reboot", *(one for one in HARD if one[0] == "-")]
    hard = [one for one in HARD if one.isprintable()]
    written(write, [*plain, *unsafe, *HOSTILE, *hard])

    found = said(reader, "kol-kol / Newest orders by ${model:text} [$currency]", *AROUND, kol="k1")

    commands = {row["order_id"]: row["explain"] for row in found}
    assert {commands.pop(name) for name in unsafe} == {"–"}
    assert [commands[name] for name in plain] == [f"kol explain order {name}" for name in plain]
    for name, command in commands.items():
        assert shlex.split(command) == ["kol", "explain", "order", name]
        assert name in plain or command.endswith("'")


AROUND: Final = (BEGIN - HOUR, BEGIN + HOUR)


def written(write: Callable[[Rows], None], names: Sequence[str]) -> None:
    """An order of each number, all of them earned by one KOL."""
    given = [
        earned(name, "k1", user_hash=f"{i:032x}") for i, name in enumerate(dict.fromkeys(names))
    ]
    write(orders(*given))


def earned(name: str, *kols: str, **fields: object) -> Row:
    """An order that each of these KOLs earned 9.00 of."""
    credits_ = {model: dict.fromkeys(kols or ["organic"], 900) for model in MODELS}
    return order(name, kols, credits_, paid_cents=900 * max(1, len(kols)), **fields)


# ---------------------------------------------------------------- credits

DAYS: Final = (
    "kol-attribution / Credit by KOL and day: ${model:text} beside ${beside:text}, refunds "
    "${refunds:text} [$currency]"
)


def test_organic_stands_first_however_little_it_is(
    write: Callable[[Rows], None], reader: Client
) -> None:
    many = [f"k{i:03}" for i in range(501)]
    write(orders(earned("o1", *many), earned("o2", credit_last=[1])))
    where = "kol-attribution / Models side by side [$currency]"

    found = said(reader, where, *AROUND, shop="EUR")

    assert len(found) == 500
    assert (found[0]["kol_id"], found[0]["last"]) == ("organic", 0.01)


def test_a_period_has_its_last_business_day_to_the_end(
    write: Callable[[Rows], None], reader: Client
) -> None:
    """As days that are added up already have it."""
    midnight = BEGIN + 16 * HOUR  # in Shanghai
    times = {"before": midnight - DAY - 1, "first": midnight - DAY, "last": midnight - 1}
    times |= {"after": midnight}
    write(orders(*(earned(one, one, ordered_at=at) for one, at in times.items())))

    found = said(reader, DAYS, BEGIN, BEGIN + HOUR, shop="EUR", currency="CNY")

    assert {row["kol"] for row in found} == {"first", "last"}


def test_minutes_and_days_without_orders_are_zero(
    write: Callable[[Rows], None], reader: Client
) -> None:
    times = {"o1": BEGIN, "o2": BEGIN + 3 * MINUTE, "o3": BEGIN + 2 * DAY}
    write(orders(*(earned(name, "k1", ordered_at=at) for name, at in times.items())))
    per_minute, per_day = (
        "kol-overview / Orders per minute",
        "kol-kol / Credit per day by model [$currency]",
    )

    minutes = said(reader, per_minute, BEGIN - MINUTE, BEGIN + 5 * MINUTE)
    days = said(reader, per_day, BEGIN, BEGIN + 2 * DAY + HOUR, kol="k1", shop="EUR")

    assert [row["orders"] for row in minutes] == [0, 1, 0, 0, 1, 0]
    assert [(row["linear"], row["shapley"]) for row in days] == [(18, 18), (0, 0), (9, 9)]
    assert said(reader, per_minute, BEGIN - DAY, BEGIN - HOUR) == []
    assert said(reader, per_day, BEGIN, BEGIN + DAY, kol="k2", shop="EUR") == []


def test_a_day_stands_in_the_middle_of_what_the_period_has_of_it(
    write: Callable[[Rows], None], reader: Client
) -> None:
    """So that a chart has the days that a table has: its midnight may be left of the axis."""
    times = {f"o{day}": BEGIN + day * DAY for day in range(3)}  # at 8 in the morning
    write(orders(*(earned(name, "k1", ordered_at=at) for name, at in times.items())))
    charts = (
        CREDIT_PER_DAY,
        "kol-attribution / Organic share of what was paid",
        "kol-attribution / Share of channels per day",
    )

    for chart in charts:
        found = said(reader, chart, BEGIN, BEGIN + 2 * DAY + HOUR, shop="EUR")

        assert list(by_hour(found)) == [8, 28, 44]  # 16:00, 12:00, 04:30


@pytest.mark.parametrize(
    ("place", "beside"),
    [
        ({}, "first"),
        ({"brand": "b1"}, "first"),
        ({"channel": "live"}, "linear"),
        ({"platform": "p1"}, "last"),
    ],
)
def test_what_is_added_up_by_place_is_what_the_orders_say(
    write: Callable[[Rows], None],
    reader: Client,
    owner: Client,
    place: dict[str, str],
    beside: str,
) -> None:
    """A shop of another currency has nothing added up: its orders are read."""
    given = []
    for number, (brand, channel) in enumerate(itertools.product(("b1", "b2"), ("live", "shelf"))):
        labels = {"brand_id": brand, "channel": channel, "platform": f"p{number % 3}"}
        only = {"credit_first": [900, 0], "credit_last": [0, 900]}
        given.append(earned(f"both-{number}", "k1", "k2", **labels, **only))
        given.append(earned(f"two-{number}", "k2", **labels))
        given.append(earned(f"none-{number}", **labels))
        given.append(earned(f"late-{number}", "k1", ordered_at=BEGIN + DAY, **labels))
    write(orders(*given))
    RollUps(owner, "answers", ZONE).turn(
        Version(1, next(NUMBER)), now_ms=time.time_ns() // 1_000_000, at_once=True
    )
    asked = {
        title: {"currency": "CNY", "model": "linear", "beside": beside, "refunds": "gross", **place}
        for title in (
            DAYS,
            "kol-attribution / Models side by side [$currency]",
            CREDIT_PER_DAY,
            "kol-kol / Credit per day by model [$currency]",
        )
    }
    one = {"kol-kol": {"kol": "k1"}}

    for where, chosen in asked.items():
        more = {**chosen, **one.get(where.partition(" / ")[0], {})}
        summed, read_ = (
            said(reader, where, BEGIN, BEGIN + 2 * DAY, shop=shop, **more)
            for shop in ("CNY", "EUR")
        )
        assert sorted(map(repr, summed)) == sorted(map(repr, read_))
        assert summed


def test_who_buys_in_two_channels_is_one_buyer_of_the_shop(
    write: Callable[[Rows], None], reader: Client
) -> None:
    bought = [("o1", "live", "a"), ("o2", "live", "b"), ("o3", "shelf", "a"), ("o4", "shelf", "a")]
    write(orders(*(earned(name, channel=at, user_hash=who * 32) for name, at, who in bought)))
    where = "kol-attribution / Channels beside Table 2 of the paper [$currency]"

    found = {row["channel"]: row for row in said(reader, where, *AROUND)}

    assert {at: row["buyers"] for at, row in found.items() if row["orders"]} == {
        "live": 1.0,
        "shelf": 0.5,
    }
    assert len(found) == 4  # those of the paper


def test_the_newest_orders_are_a_hundred_also_where_many_have_one_time(
    write: Callable[[Rows], None], reader: Client
) -> None:
    times = {f"o{i:03}": BEGIN - i // 2 for i in range(103)}
    write(orders(*(earned(name, "k1", ordered_at=at) for name, at in times.items())))
    where = "kol-kol / Newest orders by ${model:text} [$currency]"

    found = said(reader, where, *AROUND, kol="k1")

    assert {row["order_id"] for row in found} == {f"o{i:03}" for i in range(100)}


# ---------------------------------------------------------------- data quality


def test_who_says_nobody_is_nobodys_twin(
    write: Callable[[Rows], None], reader: Client, owner: Client
) -> None:
    names = {"k1": "Unknown", "k2": "unknown", "k3": "Mum", "k4": "ｍｕｍ"}
    write(orders(*(earned(one, one) for one in names)))
    told = [("kol-profile", {"kol_id": k, "display_name": name}) for k, name in names.items()]
    Dimensions(owner, NAMES).tell(told, BEGIN)

    found = said(reader, "kol-quality / KOLs that look alike [$currency]", *AROUND)

    assert {(row["kol_id"], row["alike"]) for row in found} == {("k3", "mum"), ("k4", "mum")}
