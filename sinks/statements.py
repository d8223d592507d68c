"""The next migration: what the files in `ddl/` lack of `schemas.rows.TABLES`, as DDL.

    make -s migration > sinks/ddl/0031_name.sql

A table that no file creates yet becomes `CREATE TABLE`, a column that no file adds yet `ALTER TABLE
… ADD COLUMN`; views that list every counter of a minute cell are written anew with it, and a view
of a dimension where it is to show something else. A table or view whose columns have other comments
than `schemas` says, or none because a file wrote it anew, gets them. Read what is printed, then
commit it: then its checksum holds.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.cells import NAMES
from schemas.dimensions import DIMENSIONS, Dimension
from schemas.rollups import ROLL_UPS, RollUp
from schemas.rows import MOMENT, NUMBER, SECOND, TABLES, VIEWS, Column, Table
from schemas.views import COLUMNS
from sinks.migrate import MigrationFile, migration_files
from sinks.views import comment_columns, literal

CODECS: Final = {  # how values of a type are compressed; of a type that is not here by the server
    SECOND: "DoubleDelta, ZSTD(1)",
    MOMENT: "DoubleDelta, ZSTD(1)",
    "Int64": "T64, ZSTD(1)",
    "UInt64": "T64, ZSTD(1)",
    "Float64": "Gorilla, ZSTD(1)",
    NUMBER: "Gorilla, ZSTD(1)",
    "String": "ZSTD(3)",
}
ARRAY_CODEC: Final = "ZSTD(1)"

INSERTS_REMEMBERED: Final = (  # so that an insert that is made again writes no row twice
    "non_replicated_deduplication_window = 10000",
    "replicated_deduplication_window = 10000",
    "replicated_deduplication_window_seconds = 604800",
)
OLD_PARTS_MERGED: Final = (
    "min_age_to_force_merge_seconds = 3600",
    "min_age_to_force_merge_on_partition_only = 1",
)
BLOCKS_NUMBERED: Final = "enable_block_number_column = 1"  # by it the trainer sees what is new

Columns = Mapping[str, str]  # column -> its definition, in the order of the table


# ---------------------------------------------------------------- tables


def create_table(table: Table) -> str:
    """The statement that creates a table."""
    columns = [f"    `{name}` {text}" for name, text in definitions(table).items()]
    clauses = [
        "ENGINE = ${engine}",
        *([f"PARTITION BY {table.partition}"] if table.partition else []),
        f"ORDER BY ({', '.join(_sorting(table))})",
        *([f"TTL {_age(table)} + INTERVAL {table.keep} DELETE"] if table.keep else []),
        "SETTINGS " + ",\n    ".join(_settings(table)),
        f"COMMENT {literal(table.description)};",
    ]
    body = ",\n".join([*columns, *_indexes(table)])
    head = f"CREATE TABLE IF NOT EXISTS ${{database}}.{table.name} ${{on_cluster}}"
    return "\n".join([head, "(", body, ")", *clauses])


def _sorting(table: Table) -> Iterator[str]:
    if table.sorted_first:
        yield table.sorted_first
    yield from (f"`{name}`" for name in table.key)


def _age(table: Table) -> str:
    """What the age of a row counts from, as a time of whole seconds."""
    is_exact = table.all_columns[table.aged_by].type == MOMENT
    return f"toDateTime({table.aged_by})" if is_exact else table.aged_by


def add_columns(table: Table, there: Iterable[str]) -> str:
    """The statement that adds the columns a table lacks, each in its place; empty if none."""
    names = list(table.all_columns)
    lines = [
        f"    ADD COLUMN IF NOT EXISTS `{name}` {text} AFTER `{names[names.index(name) - 1]}`"
        for name, text in definitions(table).items()
        if name not in set(there)
    ]
    head = f"ALTER TABLE ${{database}}.{table.name} ${{on_cluster}}"
    return head + "\n" + ",\n".join(lines) + ";" if lines else ""


def definitions(table: Table) -> dict[str, str]:
    """Column -> its type, default, comment and codec as DDL, in the order of the table."""
    return {
        name: _definition(column, table.comment(name)) for name, column in table.all_columns.items()
    }


def _definition(column: Column, comment: str) -> str:
    codec = _codec(column)
    parts = (
        column.type,
        f"DEFAULT {column.default}" if column.default else "",
        f"COMMENT {literal(comment)}",
        f"CODEC({codec})" if codec else "",
    )
    return " ".join(part for part in parts if part)


def _codec(column: Column) -> str:
    if column.codec is not None:
        return column.codec
    return ARRAY_CODEC if column.type.startswith("Array(") else CODECS.get(column.type, "")


def _indexes(table: Table) -> Iterator[str]:
    if "stated_at" in table.all_columns:
        yield "    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1"
    for name in table.searched:
        index = f"ix_{name.removesuffix('_id')}"
        yield f"    INDEX {index} `{name}` TYPE bloom_filter(0.01) GRANULARITY 4"


def _settings(table: Table) -> list[str]:
    return [
        *INSERTS_REMEMBERED,
        *(["ttl_only_drop_parts = 1"] if table.keep else []),
        *(OLD_PARTS_MERGED if table.partition else []),
        *([BLOCKS_NUMBERED] if table.numbered else []),
    ]


# ---------------------------------------------------------------- columns of views


def view_comments(view: str) -> str:
    """The statement that writes unit and meaning of a view's columns into ClickHouse."""
    comments = {name: column.comment for name, column in COLUMNS[view].items()}
    return comment_columns(f"${{database}}.{view} ${{on_cluster}}", comments) + ";"


