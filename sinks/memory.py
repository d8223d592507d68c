"""Rows in memory, with what ClickHouse makes of them: the greatest version of a key stands."""

from typing import Any

import numpy as np

from schemas.rows import TABLES, Rows
from sinks.base import Written

Row = dict[str, Any]


class Memory:
    """A sink for tests and trials; see `sinks.base.Sink`. Of equal versions the later stands."""

    def __init__(self) -> None:
        self.told = dict.fromkeys(TABLES, 0)  # rows taken, replaced ones too
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}

    async def write(self, rows: Rows) -> Written:
        """Take rows.

        Raises:
            ValueError: they are not rows of a table.

        """
        rows.validate()
        table, standing = TABLES[rows.table], self._rows[rows.table]
        columns = [_plain(column) for column in rows.columns.values()]
        for values in zip(*columns, strict=True):
            row = dict(zip(rows.columns, values, strict=True))
            key = tuple(row[name] for name in table.key)
            if key not in standing or row["version"] >= standing[key]["version"]:
                standing[key] = row
        self.told[rows.table] += len(rows)
        return Written(rows.table, len(rows))

    async def close(self) -> None:
        """Nothing to let go of."""

    def rows(self, table: str) -> list[Row]:
        """What stands in a table, in the order of its key."""
        standing = self._rows[table]
        return [standing[key] for key in sorted(standing)]


def _plain(column: Any) -> list[Any]:  # noqa: ANN401  # a list or an array of anything
    values = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return [None if isinstance(value, float) and value != value else value for value in values]  # noqa: PLR0124  # only a NaN differs from itself
