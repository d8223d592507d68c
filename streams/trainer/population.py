"""What the dimensions say of contents and KOLs, as entries of numbered values.

A dimension whose topic is being read anew says what it said before until that is done; one whose
topic was never read to its end says nothing, and nothing is published of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.dimensions import OF_TOPIC, Dimension
from schemas.entries import Column, Entries, Form, texts
from schemas.numbered import CONTENT, KINDS, KOL
from schemas.values import Lists
from streams.clients.clickhouse import ReadingError, query

FLAG: Final = "ifNull(toInt8({name}), -1)"
PARTS: Final = """
    SELECT sum(cityHash64(name)) AS parts FROM system.parts
    WHERE active AND database = {database:String} AND table = {table:String}
"""


@dataclass(frozen=True)
class Source:
    """Where the values of a kind are."""

    topic: str
    id: str  # column of the ids
    columns: Mapping[str, str]  # value -> expression over the dimension

    @property
    def dimension(self) -> Dimension:
        """The dimension of the topic."""
        return OF_TOPIC[self.topic]


SOURCES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        CONTENT: Source(
            "content",
            "content_id",
            {name: FLAG.format(name=name) for name in ("disclosed", "sponsored")},
        ),
        KOL: Source(
            "kol-profile",
            "kol_id",
            {
                "tier": "tier",
                "vertical": "vertical",
                "display_name": "display_name",
                "accounts": "user_hash",
            },
        ),
    }
)


class Marks(NamedTuple):
    """What differs once a state does."""

    shown: int  # the reading that counts
    parts: int  # a hash of the names of the table's parts, which every write changes; 0: none known
    rows: int
    values: int  # a hash of them


class Population:
    """The states of the kinds, read only where they, or what is published, may have changed.

    Args:
        database: of the dimensions.

    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._taken: dict[str, tuple[Marks, int]] = {}  # kind -> marks of what was done with, and
        # the newest number after that

    def changed(
        self, client: Client, before: Callable[[], None], newest: Mapping[str, int]
    ) -> dict[str, tuple[Entries, Marks]]:
        """The state of each kind that may have changed since `take`, and the marks of it.

        Args:
            client: of an account that reads the dimensions.
            before: each statement; raises where the turn is to end.
            newest: the newest number of each kind, read before this.

        Raises:
            ReadingError: ClickHouse refuses.

        """
        found = {}
        for kind, source in SOURCES.items():
            before()
            shown = self._shown(client, source)
            if not shown:
                continue
            before()
            parts = self._parts(client, source)
            taken, number = self._taken.get(kind, (None, -1))
            is_newest = number == newest[kind]
            if taken and is_newest and parts and (taken.shown, taken.parts) == (shown, parts):
                continue
            before()
            marks = self._marks(client, source, shown, parts)
            if taken and is_newest and taken[2:] == marks[2:]:
                self._taken[kind] = marks, number
                continue
            before()
            found[kind] = self._entries(client, kind, source), marks
        return found

    def take(self, kind: str, marks: Marks, number: int) -> None:
        """Note that a state needs no second look as long as this number is the newest."""
        self._taken[kind] = marks, number

    def forget(self) -> None:
        """Look at everything anew."""
        self._taken.clear()

    def _shown(self, client: Client, source: Source) -> int:
        """The reading that counts; 0 where the topic was never read to its end."""
        shown = source.dimension.reading_shown(self._database)
        return int(query(client, f"SELECT ({shown}) AS shown")[0]["shown"])

    def _parts(self, client: Client, source: Source) -> int:
        given = {"database": self._database, "table": source.dimension.table}
        return int(query(client, PARTS, given)[0]["parts"])

    def _marks(self, client: Client, source: Source, shown: int, parts: int) -> Marks:
        """The sum of a hash of each row, so it costs a pass over some columns."""
        values = ", ".join([source.id, *source.columns.values()])
        sql = source.dimension.select(
            f"count() AS n, sum(cityHash64({values})) AS hash", self._database
        )
        (row,) = query(client, sql)
        return Marks(shown, parts, int(row["n"]), int(row["hash"]))

    def _entries(self, client: Client, kind: str, source: Source) -> Entries:
        names = [source.id, *source.columns.values()]
        sql = source.dimension.select(", ".join(names), self._database)
        try:
            ids, *values = client.query(sql, column_oriented=True).result_columns or [
                [] for _ in names
            ]
        except ClickHouseError as error:
            raise ReadingError(str(error)) from error
        forms = KINDS[kind]
        columns = {
            name: as_column(forms[name], column)
            for name, column in zip(source.columns, values, strict=True)
        }
        return Entries(texts(ids), columns)


def as_column(form: Form, values: Sequence[Any]) -> Column:
    """Values of rows as a column; keys are 32 hex digits, or empty.

    >>> as_column(Form.KEYS, ["", f"{2:016x}{1:016x}"]).tolist()
    [[], [[1, 2]]]
    """
    if form is Form.FLAG:
        return np.array(values, np.int8)
    if form is Form.TEXT:
        return texts(values)
    is_there = np.array([bool(value) for value in values], np.int64)
    raw = bytes.fromhex("".join(values))
    return Lists(
        np.frombuffer(raw, ">u8").reshape(-1, 2)[:, ::-1].astype(np.uint64), np.cumsum(is_there)
    )
