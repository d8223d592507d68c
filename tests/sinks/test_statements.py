"""The DDL of the tables that `schemas.rows` describes, beside what the migrations make."""

import subprocess
import sys
from dataclasses import replace

import pytest

from schemas.dimensions import DIMENSIONS, OF_TOPIC, Dimension
from schemas.rows import TABLES, Column, Table
from sinks.migrate import MigrationFile, migration_files
from sinks.statements import (
    add_columns,
    columns_after,
    comments_after,
    create_table,
    definitions,
    dimension_view,
    minute_views,
    missing_comments,
    missing_ddl,
    missing_views,
    next_migration,
    view_comments,
    views_after,
)

CELL = TABLES["minute_cell"]
WIDER = replace(CELL, described={**CELL.described, "polls": Column("Int64", "a user's polls")})


def plain(statement: str) -> str:
    """Without what differs in spelling only."""
    text = statement.replace("`", "").replace("CREATE OR REPLACE", "CREATE")
    return text.replace("IF NOT EXISTS ", "").replace(" ${definer}", "")


def test_no_migration_is_to_be_written() -> None:
    assert next_migration() == "", "run `make migration`"


def test_the_migrations_lack_nothing() -> None:
    assert missing_ddl(TABLES.values(), columns_after(migration_files())) == "", (
        "run `make migration`"
    )


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_made_as_it_is_described(table: Table) -> None:
    assert columns_after(migration_files())[table.name] == definitions(table)


def test_a_table_that_no_file_makes_is_created() -> None:
    assert missing_ddl([CELL], {}) == create_table(CELL)
    assert columns_after([MigrationFile(1, "0001_cell.sql", create_table(CELL))]) == {
        "minute_cell": definitions(CELL)
    }


def test_a_column_that_no_file_makes_is_added_in_its_place() -> None:
    assert add_columns(WIDER, columns_after(migration_files())["minute_cell"]) == (
        "ALTER TABLE ${database}.minute_cell ${on_cluster}\n"
        "    ADD COLUMN IF NOT EXISTS `polls` Int64 COMMENT 'a user\\'s polls'"
        " CODEC(T64, ZSTD(1)) AFTER `version`;"
    )


def test_what_was_added_is_not_added_again() -> None:
    files = migration_files()
    added = missing_ddl([WIDER], columns_after(files))

    assert (
        missing_ddl([WIDER], columns_after([*files, MigrationFile(99, "0099_polls.sql", added)]))
        == ""
    )


def test_a_wider_cell_rewrites_the_views_that_list_its_counters() -> None:
    added = missing_ddl([WIDER], columns_after(migration_files()))

    assert added.endswith("\n\n".join(minute_views()))


def test_a_view_over_every_counter_lists_those_of_the_schemas() -> None:
    text = plain("\n".join(step.text for step in migration_files()))
    created = [view for view in minute_views() if view.startswith("CREATE")]

    assert all(plain(view) in text for view in created)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.table)
def test_a_view_of_a_dimension_shows_every_column_that_says_something(
    dimension: Dimension,
) -> None:
    text = plain("\n".join(step.text for step in migration_files()))

    assert not dimension.view or plain(dimension_view(dimension)) in text


def test_a_view_of_a_dimension_that_shows_something_else_is_written_anew() -> None:
    there = views_after(migration_files())
    policies = dimension_view(OF_TOPIC["policy"])
    made = views_after([MigrationFile(9999, "9999_policy.sql", policies + "\n")])

    assert missing_views(there) == []
    assert missing_views(there | {"v_policy": "AS SELECT 1"}) == [policies]
    assert missing_views(there | made) == []


def test_a_view_of_a_dimension_that_no_file_makes_is_written() -> None:
    there = views_after(migration_files())
    del there["v_policy"]

    assert missing_views(there) == [dimension_view(OF_TOPIC["policy"])]


def test_a_view_that_a_file_drops_is_written_again() -> None:
    text = "DROP VIEW IF EXISTS ${database}.v_policy ${on_cluster} SYNC;\n"
    later = [*migration_files(), MigrationFile(9999, "9999_drop.sql", text)]

    assert missing_views(views_after(later)) == [dimension_view(OF_TOPIC["policy"])]
    assert missing_comments(comments_after(later)) == [view_comments("v_policy")]


def test_a_column_that_means_something_else_is_commented_anew() -> None:
    events = replace(CELL.described["events"], meaning="a user's events")
    other = replace(CELL, described={**CELL.described, "events": events})
    files = migration_files()
    statement = missing_ddl([other], columns_after(files))

    assert statement == (
        "ALTER TABLE ${database}.minute_cell ${on_cluster}\n"
        "    COMMENT COLUMN IF EXISTS `events` 'a user\\'s events [count]';"
    )
    later = [*files, MigrationFile(9999, "9999_comment.sql", statement + "\n")]
    assert columns_after(later)["minute_cell"] == definitions(other)


def test_a_dropped_table_is_not_made() -> None:
    drop = MigrationFile(2, "0002_drop.sql", "DROP TABLE IF EXISTS ${database}.minute_cell SYNC;\n")

    assert columns_after([MigrationFile(1, "0001_cell.sql", create_table(CELL)), drop]) == {}


def test_a_view_that_a_file_writes_anew_has_lost_its_comments() -> None:
    text = "CREATE OR REPLACE VIEW ${database}.v_door ${on_cluster} ${definer}\nAS SELECT 1;\n"
    later = [*migration_files(), MigrationFile(9999, "9999_door.sql", text)]

    assert missing_comments(comments_after(later)) == [view_comments("v_door")]


def test_a_wider_cell_comments_the_views_that_it_rewrites() -> None:
    later = [*migration_files(), MigrationFile(9999, "9999_wider.sql", "\n".join(minute_views()))]

    assert missing_comments(comments_after(later)) == []


def test_where_nothing_is_missing_the_next_migration_prints_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sinks.statements"], capture_output=True, check=True
    )

    assert done.stdout == b""
