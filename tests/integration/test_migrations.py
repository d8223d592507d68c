"""The migrations make the tables and views that the code and the docs name."""

import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_migrations.migrator import Migrator
from clickhouse_migrations.substitution import substitute

from schemas.cells import NAMES
from schemas.queries import QUERIES, Query
from schemas.replay_views import replay_comment
from schemas.rows import MODELS, TABLES, VIEWS
from schemas.views import COLUMNS
from sinks.clickhouse import ClickHouse
from sinks.connection import ConnectionSettings, connect
from sinks.migrate import (
    VERSIONS,
    MigrationFile,
    SchemaError,
    check,
    migrate,
    migration_files,
    variables,
)
from sinks.statements import create_table, minute_views, missing_ddl
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import connection_settings, empty, fresh
from tests.sinks.samples import MAY, MONTH, cells, order, orders, rows

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture(scope="module")
def migrated(server: Server) -> Iterator[Client]:
    client = fresh(server, "migrated")
    yield client
    client.close()


@pytest.fixture
def client(migrated: Client) -> Client:
    empty(migrated)
    return migrated


@pytest.fixture
def there(server: Server) -> ConnectionSettings:
    return connection_settings(server, "migrated")


@pytest.fixture
async def sink(there: ConnectionSettings) -> ClickHouse:
    return ClickHouse.at(there)


