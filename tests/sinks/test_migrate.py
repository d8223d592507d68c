"""The files of the schema, and what is wrong with a database that does not fit."""

import logging
import re
from typing import Any

import pytest

from schemas.replay_views import replay_comment
from schemas.rows import TABLES, VIEWS
from sinks.migrate import (
    MigrationFile,
    SchemaError,
    beside_replays,
    check,
    migrate,
    migration_files,
    mismatch,
    variables,
)

FILES = {step.name: step.text for step in migration_files()}
CREATED = re.compile(r"^CREATE TABLE IF NOT EXISTS \$\{database\}\.(\w+)", re.MULTILINE)
DROPPED = re.compile(r"^DROP (?:TABLE|VIEW) IF EXISTS \$\{database\}\.(\w+)", re.MULTILINE)
VIEWED = re.compile(r"^CREATE VIEW IF NOT EXISTS \$\{database\}\.(v_\w+)", re.MULTILINE)


def test_numbers_are_unique_and_without_gaps() -> None:
    assert [step.number for step in migration_files()] == list(range(1, len(FILES) + 1))


def test_every_table_and_view_is_made_once_and_anew_only_after_it_was_dropped() -> None:
    there: set[str] = set()
    for text in FILES.values():
        for line in text.splitlines():
            if dropped := DROPPED.match(line):
                there.discard(dropped[1])
            elif made := CREATED.match(line) or VIEWED.match(line):
                assert made[1] not in there
                there.add(made[1])

    assert {name for name in there if not name.endswith("_source")} == {*TABLES, *VIEWS}


@pytest.mark.parametrize(
    "setting",
    [
        "non_replicated_deduplication_window = 10000",
        "replicated_deduplication_window = 10000",
        "replicated_deduplication_window_seconds = 604800",
    ],
)
def test_every_table_says_how_long_tokens_are_remembered(setting: str) -> None:
    tables = [text for text in FILES.values() if CREATED.search(text)]

    assert all(f"{setting},\n" in text or f"{setting}\n" in text for text in tables)


def test_no_age_counts_from_event_time() -> None:
    ages = re.findall(r"^TTL (.*) \+ INTERVAL", "\n".join(FILES.values()), re.MULTILINE)

    assert set(ages) == {"stated_at", "toDateTime(received_at)"}


def test_every_object_is_in_the_database_and_on_the_cluster() -> None:
    text = "\n".join(FILES.values())
    changes = re.findall(r"^(?:CREATE|DROP|ALTER) .*", text, re.MULTILINE)

    assert all("${database}." in line and "${on_cluster}" in line for line in changes)


def test_every_view_can_lend_the_rights_of_its_maker() -> None:
    views = re.findall(r"^CREATE (?:OR REPLACE )?VIEW .*", "\n".join(FILES.values()), re.MULTILINE)

    assert all(line.endswith("${definer}") for line in views)


def test_views_read_final_rows() -> None:
    reads = re.findall(r"FROM \$\{database\}\.(\w+)(.*)", "\n".join(FILES.values()))
    tables = [(name, rest) for name, rest in reads if name in TABLES and name != "credit_1h"]

    assert all("FINAL" in rest for _, rest in tables)


REWRITTEN = "CREATE OR REPLACE VIEW ${database}.v_order AS SELECT 1 FROM ${database}.v_door;"
COMMENTED = "ALTER TABLE ${database}.v_order COMMENT COLUMN x 'y';"
READ = replay_comment("kol_2")


@pytest.mark.parametrize(
    ("views", "rewritten", "commented"),
    [
        ({"v_order": "One row."}, "v_order", "v_order"),
        ({"v_order": READ, "v_order__kept": "One row."}, "v_order__kept", "v_order__kept"),
        ({"v_order": READ}, "v_order__kept", "v_order"),  # its own tables were dropped
        ({"v_order": "One row.", "v_order__kept": READ}, "v_order", "v_order"),  # a swap cut off
        ({"v_door": READ, "v_door__kept": "How many."}, "v_order", "v_order"),
    ],
)
def test_a_file_changes_the_view_that_reads_the_databases_own_tables(
    views: dict[str, str], rewritten: str, commented: str
) -> None:
    assert beside_replays(REWRITTEN, views) == REWRITTEN.replace("v_order", rewritten)
    assert beside_replays(COMMENTED, views) == COMMENTED.replace("v_order", commented)


