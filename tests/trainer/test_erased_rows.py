"""Which tables lose their hidden rows in a night."""

from collections.abc import Collection
from typing import Any, cast

import msgspec

from schemas.dimensions import DIMENSIONS
from streams.trainer.erased_rows import remove_hidden


class Parts:
    """A database of which some tables have parts that hide rows."""

    def __init__(self, hiding: Collection[str], lately: Collection[str] = ()) -> None:
        self.hiding, self.lately = hiding, lately
        self.applied: list[str] = []

    def raw_query(self, sql: str, *, parameters: dict[str, Any], **_: object) -> bytes:
        table = parameters["table"]
        if "system.parts" in sql:
            return msgspec.json.encode({"parts": int(table in self.hiding)})
        return msgspec.json.encode({"n": int(table in self.lately)})

    def command(self, sql: str, **_: object) -> None:
        assert "APPLY DELETED MASK" in sql
        self.applied.append(sql.split()[2])


def test_rows_that_a_dimension_hides_leave_the_disks_too() -> None:
    """A lightweight deletion takes out what a record that took a key back stands above."""
    tables = ["event", *(one.table for one in DIMENSIONS)]
    parts = Parts(tables)

    assert remove_hidden(cast("Any", parts)) == tables
    assert parts.applied == tables


def test_a_table_that_hides_nothing_or_was_cleared_lately_is_left_alone() -> None:
    parts = Parts({"event", "identity_dim"}, lately={"event"})

    assert remove_hidden(cast("Any", parts)) == ["identity_dim"]
