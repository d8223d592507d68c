"""Names of apps that live beside each other, and which database is whose."""

import re
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from streams.clients.clickhouse import query
from streams.settings import Settings


class Began(NamedTuple):
    """What the comment of a replay's database says."""

    since: int | None  # milliseconds

    @property
    def words(self) -> str:
        """As it is written.

        >>> Began(None).words, Began(86_400_000).words
        ('replay of all', 'replay since 86400000')
        """
        return "replay of all" if self.since is None else f"replay since {self.since}"

    @classmethod
    def read(cls, comment: str) -> "Began | None":
        """What such a comment says; None for another one.

        >>> Began.read("replay since 5"), Began.read("replay of all"), Began.read("")
        (Began(since=5), Began(since=None), None)
        """
        words = re.fullmatch(r"replay (?:of all|since (\d+))", comment)
        return words and cls(int(words[1]) if words[1] else None)


def misnamed(engine: Client, settings: Settings) -> str | None:
    """Why workers must not begin with these names; None where nothing speaks against them.

    In a replay's database only its own app may write, beside topics of its own.
    """
    database = settings.clickhouse.database
    comment = said_of(engine, database)
    if Began.read(comment or "") is None or settings.kafka.prefix == f"{settings.app_id}.":
        return None
    return (
        f"{database} is the database of a replay, but KOL_KAFKA__PREFIX is not "
        f"{settings.app_id}. (with a dot): `kol replay` says what its workers need"
    )


def said_of(engine: Client, database: str) -> str | None:
    """The comment of a database; None where there is no such one."""
    found = query(
        engine,
        "SELECT comment FROM system.databases WHERE name = {name:String}",
        {"name": database},
    )
    return str(found[0]["comment"]) if found else None