# ---------------------------------------------------------------- views of roll-ups


def rollup_view(rollup: RollUp) -> str:
    """The statement that makes the view of a roll-up.

    Rows below the floor of their bucket do not count. Hours that are not kept are added up from
    the source.
    """
    kept = rollup.kept("${database}")
    if rollup.is_hourly:
        since = _hours_from(rollup.source)
        older = rollup.select(rollup.bucket(), f"{rollup.bucket()} < {since}", "${database}")
        kept = f"{kept} AND r.hour >= {since}\nUNION ALL\n{older}"
    if rollup.is_by_model:
        kept = rollup.by_model(kept)
    name = f"v_{rollup.table}"
    return (
        f"CREATE OR REPLACE VIEW ${{database}}.{name} ${{on_cluster}} ${{definer}}\n"
        f"AS {kept}\nCOMMENT {literal(VIEWS[name])};"
    )


def _hours_from(source: str) -> str:
    return f"""(
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${{database}}.rollup_cursor FINAL
    WHERE source = '{source}' AND scope = 'recent'
)"""  # noqa: S608  # names of ours


def dimension_view(dimension: Dimension) -> str:
    """The statement that makes the view of a dimension."""
    listed = ",\n    ".join(dimension.shown)
    rows = dimension.select(f"\n    {listed}", "${database}").replace("SELECT \n", "SELECT\n")
    return (
        f"CREATE OR REPLACE VIEW ${{database}}.{dimension.view} ${{on_cluster}} ${{definer}}\n"
        f"AS {rows}\nCOMMENT {literal(VIEWS[dimension.view])};"
    )


def minute_views() -> list[str]:
    """The views that list every counter of a minute cell."""
    of_cells = [rollup for rollup in ROLL_UPS.values() if rollup.source == "minute_cell"]
    return [
        _view(
            "v_minute",
            ["kol_id", "minute", *map(_sum, NAMES)],
            "minute_cell FINAL\nGROUP BY kol_id, minute",
        ),
        view_comments("v_minute"),
        *(
            statement
            for rollup in of_cells
            for statement in (rollup_view(rollup), view_comments(f"v_{rollup.table}"))
        ),
    ]


def _view(name: str, columns: Iterable[str], source: str) -> str:
    listed = ",\n    ".join(columns)
    return (
        f"CREATE OR REPLACE VIEW ${{database}}.{name} ${{on_cluster}} ${{definer}}\n"
        f"AS SELECT\n    {listed}\nFROM ${{database}}.{source}\nCOMMENT {literal(VIEWS[name])};"
    )


def _sum(name: str) -> str:
    return f"sum({name}) AS {name}"


# ---------------------------------------------------------------- what the files make

_CREATED: Final = re.compile(
    r"CREATE TABLE IF NOT EXISTS \$\{database\}\.(\w+).*?\n\(\n(.*?)\n\)\n", re.DOTALL
)
_ALTERED: Final = re.compile(
    r"ALTER TABLE \$\{database\}\.(\w+)[^\n]*\n(    ADD COLUMN .*)", re.DOTALL
)
_COMMENTED: Final = re.compile(
    r"ALTER TABLE \$\{database\}\.(\w+)[^\n]*\n    COMMENT COLUMN .*", re.DOTALL
)
_COMMENT: Final = re.compile(r"COMMENT ('(?:[^'\\]|\\.)*')")
_OTHER_COMMENT: Final = re.compile(r"COMMENT COLUMN IF EXISTS `(\w+)` ('(?:[^'\\]|\\.)*')")
_REPLACED: Final = re.compile(r"CREATE OR REPLACE VIEW \$\{database\}\.(\w+)")
_VIEW: Final = re.compile(
    r"CREATE (?:OR REPLACE VIEW|VIEW IF NOT EXISTS) \$\{database\}\.(\w+)[^\n]*\n(.*)", re.DOTALL
)
_DROPPED: Final = re.compile(r"DROP TABLE IF EXISTS \$\{database\}\.(\w+)")
_DROPPED_VIEW: Final = re.compile(r"DROP VIEW IF EXISTS \$\{database\}\.(\w+)")
_COLUMN: Final = re.compile(
    r"^    (?:ADD COLUMN IF NOT EXISTS )?(?!INDEX )`?(\w+)`? (.*?)(?: AFTER `\w+`)?,?$",
    re.MULTILINE,
)