def test_on_a_cluster_tables_replicate_and_views_lend_rights() -> None:
    values = variables("kol", cluster="main", definer="migrator")

    assert values["on_cluster"] == "ON CLUSTER `main`"
    assert values["engine"].startswith("ReplicatedReplacingMergeTree(")
    assert values["definer"] == "DEFINER = migrator SQL SECURITY DEFINER"


def test_on_one_server_nothing_of_that_is_there() -> None:
    assert variables("kol") == {
        "database": "kol",
        "engine": "ReplacingMergeTree(version)",
        "on_cluster": "",
        "definer": "",
        "currency": "CNY",
        "zone": "UTC",
    }


OURS = [MigrationFile(1, "0001_a.sql", "a"), MigrationFile(2, "0002_b.sql", "b")]
BOOK = {step.number: step.checksum for step in OURS}


@pytest.mark.parametrize(
    ("book", "fault"),
    [
        ({}, "lacks 0001_a.sql, 0002_b.sql: run `kol migrate`"),
        ({1: BOOK[1]}, "lacks 0002_b.sql: run `kol migrate`"),
        (BOOK | {3: "x"}, "has migration 3, which this version does not know"),
        (BOOK | {2: "x"}, "made with another 0002_b.sql"),
    ],
)
def test_what_does_not_fit_is_named_with_what_to_do(book: dict[int, str], fault: str) -> None:
    assert fault in (mismatch(OURS, book) or "")


def test_there_is_no_fault_when_all_fits() -> None:
    assert mismatch(OURS, BOOK) is None


class Result:
    """Rows as the client gives them."""

    def __init__(self, names: list[str], rows: list[tuple[Any, ...]]) -> None:
        self.column_names = names
        self.result_rows = rows


class Database:
    """A client of a database that only keeps the book."""

    def __init__(self, book: dict[int, str] | None = None) -> None:
        self.book = book
        self.commands: list[str] = []

    def command(self, cmd: str) -> None:
        self.commands.append(cmd)
        if cmd.startswith("CREATE TABLE") and "schema_versions" in cmd:
            self.book = self.book or {}

    def query(self, query: str) -> Result:
        if "engine = 'View'" in query:
            return Result(["name", "comment"], [])
        if "system.tables" in query:
            return Result(["n"], [(int(self.book is not None),)])
        found = list((self.book or {}).items())
        if "argMax" in query:
            return Result(["version", "md5"], found)
        return Result(["version", "script", "md5"], [(n, "", md5) for n, md5 in found])

    def insert(self, _table: str, data: list[list[Any]], column_names: list[str]) -> None:
        values = dict(zip(column_names, data[0], strict=True))
        assert self.book is not None
        self.book[int(values["version"])] = str(values["md5"])


def test_all_files_are_applied_once_and_in_order() -> None:
    database = Database()
    first, second = migrate(database, "kol"), migrate(database, "kol")

    assert (first, second) == (sorted(FILES), [])
    assert database.commands[0] == "CREATE DATABASE IF NOT EXISTS kol ENGINE = Atomic"
    assert check(database, "kol") is None


def test_on_a_cluster_everything_is_made_on_the_cluster() -> None:
    database = Database()
    migrate(database, "kol", cluster="main")
    made = [
        command for command in database.commands if command.startswith(("CREATE", "DROP", "ALTER"))
    ]

    assert all("ON CLUSTER" in command for command in made)


def test_a_newer_database_is_left_alone() -> None:
    database = Database({9000: "x"})
    with pytest.raises(SchemaError, match="newer version"):
        migrate(database, "kol")

    assert not any("v_order" in command for command in database.commands)


def test_a_database_without_a_book_lacks_everything() -> None:
    assert "0001_order_credit.sql" in (check(Database(), "kol") or "")


def test_logging_is_left_as_it_was() -> None:
    before = list(logging.getLogger().handlers)
    migrate(Database(), "kol")

    assert logging.getLogger().handlers == before