def rows_from(client: Client, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def system(client: Client, what: str, where: str) -> Sequence[dict[str, Any]]:
    query = f"SELECT * FROM system.{what} WHERE database = 'migrated' AND {where}"  # noqa: S608
    return list(client.query(query).named_results())


def test_applying_all_again_does_nothing(migrated: Client) -> None:
    assert migrate(migrated, "migrated") == []
    assert check(migrated, "migrated") is None


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_is_as_the_schemas_say(migrated: Client, table: Any) -> None:  # noqa: ANN401
    found = system(migrated, "columns", f"table = '{table.name}'")
    (about,) = system(migrated, "tables", f"name = '{table.name}'")

    assert {c["name"]: (c["type"], c["comment"]) for c in found} == {
        name: (column.type, table.comment(name)) for name, column in table.all_columns.items()
    }
    assert [c["name"] for c in found] == list(table.all_columns)
    assert about["comment"] == table.description
    assert about["engine"] == "ReplacingMergeTree"
    assert about["engine_full"].startswith("ReplacingMergeTree(version)")
    assert about["sorting_key"].strip("()") == ", ".join(
        [*([table.sorted_first] if table.sorted_first else []), *table.key]
    )
    assert about["partition_key"] == table.partition
    assert ("TTL " in about["engine_full"]) == bool(table.keep)
    assert not table.keep or f"{table.aged_by}" in about["engine_full"].partition("TTL ")[2]


def test_there_are_no_tables_and_views_but_those(migrated: Client) -> None:
    found = system(migrated, "tables", "engine NOT LIKE '%View' AND name NOT LIKE '.%'")
    views = system(migrated, "tables", "name LIKE 'v\\_%'")

    assert {table["name"] for table in found} == {*TABLES, VERSIONS}
    assert {view["name"]: view["comment"] for view in views} == dict(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_every_column_of_a_view_says_unit_and_meaning(migrated: Client, view: str) -> None:
    found = [(c["name"], c["comment"]) for c in system(migrated, "columns", f"table = '{view}'")]

    assert found == [(name, column.comment) for name, column in COLUMNS[view].items()]


def test_a_migration_leaves_people_with_the_replay_they_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = fresh(server, "swapped"), fresh(server, "second")
    comment = f" COMMENT '{replay_comment('second')}'"
    client.command("CREATE VIEW v_door__kept AS SELECT * FROM second.v_door" + comment)  # noqa: S608  # names of ours
    client.command("EXCHANGE TABLES v_door AND v_door__kept")
    text = "CREATE OR REPLACE VIEW ${database}.v_door AS SELECT 7 AS later;"
    later = MigrationFile(len(migration_files()) + 1, "later.sql", text)
    files = [*migration_files(), later]
    monkeypatch.setattr("sinks.migrate.migration_files", lambda: files)

    assert migrate(client, "swapped") == ["later.sql"]

    assert check(client, "swapped") is None
    statements = made(client, "swapped")
    assert "second.v_door" in statements["v_door"]
    assert "7 AS later" in statements["v_door__kept"]


def test_a_migration_of_a_replay_shows_its_new_columns_to_those_who_read_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that selects all has the columns that were there when it was made."""
    client, _ = fresh(server, "reader"), fresh(server, "replayed")
    client.command("CREATE VIEW v_door__kept AS SELECT 1 AS own")
    client.command(
        "CREATE OR REPLACE VIEW v_door AS SELECT * FROM replayed.v_door"  # noqa: S608  # names of ours
        f" COMMENT '{replay_comment('replayed')}'"
    )
    text = "CREATE OR REPLACE VIEW ${database}.v_door AS SELECT 7 AS later;"
    files = [*migration_files(), MigrationFile(len(migration_files()) + 1, "later.sql", text)]
    monkeypatch.setattr("sinks.migrate.migration_files", lambda: files)

    migrate(client, "replayed")

    assert client.query("SELECT later FROM reader.v_door").result_rows == [(7,)]
    assert client.query("SELECT own FROM reader.v_door__kept").result_rows == [(1,)]
    assert "replayed.v_door" in made(client, "reader")["v_door"]


RELIED_ON = {
    "v_order_credit": """model kol_id ordered_at order_id via brand_id platform channel
        credit_cents refunded_cents""",
    "v_order": """ordered_at order_id brand_id platform channel paid_cents refunded_cents
        touches""",
    "v_minute": " ".join(["kol_id minute", *NAMES]),
    "v_score": """kol_id minute trust trust_lo trust_hi resonance resonance_lo resonance_hi
        n_eff final""",
    "v_door": "topic partition door kind n",
    "v_dead_letter": "topic partition offset target at reason error encoding payload state",
}


@pytest.mark.parametrize(("view", "columns"), RELIED_ON.items())
def test_a_view_has_the_columns_people_rely_on(migrated: Client, view: str, columns: str) -> None:
    found = {column["name"] for column in system(migrated, "columns", f"table = '{view}'")}

    assert found >= set(columns.split())


@pytest.mark.parametrize(("view", "query"), QUERIES.items())
def test_the_query_of_a_view_runs_as_it_stands(migrated: Client, view: str, query: Query) -> None:
    assert migrated.query(query.sql).column_names, view


@pytest.mark.usefixtures("migrated")
def test_every_view_is_open_to_one_who_may_only_read(server: Server) -> None:
    reader = server.client("reader", database="migrated")

    assert all(reader.query(f"SELECT * FROM {view} LIMIT 1").column_names for view in VIEWS)  # noqa: S608  # our own names


@pytest.mark.parametrize("step", migration_files(), ids=lambda step: step.name)
def test_on_a_cluster_the_statements_still_parse(migrated: Client, step: MigrationFile) -> None:
    values = variables("kol", cluster="main", definer="migrator")
    text = substitute(step.text, values, step.name)

    for statement in Migrator.script_to_statements(text, multi_statement=True):
        assert migrated.query(f"EXPLAIN AST {statement}").result_rows


async def test_a_score_says_truly_whether_it_is_final(client: Client, sink: ClickHouse) -> None:
    await sink.write(rows("kol_score", [{"kol_id": "k1", "minute": MAY, "final": 1, "version": 2}]))
    await sink.write(rows("kol_score", [{"kol_id": "k1", "minute": MAY, "final": 0, "version": 1}]))

    assert rows_from(client, "SELECT final, toTypeName(final) FROM v_score") == [(True, "Bool")]


async def test_each_model_says_what_it_owes_to_whom(client: Client, sink: ClickHouse) -> None:
    touched = order(
        "o1",
        ["k2", "k1", "k2"],
        {
            "first": {"k2": 100},
            "last": {"k2": 100},
            "linear": {"k1": 33, "k2": 67},
            "position": {"k1": 20, "k2": 80},
            "time_decay": {"k1": 33, "k2": 67},
            "shapley": {"k1": 50, "k2": 50},
        },
        kol_via=["share", "direct"],
        paid_cents=100,
    )
    await sink.write(orders(touched))

    found = rows_from(
        client,
        "SELECT model, kol_id, via, credit_cents FROM v_order_credit ORDER BY model, kol_id",
    )

    assert found == [
        ("first", "k2", "direct", 100),
        ("last", "k2", "direct", 100),
        ("linear", "k1", "share", 33),
        ("linear", "k2", "direct", 67),
        ("position", "k1", "share", 20),
        ("position", "k2", "direct", 80),
        ("shapley", "k1", "share", 50),
        ("shapley", "k2", "direct", 50),
        ("time_decay", "k1", "share", 33),
        ("time_decay", "k2", "direct", 67),
    ]


async def test_a_share_below_a_cent_is_shown_but_no_share_is_not(
    client: Client, sink: ClickHouse
) -> None:
    await sink.write(orders(order("o1", ["k1", "k2", "k3"], paid_cents=0)))

    found = rows_from(
        client, "SELECT model, groupArray(kol_id) FROM v_order_credit GROUP BY model ORDER BY model"
    )

    assert {model: sorted(kols) for model, kols in found} == {
        model: ["k1"] if model == "first" else ["k3"] if model == "last" else ["k1", "k2", "k3"]
        for model in MODELS
    }


async def test_a_row_for_all_models_says_what_a_row_for_each_says(
    client: Client, sink: ClickHouse
) -> None:
    """`first` goes by first events, and `k1` was there before the touches that end earlier."""
    begins = [MAY * 1000 - 5_000, MAY * 1000 - 9_000, MAY * 1000 - 4_000]
    owed = {model: {"k1": 40, "k2": 60} for model in MODELS}
    owed |= {"first": {"k1": 100}, "last": {"k2": 100}}
    await sink.write(
        orders(
            order("o1", ["k2", "k1", "k2"], owed, touch_begin=begins, paid_cents=100),
            order("o2", ["k1", "k2"], paid_cents=0),
            order("o3", credits_={model: {"organic": 70} for model in MODELS}, paid_cents=70),
        )
    )
    each = ", ".join(f"('{m}', orders_{m}, credit_{m}, refunded_{m})" for m in MODELS)
    columns = "order_id, kol_id, user_hash, ordered_at, brand_id, platform, channel, currency, via"

    wide = rows_from(
        client,
        f"SELECT {columns}, of.1, of.3, of.4 FROM v_order_kol ARRAY JOIN [{each}] AS of WHERE of.2 = 1 ORDER BY ALL",  # noqa: S608, E501  # our own names
    )
    long = rows_from(
        client,
        f"SELECT {columns}, model, credit_cents, refunded_cents FROM v_order_credit ORDER BY ALL",  # noqa: S608  # our own names
    )

    assert wide == long
    assert rows_from(
        client,
        "SELECT order_id, kol_id, orders_first, orders_last, credit_first, credit_last,"
        " credit_linear FROM v_order_kol ORDER BY order_id, kol_id",
    ) == [
        ("o1", "k1", 1, 0, 100, 0, 40),
        ("o1", "k2", 0, 1, 0, 100, 60),
        ("o2", "k1", 1, 0, 0, 0, 0),
        ("o2", "k2", 0, 1, 0, 0, 0),
        ("o3", "organic", 1, 1, 70, 70, 70),
    ]


async def test_an_order_nobody_touched_is_organic_in_every_model(
    client: Client, sink: ClickHouse
) -> None:
    owed = {model: {"organic": 100} for model in MODELS}
    await sink.write(orders(order("o1", credits_=owed, paid_cents=100)))

    found = rows_from(client, "SELECT model, kol_id, via, credit_cents FROM v_order_credit")

    assert sorted(found) == sorted((model, "organic", "none", 100) for model in MODELS)
    assert rows_from(client, "SELECT touches, paid_cents FROM v_order") == [(0, 100)]


async def test_a_key_an_order_has_moved_away_from_is_gone_from_the_views(
    client: Client, sink: ClickHouse
) -> None:
    kinds = TABLES["order_credit"].columns
    arrays: Any = {name: [] for name, kind in kinds.items() if "Array" in kind}
    left = order("o1", version=2, **arrays)
    moved = order("o1", ["k1"], ordered_at=MAY * 1000 - 5, version=2)
    await sink.write(orders(order("o1", ["k1"])))
    await sink.write(orders(left, moved))

    assert rows_from(client, "SELECT count() FROM v_order") == [(1,)]
    assert rows_from(client, "SELECT count() FROM v_order_credit") == [(6,)]


async def test_two_users_may_have_an_order_of_one_number(client: Client, sink: ClickHouse) -> None:
    await sink.write(orders(order("o1", user_hash="h1"), order("o1", user_hash="h2")))

    assert rows_from(client, "SELECT count() FROM v_order") == [(2,)]


async def test_minutes_add_up_over_source_partitions(client: Client, sink: ClickHouse) -> None:
    first, second = cells(0, users=3, views=5), cells(0, users=4, views=6)
    second.columns["source_partition"][0] = 1  # type: ignore[index]  # an array
    await sink.write(first)
    await sink.write(second)
    await sink.write(first)

    assert rows_from(client, "SELECT users, views FROM v_minute") == [(7, 11)]


async def test_rows_of_long_ago_stay(client: Client, sink: ClickHouse) -> None:
    long_ago = [order(f"o{i}", ordered_at=(MAY - 23 * 12 * MONTH) * 1000) for i in range(3)]
    await sink.write(orders(*long_ago))
    client.command("OPTIMIZE TABLE order_credit FINAL")

    assert rows_from(client, "SELECT count() FROM v_order") == [(3,)]


TURNS = count(1)


def roll_up(client: Client) -> None:
    """A turn of the trainer."""
    now = time.time_ns() // 1_000_000
    RollUps(client, "migrated", "UTC").turn(Version(1, next(TURNS)), now_ms=now)


async def test_hours_add_minutes_up(client: Client, sink: ClickHouse) -> None:
    (hour,) = rows_from(client, "SELECT toUnixTimestamp(toStartOfHour(now()))")[0]
    start = (hour - MAY) // 60
    await sink.write(cells(start, start + 1, users=2, users_hour=1, views=5))
    roll_up(client)
    await sink.write(cells(start, users=2, users_hour=1, views=7, version=2))
    roll_up(client)

    assert rows_from(client, "SELECT users_hour, views FROM v_cell_1h") == [(2, 12)]


async def test_hours_of_credit_follow_an_order_that_changes_hands(
    client: Client, sink: ClickHouse
) -> None:
    (at,) = rows_from(client, "SELECT toUnixTimestamp(now()) * 1000")[0]
    to = {kol: {"linear": {kol: 100}} for kol in ("k1", "k2")}
    await sink.write(orders(order("o1", ["k1"], to["k1"], ordered_at=at, paid_cents=100)))
    roll_up(client)
    before = rows_from(
        client, "SELECT kol_id, credit_cents FROM v_credit_1h WHERE model = 'linear'"
    )
    await sink.write(orders(order("o1", ["k2"], to["k2"], ordered_at=at, version=2)))
    roll_up(client)
    after = rows_from(client, "SELECT kol_id, credit_cents FROM v_credit_1h WHERE model = 'linear'")

    assert (before, after) == ([("k1", 100)], [("k2", 100)])


async def test_hours_of_credit_are_in_the_shops_currency(client: Client, sink: ClickHouse) -> None:
    (at,) = rows_from(client, "SELECT toUnixTimestamp(now()) * 1000")[0]
    to = {"linear": {"k1": 100}}
    await sink.write(
        orders(
            *(
                order(f"o{n}", ["k1"], to, ordered_at=at, currency=currency)
                for n, currency in enumerate(["CNY", "cny ", "USD"])
            )
        )
    )
    roll_up(client)

    hours = "SELECT orders, credit_cents FROM v_credit_1h WHERE model = 'linear'"
    by_currency = (
        "SELECT currency, sum(credit_cents) FROM v_order_credit WHERE model = 'linear'"
        " GROUP BY currency ORDER BY currency"
    )
    assert rows_from(client, hours) == [(2, 200)]
    assert rows_from(client, by_currency) == [("CNY", 200), ("USD", 100)]


async def test_hours_of_scores_keep_the_last_and_the_extremes(
    client: Client, sink: ClickHouse
) -> None:
    (hour,) = rows_from(client, "SELECT toUnixTimestamp(toStartOfHour(now()))")[0]
    scores = [
        {"kol_id": "k1", "minute": hour + 60 * i, "trust": trust, "resonance": resonance}
        for i, (trust, resonance) in enumerate([(0.5, 0.1), (0.9, 0.2), (0.7, None)])
    ]
    await sink.write(rows("kol_score", scores))
    roll_up(client)

    found = rows_from(client, "SELECT trust, trust_min, trust_max, resonance FROM v_score_1h")

    assert found == [(0.7, 0.5, 0.9, None)]


def apply(client: Client, database: str, text: str) -> None:
    """Run statements as a migration would."""
    filled = substitute(text, variables(database), "a draft")
    for statement in Migrator.script_to_statements(filled, multi_statement=True):
        client.command(statement)


@pytest.fixture(scope="module")
def generated(server: Server) -> Iterator[Client]:
    """A database made from `schemas.rows` alone, without the views people wrote by hand."""
    client = connect(connection_settings(server, ""), database="")
    client.command("CREATE DATABASE generated ENGINE = Atomic")
    tables = [create_table(table) for table in TABLES.values()]
    apply(client, "generated", "\n\n".join([*tables, *minute_views()]))
    yield client
    client.close()


@pytest.mark.parametrize("name", [*TABLES, "v_minute", "v_cell_1h", "v_cell_1d"])
def test_what_is_generated_is_what_the_migrations_made(
    migrated: Client, generated: Client, name: str
) -> None:
    ours, theirs = made(generated, "generated")[name], made(migrated, "migrated")[name]
    assert in_any_order(ours) == in_any_order(theirs)
    assert columns_of(generated, "generated", name) == columns_of(migrated, "migrated", name)


def test_a_column_that_is_added_stands_where_a_fresh_table_has_it(
    server: Server, generated: Client
) -> None:
    client = connect(connection_settings(server, ""), database="")
    client.command("CREATE DATABASE narrow ENGINE = Atomic")
    tables = [TABLES[name] for name in ("minute_cell", "cell_1h", "cell_1d")]
    for name in ("rollup_floor", "rollup_cursor"):
        apply(client, "narrow", create_table(TABLES[name]))
    for table in tables:
        apply(client, "narrow", create_table(table))
        client.command(f"ALTER TABLE narrow.{table.name} DROP COLUMN replies, DROP COLUMN events")
    there = {
        table.name: dict.fromkeys(table.all_columns.keys() - {"replies", "events"}, "")
        for table in tables
    }

    apply(client, "narrow", missing_ddl(tables, there))

    wide = made(generated, "generated")
    assert made(client, "narrow") == {name: wide[name] for name in made(client, "narrow")}
    assert {"v_minute", "v_cell_1h", "v_cell_1d"} <= made(client, "narrow").keys()


def in_any_order(statement: str) -> list[str]:
    """The lines of a statement, and its settings in any order."""
    return sorted(statement.replace(", ", " ").replace(" SETTINGS", "").split(" "))


def columns_of(client: Client, database: str, table: str) -> list[tuple[Any, ...]]:
    return rows_from(
        client,
        "SELECT name, type, compression_codec, comment, default_expression"  # noqa: S608  # names of ours
        f" FROM system.columns WHERE database = '{database}' AND table = '{table}'"
        " ORDER BY position",
    )


BEFORE_DROP = 16  # the last migration before those that drop tables
DROPPED = (
    *("journey", "transition_cell", "commerce_cell", "commerce_1h"),
    *("crisis", "asset_metric", "claim", "kol_dim"),
)


def test_what_nothing_wrote_is_dropped_and_what_remains_is_untouched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = migration_files()[:BEFORE_DROP]
    with monkeypatch.context() as patch:
        patch.setattr("sinks.migrate.migration_files", lambda: earlier)
        old = fresh(server, "old")
    for table in DROPPED:
        old.command(f"INSERT INTO {table} (version) VALUES (1)")  # noqa: S608  # names of ours
    for view, table in (("v_journey", "journey"), ("v_kol", "kol_dim")):
        old.command(f"CREATE VIEW {view}__kept AS SELECT * FROM {table}")  # noqa: S608  # names of ours
    old.command("INSERT INTO order_credit (order_id, kols, version) VALUES ('o1', ['k1'], 1)")
    old.command("INSERT INTO minute_cell (minute, users, version) VALUES (0, 2, 1), (60, 2, 2)")
    before = {table: rows_of(old, table) for table in ("order_credit", "minute_cell", VERSIONS)}
    columns = {table: list(old.query(f"SELECT * FROM {table}").column_names) for table in before}  # noqa: S608  # names of ours

    applied = migrate(old, "old")

    new = fresh(server, "new")
    assert applied == [step.name for step in migration_files()[BEFORE_DROP:]]
    assert check(old, "old") is None
    assert made(old, "old") == made(new, "new")
    assert [len(before[table]) for table in ("order_credit", "minute_cell")] == [1, 2]
    for table in ("order_credit", "minute_cell"):
        assert rows_of(old, table, columns[table]) == before[table]
    assert rows_of(old, VERSIONS)[:BEFORE_DROP] == before[VERSIONS]


BEFORE_TIMES = 21  # the last migration before orders know when each refund was


def test_orders_of_parts_from_before_refunds_had_times_have_one_each(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their lists are made up when they are read, and so is how long they are."""
    with monkeypatch.context() as patch:
        patch.setattr("sinks.migrate.migration_files", lambda: migration_files()[:BEFORE_TIMES])
        old = fresh(server, "timeless")
    old.command(
        "INSERT INTO order_credit (order_id, kols, touch_kol, paid_cents, refunded_cents, version)"
        " VALUES ('o1', ['k1'], ['k1', 'k1'], 9, 4, 1), ('o2', ['k1'], ['k1'], 9, 0, 1),"
        " ('o3', [], [], 0, 4, 1)"
    )

    migrate(old, "timeless")

    refunds = "SELECT order_id, kind, refunded_cents FROM v_refund"
    assert rows_from(old, refunds) == [("o1", "undated", 4)]
    orders_ = "SELECT order_id, touches FROM v_order ORDER BY order_id"
    assert rows_from(old, orders_) == [("o1", 2), ("o2", 1)]


BEFORE_DAYS = 22  # the last migration before days are rolled up


def test_hours_that_outlived_their_minutes_are_carried_over_into_days(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = migration_files()[:BEFORE_DAYS]
    with monkeypatch.context() as patch:
        patch.setattr("sinks.migrate.migration_files", lambda: earlier)
        old = fresh(server, "hours")
    hours = ["2025-06-01 03:00:00", "2025-06-01 04:00:00", "2025-06-01 05:00:00"]
    for n, hour in enumerate(hours, 1):  # New York's day begins at 04:00
        given = {"hour": hour, "n": n, "trust": n / 10}
        cell = (
            "INSERT INTO cell_1h (kol_id, hour, views, version)"
            " VALUES ('k', {hour:String}, {n:Int64}, 9)"
        )
        score = (
            "INSERT INTO score_1h (kol_id, hour, trust, trust_min, version)"
            " VALUES ('k', {hour:String}, {trust:Float64}, {trust:Float64}, 9)"
        )
        old.command(cell, given)
        old.command(score, given)

    migrate(old, "hours", zone="America/New_York")
    RollUps(old, "hours", "America/New_York").turn(
        Version(1, 1), now_ms=time.time_ns() // 1_000_000
    )

    views = "SELECT toString(day), views FROM v_cell_1d ORDER BY day"
    scores = "SELECT toString(day), trust, trust_min FROM v_score_1d ORDER BY day"
    assert rows_from(old, views) == [("2025-05-31", 1), ("2025-06-01", 5)]
    assert rows_from(old, scores) == [("2025-05-31", 0.1, 0.1), ("2025-06-01", 0.3, 0.2)]


def rows_of(client: Client, table: str, columns: Sequence[str] = ("*",)) -> list[tuple[Any, ...]]:
    return rows_from(client, f"SELECT {', '.join(columns)} FROM {table} ORDER BY version")  # noqa: S608  # a name of ours


def made(client: Client, database: str) -> dict[str, str]:
    """The statement behind every table and view of a database, by its name."""
    found = rows_from(
        client,
        "SELECT name, create_table_query FROM system.tables"  # noqa: S608  # a name of ours
        f" WHERE database = '{database}'",
    )
    return {name: statement.replace(f"{database}.", "") for name, statement in found}


def test_a_database_without_tables_is_refused_and_says_what_to_do(server: Server) -> None:
    client = connect(connection_settings(server, ""), database="")

    fault = check(client, "nowhere")

    assert fault is not None
    assert "run `kol migrate`" in fault


def test_a_database_of_a_newer_version_is_refused(server: Server) -> None:
    client = fresh(server, "newer")
    client.insert(VERSIONS, [[9000, "x", ""]], column_names=["version", "md5", "script"])

    fault = check(client, "newer")

    assert fault is not None
    assert "newer version" in fault
    with pytest.raises(SchemaError, match="newer version"):
        migrate(client, "newer")


def test_a_database_made_with_another_file_is_refused(server: Server) -> None:
    client = fresh(server, "changed")
    client.command(f"TRUNCATE TABLE {VERSIONS}")
    others = [[step.number, "other", ""] for step in migration_files()]
    client.insert(VERSIONS, others, column_names=["version", "md5", "script"])

    fault = check(client, "changed")

    assert fault is not None
    assert "never change" in fault
    with pytest.raises(SchemaError, match="never change"):
        migrate(client, "changed")


def test_a_database_that_stopped_half_way_is_finished(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sinks.migrate.migration_files", lambda: migration_files()[:BEFORE_DROP])
        client = fresh(server, "half")
    client.command("DROP VIEW v_score_1h")
    client.command(f"ALTER TABLE {VERSIONS} DELETE WHERE version >= 16 SETTINGS mutations_sync = 2")

    fault = check(client, "half")

    assert fault is not None
    assert "0016" in fault
    assert migrate(client, "half") == [step.name for step in migration_files()[15:]]
    assert check(client, "half") is None
