"""Rows of erased persons: found and taken out of every table that has names of people.

Rows of `order_credit` are not deleted: the order becomes nobody's. Those of `event`, which is
large, are hidden at once and leave the disks with one statement for all (`remove_hidden`), as do
rows of dimensions that count no more; those of other tables leave at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.dimensions import DIMENSIONS
from schemas.erasures import NOBODY
from schemas.rows import TABLES
from streams.clients.clickhouse import command, delete, empty, query

RENAMED: Final = "order_credit"
EMPTIED: Final = {one.table: one.named for one in DIMENSIONS if one.named}  # table -> its column
HIDDEN: Final = ("event",)  # tables where a person's rows are hidden before they are removed
MASKED: Final = (*HIDDEN, *(one.table for one in DIMENSIONS))  # tables with hidden rows of any kind
NAMES: Final = ("user_hash", *sorted({name for one in DIMENSIONS for name in one.persons}))
AT_ONCE: Final = 2_000  # names in one statement
HIDDEN_DAYS: Final = 6  # that rows are hidden at the most; a night later they are removed

PERSONS: Final[Mapping[str, tuple[str, ...]]] = {  # table -> columns by which a row is a person's
    name: columns
    for name, table in TABLES.items()
    if name not in EMPTIED
    and (columns := tuple(dict.fromkeys(one for one in NAMES if one in table.columns)))
}

NAMELESS: Final = {  # columns of an order that is nobody's, as workers write them
    "`user_hash`": f"'{NOBODY}'",
    "`coupon_id`": "''",
    "`refund_reason`": "arrayMap(reason -> '', refund_reason)",
}

HIDES: Final = """
    SELECT count() AS parts FROM system.parts
    WHERE active AND database = currentDatabase() AND table = {table:String}
      AND has_lightweight_delete
"""
REMOVED: Final = """
    SELECT count() AS n FROM system.mutations
    WHERE database = currentDatabase() AND table = {table:String}
      AND command LIKE '%APPLY DELETED MASK%' AND create_time > now() - INTERVAL {days:UInt32} DAY
"""


@dataclass(slots=True)
class Erased:
    """What was taken out."""

    renamed: int = 0  # orders
    deleted: dict[str, int] = field(default_factory=dict)  # table -> rows, emptied ones too

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to take out."""
        return not self.renamed and not self.deleted


class ErasedRows:
    """Rows of some persons in one database.

    Args:
        client: of the account that writes.
        names: all that rows may have instead of a person's ids.
        before: called before each statement.

    """

    def __init__(
        self, client: Client, names: Sequence[str], before: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._names = names
        self._before = before

    def erase(self) -> Erased:
        """Take all of their rows out; changes no table that has none."""
        erased = Erased()
        for some in self._some():
            erased.renamed += self._rename(some)
            for table, columns in PERSONS.items():
                count = self._delete(table, condition(columns), some)
                if count and table != RENAMED:
                    erased.deleted[table] = erased.deleted.get(table, 0) + count
            for table, column in EMPTIED.items():
                if count := self._empty(table, column, some):
                    erased.deleted[table] = erased.deleted.get(table, 0) + count
        return erased

    def left(self) -> dict[str, int]:
        """How many of their rows each table has; tables without any are absent."""
        found: dict[str, int] = {}
        columns = {**PERSONS, **{table: (column,) for table, column in EMPTIED.items()}}
        for some in self._some():
            for table, names in columns.items():
                if count := self._count(table, condition(names), some):
                    found[table] = found.get(table, 0) + count
        return found

    def _some(self) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(self._names), AT_ONCE):
            yield {"hashes": list(self._names[start : start + AT_ONCE])}

    def _rename(self, some: Mapping[str, Any]) -> int:
        """Write orders that no worker remembers under NOBODY, with their version and age."""
        theirs = f"{condition(PERSONS[RENAMED])} AND notEmpty(kols)"
        count = self._count(f"{RENAMED} FINAL", theirs, some)
        if count:
            names = [f"`{name}`" for name in TABLES[RENAMED].all_columns]
            picked = [NAMELESS.get(name, name) for name in names]
            self._run(
                f"INSERT INTO {RENAMED} ({', '.join(names)}) SELECT {', '.join(picked)}"  # noqa: S608  # names of ours
                f" FROM {RENAMED} FINAL WHERE {theirs} SETTINGS insert_deduplicate = 0",
                some,
            )
        return count

    def _delete(self, table: str, theirs: str, some: Mapping[str, Any]) -> int:
        count = self._count(table, theirs, some)
        if count and table in HIDDEN:
            self._run(f"DELETE FROM {table} WHERE {theirs}", some)  # noqa: S608  # as above
        elif count:
            self._before()
            delete(self._client, table, theirs, some)
        return count

    def _empty(self, table: str, column: str, some: Mapping[str, Any]) -> int:
        theirs = condition((column,))
        count = self._count(table, theirs, some)
        if count:
            self._before()
            empty(self._client, table, [column], theirs, some)
        return count

    def _count(self, table: str, theirs: str, some: Mapping[str, Any]) -> int:
        self._before()
        sql = f"SELECT count() AS n FROM {table} WHERE {theirs}"  # noqa: S608  # as above
        return int(query(self._client, sql, some)[0]["n"])

    def _run(self, sql: str, some: Mapping[str, Any]) -> None:
        self._before()
        command(self._client, sql, some)


def condition(columns: Sequence[str]) -> str:
    """The condition that a row is one of some persons'.

    >>> condition(("user_hash", "anon_hash"))
    '(user_hash IN {hashes:Array(String)} OR anon_hash IN {hashes:Array(String)})'
    """
    return f"({' OR '.join(f'{name} IN {{hashes:Array(String)}}' for name in columns)})"


def remove_hidden(client: Client, before: Callable[[], None] = lambda: None) -> list[str]:
    """Begin to remove hidden rows from the disks, once in a week at the most; gives the tables."""
    removed = []
    for table in MASKED:
        given = {"table": table, "days": HIDDEN_DAYS}
        before()
        if not int(query(client, HIDES, given)[0]["parts"]):
            continue
        before()
        if not int(query(client, REMOVED, given)[0]["n"]):
            before()
            command(client, f"ALTER TABLE {table} APPLY DELETED MASK SETTINGS mutations_sync = 0")
            removed.append(table)
    return removed
