"""Keeps rows in memory as ClickHouse does: the row with the greatest version of a key wins."""

from typing import Any

from schemas.rows import TABLES, Rows
from schemas.values import Values, plain
from sinks.base import Written

Row = dict[str, Any]


class Memory:
    """A sink for tests; see `sinks.base.Sink`. Of equal versions the later one wins."""

    def __init__(self) -> None:
        self.written = dict.fromkeys(TABLES, 0)  # rows by table, replaced ones too
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}

    async def write(self, rows: Rows) -> Written:
        """Store rows.

        Raises:
            ValueError: they are not rows of a table.

        """
        rows.validate()
        table, newest = TABLES[rows.table], self._rows[rows.table]
        columns = [_without_nan(column) for column in rows.columns.values()]
        for values in zip(*columns, strict=True):
            row = dict(zip(rows.columns, values, strict=True))
            key = tuple(row[name] for name in table.key)
            if key not in newest or row["version"] >= newest[key]["version"]:
                newest[key] = row
        self.written[rows.table] += len(rows)
        return Written(rows.table, len(rows))

    async def close(self) -> None:
        """Nothing to close."""

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, in the order of its key."""
        newest = self._rows[table]
        return [newest[key] for key in sorted(newest)]


def _without_nan(column: Values) -> list[Any]:
    values = plain(column)
    return [None if isinstance(value, float) and value != value else value for value in values]  # noqa: PLR0124  # only a NaN differs from itself
