"""The questions of the leaderboard, asked of the real engine."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import pytest

from schemas.rows import MODELS
from sinks.clickhouse import ClickHouse
from streams.operations.doctor.twins import Kol, kols_with_traffic, near_twins
from streams.operations.leaderboard import Leaderboard, Score, Split, leaderboard
from streams.settings import Settings
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import connection_settings, fresh
from tests.sinks.samples import MAY, order, orders, rows

pytestmark = pytest.mark.integration

HOUR = 60  # minutes
NAMED = ("kol_id", "display_name")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


def score(kol: str, minute: int, trust: float, half_width: float = 0.125) -> Mapping[str, object]:
    ends = {"trust_lo": trust - half_width, "trust_hi": trust + half_width}
    return {"kol_id": kol, "minute": MAY + 60 * minute, "trust": trust, **ends, "n_eff": 1.0}


async def test_what_the_leaderboard_finds(server: Server) -> None:
    """Four KOLs of long ago who earned, of whom `b` falls; two new ones who did not earn."""
    client = fresh(server, "board")
    there = connection_settings(server, "board")
    names = {"a": "小米妈妈", "b": "林医生", "unseen": "无名"}
    client.insert("kol_dim", [(1, *one) for one in names.items()], ["reading", *NAMED])
    client.insert("dimension_cursor", [("kol-profile", 1)], ["topic", "shown"])
    client.close()
    old = [score(kol, 0, 0.5) for kol in "abcd"]
    falls = [score("b", HOUR - 4, 0.75), score("b", HOUR - 2, 0.125), score("b", HOUR, 0.25)]
    new = [score("y", HOUR - 1, 0.4), score("z", HOUR, 0.6)]
    owed = {"time_decay": {"a": 900, "b": 800, "c": 700, "d": 600}}
    split = {"time_decay": {"a": 30, "b": 70}}
    late = MAY * 1000 + 90_000
    alone = {model: {"organic": 100} for model in MODELS}
    sink = ClickHouse.at(there)
    await sink.write(rows("kol_score", [*old, *falls, *new]))
    await sink.write(
        orders(
            order("o1", list("abcd"), owed, paid_cents=3_000, ordered_at=MAY * 1000),
            order("o2", list("ab"), split, paid_cents=100, ordered_at=late),
            order("o3", credits_=alone, paid_cents=100, ordered_at=late + 1),
        )
    )
    shown = leaderboard(settings(server), 4)

    assert [(one["kol_id"], one["credit_cents"], one["is_new"]) for one in shown.leaders] == [
        *(("a", 930, False), ("b", 870, False), ("c", 700, False)),
        ("z", 0, True),  # the newest; one row of four is for new KOLs
    ]
    assert shown.fall is not None
    assert (shown.fall.kol_id, shown.fall.before, shown.fall.now) == (
        "b",
        Score(0.75, 0.625, 0.875, at(HOUR - 4)),
        Score(0.25, 0.125, 0.375, at(HOUR)),
    )
    assert shown.split == Split("o2", "CNY", 100, [("b", 70), ("a", 30)])
    assert shown.awaited == ""
    assert [one["display_name"] for one in shown.leaders] == ["小米妈妈", "林医生", "", ""]
    assert shown.names == {"a": "小米妈妈", "b": "林医生"}


async def test_near_twins_are_found_with_their_names_and_accounts(server: Server) -> None:
    """`a` earned in two currencies, `A` has traffic and its name, `b` is like nobody."""
    client = fresh(server, "twins")
    there = connection_settings(server, "twins")
    sink = ClickHouse.at(there)
    owed = {model: {"a": 60, "b": 40} for model in MODELS}
    await sink.write(
        orders(
            order("o1", list("ab"), owed, paid_cents=100),
            order("o2", list("ab"), owed, paid_cents=100, currency="JPY"),
        )
    )
    cells = [(kol, date(2024, 5, 1)) for kol in ("A", "a", "~brand:x", "~BRAND:x")]
    client.insert("cell_1d", cells, ["kol_id", "day"])
    floor = ("cell_1d", datetime(2024, 5, 1, tzinfo=UTC), 1)
    client.insert("rollup_floor", [floor], ["target", "bucket", "settled"])
    columns = ("reading", *NAMED, "user_hash")
    client.insert("kol_dim", [(1, "A", "小米", "ab" * 16), (0, "a", "另一个", "")], columns)
    client.insert("dimension_cursor", [("kol-profile", 1)], ["topic", "shown"])

    (group,) = near_twins(kols_with_traffic(client))

    assert group == [Kol("a", {"CNY": 60, "JPY": 60}), Kol("A", {}, "小米", "ab" * 16)]


async def test_without_scores_the_leaderboard_says_what_it_waits_for(server: Server) -> None:
    fresh(server, "board").close()

    shown = leaderboard(settings(server), 4)

    assert shown == Leaderboard([], None, None, {}, {}, "no score yet: no event has been read")


def at(minute: int) -> datetime:
    return datetime.fromtimestamp(MAY + 60 * minute, UTC)


def settings(server: Server) -> Settings:
    there = connection_settings(server, "board")
    return Settings.model_validate(
        {
            "clickhouse": {
                "host": there.host,
                "port": there.port,
                "database": there.database,
                "username": there.username,
                "password": there.password,
            }
        }
    )
