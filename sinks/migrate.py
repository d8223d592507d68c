"""Migrations: the numbered files in `ddl/`, each applied once, in order, with its checksum.

`clickhouse-migrations` does the work over the HTTP client. A file is a template:
`${database}`, `${engine}`, `${on_cluster}`, `${definer}`, `${currency}` and `${zone}` are filled in
when it is applied. The checksum is that of the template, so it is the same on one server and on a
cluster. A released file never changes; a change is a new file.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from clickhouse_migrations.connection import ClickhouseConnectConnection
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import Migration
from clickhouse_migrations.migrator import Migrator

from schemas.currencies import CURRENCY
from schemas.replay_views import kept_name, replay_comment, replay_read_by
from sinks.views import replay_view

VERSIONS = "schema_versions"  # the table of the files applied to a database

ENGINE = "ReplacingMergeTree(version)"
REPLICATED_ENGINE = (
    "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)"
)
REPLICATED_VERSIONS_ENGINE = "ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')"

UTC = "UTC"

_TARGET = re.compile(
    r"((?:CREATE OR REPLACE VIEW|ALTER TABLE) \$\{database\}\.)(\w+)"
)  # of a statement that changes a view


class SchemaError(Exception):
    """The database does not have, and cannot get, the schema of this version."""


class Client(Protocol):
    """What is needed of a clickhouse-connect client."""

    def command(self, cmd: str) -> Any: ...  # noqa: ANN401, D102  # whatever the statement answers

    def query(self, query: str) -> Any: ...  # noqa: ANN401, D102  # the client's own result


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One file of `ddl/`."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """MD5 of the template, as `schema_versions` keeps it."""
        return hashlib.md5(self.text.encode(), usedforsecurity=False).hexdigest()


def migration_files() -> list[MigrationFile]:
    """Every file of `ddl/`, in order."""
    found = [
        MigrationFile(int(file.name[:4]), file.name, file.read_text("utf-8"))
        for file in files("sinks").joinpath("ddl").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda file: file.number)


def migrate(
    client: Client,
    database: str,
    *,
    cluster: str = "",
    definer: str = "",
    currency: str = CURRENCY,
    zone: str = UTC,
) -> list[str]:
    """Apply the files that a database lacks; gives their names.

    The database is created when it is not there. Applying twice does nothing.

    Args:
        client: may create databases and tables; which database it is in does not matter.
        database: where the tables go.
        cluster: a name for `ON CLUSTER`; its tables replicate.
        definer: the user whose rights the views have, so that a reader needs rights on
            views only. Empty on the embedded engine, which knows no users.
        currency: the shop's: roll-ups of credits are in it.
        zone: of business days.

    Raises:
        SchemaError: the database is of a newer version, or a file was changed after
            it had been applied.

    """
    client.command(
        f"CREATE DATABASE IF NOT EXISTS {database}{_on(cluster)}"
        + ("" if cluster else " ENGINE = Atomic")
    )
    known = migration_files()
    migrator = Migrator(
        ClickhouseConnectConnection(client),
        migrations_table=f"{database}.{VERSIONS}",
        migrations_table_engine=REPLICATED_VERSIONS_ENGINE if cluster else None,
    )
    views = _view_comments(client, database)
    given = variables(database, cluster=cluster, definer=definer, currency=currency, zone=zone)
    with _silent_root_logger():
        try:
            migrator.init_schema(cluster or None)
            applied = migrator.apply_migration(
                [
                    Migration(file.number, file.checksum, beside_replays(file.text, views))
                    for file in known
                ],
                multi_statement=True,
                variables=given,
                sources={file.number: file.name for file in known},
            )
        except MigrationException as error:
            raise SchemaError(mismatch(known, _applied(client, database)) or str(error)) from error
    _follow(client, database, given)
    names = {file.number: file.name for file in known}
    return [names[migration.version] for migration in applied]


def beside_replays(text: str, views: Mapping[str, str]) -> str:
    """The text of a file for a database with these views (name -> comment).

    After `kol replay swap` a view reads a replay, and the one that reads its own tables is kept
    beside it for the way back. What a file makes of the view is made of the kept one, so that
    people go on reading what the swap gave them.
    """

    def with_target(found: re.Match[str]) -> str:
        statement, view = found[1], found[2]
        is_kept = kept_name(view) in views or statement.startswith("CREATE")
        reads_replay = replay_read_by(views.get(view, "")) is not None
        return statement + (kept_name(view) if reads_replay and is_kept else view)

    return _TARGET.sub(with_target, text)


def _follow(client: Client, replay: str, given: Mapping[str, str]) -> None:
    """Make the views that read this database anew: theirs are the columns it had when they were."""
    reading = client.query(
        "SELECT database, name FROM system.tables"  # noqa: S608  # a name of \w+
        f" WHERE engine = 'View' AND comment = '{replay_comment(replay)}'"
    ).result_rows
    for database, name in reading:
        view = str(name).removesuffix(kept_name(""))
        for statement in replay_view(f"{database}.{name}", replay, view, given):
            client.command(statement)


def check(client: Client, database: str) -> str | None:
    """Why this version cannot work with a database; None if it can."""
    found = client.query(
        f"SELECT count() FROM system.tables WHERE database = '{database}' AND name = '{VERSIONS}'"  # noqa: S608  # a name of \w+
    ).result_rows
    return mismatch(migration_files(), _applied(client, database) if found[0][0] else {})


def mismatch(known: Sequence[MigrationFile], applied: dict[int, str]) -> str | None:
    """How the applied files (number -> checksum) differ from the known ones, and what to do."""
    newer = applied.keys() - {file.number for file in known}
    if newer:
        return (
            f"the database has migration {max(newer)}, which this version does not know: "
            "use a newer version of kol-streams"
        )
    changed = [
        file.name for file in known if applied.get(file.number, file.checksum) != file.checksum
    ]
    if changed:
        return (
            f"the database was made with another {changed[0]}: released files never change; "
            "use a fresh database (KOL_CLICKHOUSE__DATABASE) or the version that made this one"
        )
    missing = [file.name for file in known if file.number not in applied]
    if missing:
        return f"the database lacks {', '.join(missing)}: run `kol migrate`"
    return None


def variables(
    database: str,
    *,
    cluster: str = "",
    definer: str = "",
    currency: str = CURRENCY,
    zone: str = UTC,
) -> dict[str, str]:
    """The values of the placeholders in the templates."""
    return {
        "database": database,
        "engine": REPLICATED_ENGINE if cluster else ENGINE,
        "on_cluster": _on(cluster).strip(),
        "definer": f"DEFINER = {definer} SQL SECURITY DEFINER" if definer else "",
        "currency": currency,
        "zone": zone,
    }


def _on(cluster: str) -> str:
    return f" ON CLUSTER `{cluster}`" if cluster else ""


def _view_comments(client: Client, database: str) -> dict[str, str]:
    found = client.query(
        f"SELECT name, comment FROM system.tables WHERE database = '{database}'"  # noqa: S608  # a name of \w+
        " AND engine = 'View'"
    ).result_rows
    return {str(name): str(comment) for name, comment in found}


def _applied(client: Client, database: str) -> dict[int, str]:
    rows = client.query(
        f"SELECT version, argMax(md5, created_at) FROM {database}.{VERSIONS} GROUP BY version"  # noqa: S608  # a name of \w+
    ).result_rows
    return {int(number): str(checksum) for number, checksum in rows}


@contextmanager
def _silent_root_logger() -> Iterator[None]:
    """Keep `logging.info`, as the library calls it, from giving the root logger a handler."""
    root = logging.getLogger()
    silent = logging.NullHandler()
    root.addHandler(silent)
    try:
        yield
    finally:
        root.removeHandler(silent)
