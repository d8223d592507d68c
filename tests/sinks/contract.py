"""What every sink must do, whatever stands behind it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.rows import TABLES, Rows
from sinks.base import Sink
from tests.sinks.samples import MAY, MONTH, cells, doors, order, orders, rows

FAR = 4_000_000_000_000  # milliseconds: a row of the year 2096 is not too old to be kept


class SinkContract(ABC):
    """Heirs say what `sink` is and how to `read` it."""

    @abstractmethod
    async def read(self, table: str) -> Sequence[dict[str, Any]]:
        """What stands in a table, in the order of its key, without server columns."""

    async def test_what_was_written_stands(self, sink: Sink) -> None:
        written = await sink.write(doors(3, 4))

        assert written.rows == 2
        assert [row["n"] for row in await self.read("door_count")] == [3, 4]

    async def test_writing_twice_is_writing_once(self, sink: Sink) -> None:
        await sink.write(doors(3, 4))
        await sink.write(doors(3, 4))

        assert [row["n"] for row in await self.read("door_count")] == [3, 4]

    async def test_the_greater_version_stands_whichever_comes_first(self, sink: Sink) -> None:
        await sink.write(doors(5, version=2))
        await sink.write(doors(4, version=1))
        await sink.write(doors(6, version=3))

        assert [row["n"] for row in await self.read("door_count")] == [6]

    async def test_of_equal_versions_the_later_stands(self, sink: Sink) -> None:
        await sink.write(doors(5))
        await sink.write(doors(4))

        assert [row["n"] for row in await self.read("door_count")] == [4]

    async def test_x_then_y_then_x_leaves_x(self, sink: Sink) -> None:
        for n in (1, 2, 1):
            await sink.write(doors(n))

        assert [row["n"] for row in await self.read("door_count")] == [1]

    async def test_no_rows_are_no_insert(self, sink: Sink) -> None:
        written = await sink.write(doors())

        assert written.rows == 0
        assert not await self.read("door_count")

    async def test_arrays_and_lists_are_as_good(self, sink: Sink) -> None:
        await sink.write(cells(0, 1, users=7))

        found = await self.read("minute_cell")

        assert [(row["minute"], row["users"]) for row in found] == [(MAY, 7), (MAY + 60, 7)]

    async def test_an_order_comes_back_as_it_was_told(self, sink: Sink) -> None:
        told = order("o/1 \x00 '\\ 母婴", ["k2", "k1", "k2"], {"linear": {"k1": 34, "k2": 66}})
        await sink.write(orders(told))

        (found,) = await self.read("order_credit")

        assert {name: found[name] for name in told} == told

    async def test_an_order_of_nobody_has_arrays_of_one(self, sink: Sink) -> None:
        await sink.write(orders(order("o1"), order("o2", ["k1"])))

        found = await self.read("order_credit")

        assert [row["kols"] for row in found] == [["organic"], ["k1"]]

    async def test_rows_of_three_years_are_written_at_once(self, sink: Sink) -> None:
        many = [order(f"o{i}", ordered_at=(MAY - i * MONTH) * 1000) for i in range(36)]
        await sink.write(orders(*many))

        assert len(await self.read("order_credit")) == 36

    async def test_a_nan_and_a_none_are_null(self, sink: Sink) -> None:
        given = rows(
            "kol_score",
            [
                {"kol_id": "k1", "minute": MAY, "trust": 0.5, "resonance": None},
                {"kol_id": "k2", "minute": MAY, "trust": float("nan"), "resonance": 0.25},
            ],
        )
        await sink.write(given)

        found = await self.read("kol_score")

        assert [(row["trust"], row["resonance"]) for row in found] == [(0.5, None), (None, 0.25)]

    @pytest.mark.parametrize("table", [t.name for t in TABLES.values() if not t.derived])
    async def test_every_table_takes_rows(self, sink: Sink, table: str) -> None:
        await sink.write(rows(table, [{"received_at": FAR}]))  # where the age counts from it

        assert len(await self.read(table)) == 1

    async def test_the_greatest_numbers_fit(self, sink: Sink) -> None:
        given = doors(2**64 - 1, version=2**64 - 1)
        await sink.write(given)

        (found,) = await self.read("door_count")

        assert (found["n"], found["version"]) == (2**64 - 1, 2**64 - 1)

    async def test_rows_of_no_table_are_refused_whole(self, sink: Sink) -> None:
        with pytest.raises(ValueError, match="no table for writers"):
            await sink.write(Rows("nowhere", {"n": [1]}))
