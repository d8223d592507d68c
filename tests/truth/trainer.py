"""Who says each night what workers take for known: the product's trainer, on the real engine.

No brokers are there: rows come as sinks get them, records of reference topics as they are told, and
the states that the nightly turns would publish are handed to whoever goes on with them.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, Self

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.entries import Entries
from schemas.keyed_names import KeyedNames
from schemas.rows import Rows, joined
from sinks.connection import HttpInserter
from streams.trainer.daily import daily_states
from streams.trainer.generations import Version
from streams.trainer.population import SOURCES, Population
from streams.trainer.rollups import RollUps
from tests.embedded.gateway.running import Server
from tests.integration.engine import fresh
from tests.told import Dimensions
from tests.worlds.world import Record

DAY_S: Final = 86_400
ZONE: Final = "Asia/Shanghai"
ADDED_UP: Final = ("minute_cell",)  # what nightly states are read from by day
TABLES: Final = ("minute_cell", "kol_score", "order_credit", "event")

States = Mapping[str, Entries]  # by kind


class Trainer(Protocol):
    """Takes rows all day, and says at night what is known."""

    def take(self, rows: Iterable[Rows]) -> None:
        """Take in what a flush says."""

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        """The states as of midnight; `told` is what reference topics said since the last one."""

    def again(self) -> Self:
        """Another one that knows the same, and goes on by itself."""


class NoTrainer:
    """Knows nothing: what is written down as population 0 holds for ever."""

    def take(self, rows: Iterable[Rows]) -> None:
        """Forget them."""

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        """Nothing."""
        del now_ms, told
        return {}

    def again(self) -> Self:
        """This one."""
        return self


class EngineTrainer:
    """The product's turns on a database of the real engine.

    Args:
        server: the engine.
        names: of users, as those of the rows.
        database: its name; whatever is there is dropped.

    """

    def __init__(self, server: Server, names: KeyedNames, database: str = "truth") -> None:
        self._server, self._names, self._database = server, names, database
        self._client: Client = fresh(server, database)
        self._client.command("ALTER TABLE event REMOVE TTL")  # moments are those of the world
        self._insert = HttpInserter(lambda: self._client, {})
        self._dimensions = Dimensions(self._client, names)
        self._number = itertools.count(1)
        self._waiting: dict[str, list[Rows]] = {table: [] for table in TABLES}

    def take(self, rows: Iterable[Rows]) -> None:
        """Keep the rows that a trainer reads until night: inserts cost more than rows."""
        for part in rows:
            of = midnights(part) if part.table == "kol_score" else part
            if of.table in self._waiting and len(of):
                self._waiting[of.table].append(of)

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        """The states as of midnight, from the product's own statements."""
        self._insert_waiting()
        self._dimensions.tell(told, now_ms)
        rollups = RollUps(self._client, self._database, ZONE, sources=ADDED_UP)
        rollups.turn(Version(1, next(self._number)), now_ms=now_ms, at_once=True)
        population = Population(self._database)
        changed = population.changed(self._client, lambda: None, dict.fromkeys(SOURCES, 0))
        states = {kind: entries for kind, (entries, _) in changed.items()}
        return states | daily_states(self._client, self._database, now_ms)

    def again(self) -> Self:
        """Another one, on a copy of the database."""
        self._insert_waiting()
        other = type(self)(self._server, self._names, f"{self._database}_again")
        for table in _filled(self._client, self._database):
            other._client.command(
                f"ALTER TABLE {table} ATTACH PARTITION ALL FROM {self._database}.{table}"
            )
        other._number = itertools.count(next(self._number))
        other._dimensions.offsets = dict(self._dimensions.offsets)
        return other

    def _insert_waiting(self) -> None:
        for parts in self._waiting.values():
            if parts:
                self._insert(joined(parts), f"truth-{next(self._number)}")
                parts.clear()


def midnights(scores: Rows) -> Rows:
    """The rows of midnights: others are not looked at by night."""
    return scores.pick(np.flatnonzero(np.asarray(scores.columns["minute"]) % DAY_S == 0))


def _filled(client: Client, database: str) -> list[str]:
    """The tables with rows."""
    sql = "SELECT DISTINCT table FROM system.parts WHERE active AND rows AND database = {d:String}"
    return [str(row[0]) for row in client.query(sql, parameters={"d": database}).result_rows]
