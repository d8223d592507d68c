"""Names of apps that live beside each other, and which app a database belongs to."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.replay_views import replay_read_by
from schemas.rows import VIEWS
from streams.clients.clickhouse import query
from streams.settings import Settings


class ReplayStart(NamedTuple):
    """Where a replay's own rows begin, as the comment of its database says it."""

    since: int | None  # milliseconds; None: at the beginning of the log

    @property
    def comment(self) -> str:
        """The comment of the replay's database.

        >>> ReplayStart(None).comment, ReplayStart(86_400_000).comment
        ('replay of all', 'replay since 86400000')
        """
        return "replay of all" if self.since is None else f"replay since {self.since}"

    @classmethod
    def parse(cls, comment: str) -> "ReplayStart | None":
        """The start that a database comment names; None if the database is not a replay's.

        >>> ReplayStart.parse("replay since 5"), ReplayStart.parse("replay of all")
        (ReplayStart(since=5), ReplayStart(since=None))
        """
        words = re.fullmatch(r"replay (?:of all|since (\d+))", comment)
        return words and cls(int(words[1]) if words[1] else None)


def name_conflict(engine: Client, settings: Settings) -> str | None:
    """Why workers must not start with these names; None if they may.

    Only its own app may write to a replay's database, with topics of its own.
    """
    database = settings.clickhouse.database
    comment = database_comment(engine, database)
    if ReplayStart.parse(comment or "") is None or settings.kafka.prefix == f"{settings.app_id}.":
        return None
    return (
        f"{database} is the database of a replay, but KOL_KAFKA__PREFIX is not "
        f"{settings.app_id}. (with a dot): `kol replay` prints what its workers need"
    )


def database_comment(engine: Client, database: str) -> str | None:
    """The comment of a database; None if it does not exist."""
    found = query(
        engine,
        "SELECT comment FROM system.databases WHERE name = {name:String}",
        {"name": database},
    )
    return str(found[0]["comment"]) if found else None


def replays_read(views: Mapping[str, str]) -> set[str]:
    """Which replays people read, by the comments of a database's views.

    Views of record count, those that another version has left behind do not.

    >>> replays_read({"v_order": "read from kol_2", "v_gone": "read from kol_1", "v_door": ""})
    {'kol_2'}
    """
    return {found for name in VIEWS if (found := replay_read_by(views.get(name, "")))}


def view_comments(engine: Client, database: str) -> dict[str, str]:
    """The comment of every view of a database."""
    rows = query(
        engine,
        "SELECT name, comment FROM system.tables WHERE engine = 'View' AND database = {of:String}",
        {"of": database},
    )
    return {one["name"]: one["comment"] for one in rows}
