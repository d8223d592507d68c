"""The schema: numbered files in `ddl/`, each applied once, in order, with its checksum.

`clickhouse-migrations` does the work over the HTTP client. A file is a template:
`${database}`, `${engine}`, `${on_cluster}` and `${definer}` are filled in when it is
applied, and the checksum is that of the template, so one server and a cluster agree on
what they have. A file that was released never changes; what changes is a new file.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from clickhouse_migrations.connection import ClickhouseConnectConnection
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import Migration
from clickhouse_migrations.migrator import Migrator

VERSIONS = "schema_versions"  # the migrations that a database has, with checksums

ONE = "ReplacingMergeTree(version)"
REPLICATED = (
    "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)"
)
REPLICATED_VERSIONS = "ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')"


class SchemaError(Exception):
    """The database cannot be brought to, or is not at, the schema of this version."""


class Client(Protocol):
    """What is needed of a clickhouse-connect client."""

    def command(self, cmd: str) -> Any: ...  # noqa: ANN401, D102  # whatever the statement answers

    def query(self, query: str) -> Any: ...  # noqa: ANN401, D102  # the client's own result


@dataclass(frozen=True, slots=True)
class Step:
    """One file of `ddl/`."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """MD5 of the template, as stored in `schema_versions`."""
        return hashlib.md5(self.text.encode(), usedforsecurity=False).hexdigest()


def steps() -> list[Step]:
    """Every file of `ddl/`, in order."""
    found = [
        Step(int(file.name[:4]), file.name, file.read_text("utf-8"))
        for file in files("sinks").joinpath("ddl").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda step: step.number)


def migrate(client: Client, database: str, *, cluster: str = "", definer: str = "") -> list[str]:
    """Bring a database to the schema of this version; gives the files that were applied.

    The database is created when it is not there. Applying twice does nothing.

    Args:
        client: may create databases and tables; which database it is in does not matter.
        database: where the tables go.
        cluster: a name for `ON CLUSTER`; its tables replicate.
        definer: the user whose rights the views have, so that a reader needs rights on
            views only. Empty on the embedded engine, which knows no users.

    Raises:
        SchemaError: the database is of a newer version, or a file was changed after
            it had been applied.

    """
    client.command(
        f"CREATE DATABASE IF NOT EXISTS {database}{_on(cluster)}"
        + ("" if cluster else " ENGINE = Atomic")
    )
    ours = steps()
    migrator = Migrator(
        ClickhouseConnectConnection(client),
        migrations_table=f"{database}.{VERSIONS}",
        migrations_table_engine=REPLICATED_VERSIONS if cluster else None,
    )
    with _silent_root_logger():
        try:
            migrator.init_schema(cluster or None)
            applied = migrator.apply_migration(
                [Migration(step.number, step.checksum, step.text) for step in ours],
                multi_statement=True,
                variables=variables(database, cluster=cluster, definer=definer),
                sources={step.number: step.name for step in ours},
            )
        except MigrationException as error:
            raise SchemaError(
                mismatch(ours, _applied_checksums(client, database)) or str(error)
            ) from error
    names = {step.number: step.name for step in ours}
    return [names[migration.version] for migration in applied]


def check(client: Client, database: str) -> str | None:
    """What keeps this version from working with a database; None if nothing does."""
    there = client.query(
        f"SELECT count() FROM system.tables WHERE database = '{database}' AND name = '{VERSIONS}'"  # noqa: S608  # a name of \w+
    ).result_rows
    return mismatch(steps(), _applied_checksums(client, database) if there[0][0] else {})


def mismatch(ours: Sequence[Step], applied: dict[int, str]) -> str | None:
    """How the files of this version differ from those applied (number -> checksum), if at all."""
    newer = applied.keys() - {step.number for step in ours}
    if newer:
        return (
            f"the database has migration {max(newer)}, which this version does not know: "
            "use a newer version of kol-streams"
        )
    changed = [s.name for s in ours if s.number in applied and applied[s.number] != s.checksum]
    if changed:
        return (
            f"the database was made with another {changed[0]}: released files never change; "
            "use a fresh database (KOL_CLICKHOUSE__DATABASE) or the version that made this one"
        )
    missing = [step.name for step in ours if step.number not in applied]
    if missing:
        return f"the database lacks {', '.join(missing)}: run `kol migrate`"
    return None


def variables(database: str, *, cluster: str = "", definer: str = "") -> dict[str, str]:
    """Values of the placeholders in the files."""
    return {
        "database": database,
        "engine": REPLICATED if cluster else ONE,
        "on_cluster": _on(cluster).strip(),
        "definer": f"DEFINER = {definer} SQL SECURITY DEFINER" if definer else "",
    }


def _on(cluster: str) -> str:
    return f" ON CLUSTER `{cluster}`" if cluster else ""


def _applied_checksums(client: Client, database: str) -> dict[int, str]:
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
