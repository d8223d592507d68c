"""The sink in memory keeps the contract."""

from collections.abc import Sequence
from typing import Any

import pytest

from sinks.memory import Memory
from tests.sinks.contract import SinkContract
from tests.sinks.samples import doors


class TestMemory(SinkContract):
    @pytest.fixture
    def sink(self) -> Memory:
        self._sink = Memory()
        return self._sink

    async def read(self, table: str) -> Sequence[dict[str, Any]]:
        return self._sink.rows(table)


async def test_replaced_rows_count_as_told() -> None:
    sink = Memory()
    await sink.write(doors(1, 2))
    await sink.write(doors(3))
    await sink.close()

    assert sink.written["door_count"] == 3
    assert len(sink.rows("door_count")) == 2