def columns_after(files: Iterable[MigrationFile]) -> dict[str, dict[str, str]]:
    """Table -> its columns with their definitions, once these files are applied in order."""
    tables: dict[str, dict[str, str]] = {}
    for statement in (part for file in files for part in file.text.split(";\n")):
        if found := _CREATED.search(statement):
            tables[found[1]] = dict(_COLUMN.findall(found[2]))
        elif found := _ALTERED.search(statement):
            tables[found[1]] |= dict(_COLUMN.findall(found[2]))
        elif (found := _COMMENTED.search(statement)) and found[1] in tables:
            tables[found[1]] |= _with_comments(tables[found[1]], found[0])
        elif found := _DROPPED.search(statement):
            del tables[found[1]]
    return tables


def _with_comments(there: Columns, statement: str) -> dict[str, str]:
    """Column -> its definition once a statement has commented it anew."""
    return {
        name: _COMMENT.sub(f"COMMENT {text}".replace("\\", r"\\"), there[name])
        for name, text in _OTHER_COMMENT.findall(statement)
        if name in there
    }


def other_comments(table: Table, there: Columns) -> str:
    """The statement for columns that are commented otherwise than they are described."""
    comments = {
        name: table.comment(name)
        for name, text in definitions(table).items()
        if name in there and there[name] and _comment_in(there[name]) != _comment_in(text)
    }
    target = f"${{database}}.{table.name} ${{on_cluster}}"
    return comment_columns(target, comments) + ";" if comments else ""


def _comment_in(definition: str) -> str:
    found = _COMMENT.search(definition)
    return found[1] if found else ""


def missing_ddl(tables: Iterable[Table], there: Mapping[str, Columns]) -> str:
    """The statements that bring a database with these columns to these tables; empty if none."""
    statements = []
    is_cell_wider = False
    for table in tables:
        if table.name not in there:
            statements.append(create_table(table))
            continue
        if added := add_columns(table, there[table.name]):
            statements.append(added)
            is_cell_wider |= table.name in {"minute_cell", "cell_1h", "cell_1d"}
        if commented := other_comments(table, there[table.name]):
            statements.append(commented)
    return "\n\n".join([*statements, *(minute_views() if is_cell_wider else [])])


def views_after(files: Iterable[MigrationFile]) -> dict[str, str]:
    """View -> what it shows, once these files are applied in order."""
    views: dict[str, str] = {}
    for statement in (part for file in files for part in file.text.split(";\n")):
        if found := _VIEW.search(statement):
            views[found[1]] = found[2].rstrip(";\n")
        elif found := _DROPPED_VIEW.search(statement):
            views.pop(found[1], None)
    return views


def missing_views(there: Mapping[str, str]) -> list[str]:
    """The statements for views of dimensions that show something else, or nothing."""
    wanted = {one.view: dimension_view(one) for one in DIMENSIONS if one.view}
    made = views_after(MigrationFile(0, "", statement) for statement in wanted.values())
    return [wanted[view] for view, shows in made.items() if there.get(view) != shows]


def comments_after(files: Iterable[MigrationFile]) -> dict[str, str]:
    """View -> the statement that comments its columns, once these files are applied in order."""
    statements: dict[str, str] = {}
    for statement in (part for file in files for part in file.text.split(";\n")):
        if found := _COMMENTED.search(statement):
            statements[found[1]] = found[0].rstrip(";\n") + ";"
        elif found := _REPLACED.search(statement) or _DROPPED_VIEW.search(statement):
            statements.pop(found[1], None)
    return statements


def missing_comments(there: Mapping[str, str]) -> list[str]:
    """The statements for views whose columns are commented otherwise, or not at all."""
    wanted = {view: view_comments(view) for view in COLUMNS}
    return [statement for view, statement in wanted.items() if there.get(view) != statement]


def next_migration() -> str:
    """What the files lack of `schemas`; empty if nothing."""
    files = migration_files()
    tables = missing_ddl(TABLES.values(), columns_after(files))
    views = missing_views(views_after(files))
    later = [MigrationFile(0, "", statement) for statement in (tables, *views)]
    comments = missing_comments(comments_after([*files, *later]))
    return "\n\n".join(part for part in (tables, *views, *comments) if part)


if __name__ == "__main__":
    if lacking := next_migration():
        sys.stdout.write(lacking + "\n")
