"""What waits is joined; everyone gets an answer."""

import asyncio

import pytest

from schemas.rows import Rows
from sinks.base import SinkStopped
from sinks.buffer import Buffer
from tests.sinks.samples import doors


class Slow:
    """An insert that waits for its gate; refuses rows whose count is 13."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None

    async def __call__(self, rows: Rows) -> frozenset[int]:
        self.sizes.append(len(rows))
        await self.gate.wait()
        if self.error:
            raise self.error
        return frozenset(i for i, n in enumerate(rows.columns["n"]) if n == 13)


async def started(buffer: Buffer, *parts: Rows) -> list[asyncio.Task[int]]:
    """Tasks that have put their parts."""
    tasks = [asyncio.create_task(buffer.put(part)) for part in parts]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_no_more_is_joined_than_an_insert_takes() -> None:
    insert = Slow()
    buffer = Buffer(insert, 4)
    tasks = await started(buffer, doors(1))
    tasks += await started(buffer, doors(1, 2), doors(1, 2), doors(1), doors(1, 2, 3, 4))
    insert.gate.set()
    await asyncio.gather(*tasks)

    assert insert.sizes == [1, 4, 1, 4]


async def test_each_learns_how_many_of_its_own_rows_were_refused() -> None:
    insert = Slow()
    buffer = Buffer(insert, 99)
    tasks = await started(buffer, doors(13))
    tasks += await started(buffer, doors(1), doors(13, 2, 13), doors(3, 13))
    insert.gate.set()

    assert await asyncio.gather(*tasks) == [1, 0, 2, 1]


async def test_an_error_reaches_all_whose_rows_were_in_the_insert_and_no_other() -> None:
    insert = Slow()
    insert.error = SinkStopped("why")
    buffer = Buffer(insert, 2)
    failing = await started(buffer, doors(1), doors(2))
    insert.gate.set()
    with pytest.raises(SinkStopped, match="why"):
        await failing[0]
    insert.error = None

    assert await buffer.put(doors(3)) == 0


async def test_it_begins_again_after_a_rest() -> None:
    insert = Slow()
    insert.gate.set()
    buffer = Buffer(insert, 9)

    assert [await buffer.put(doors(1)), await buffer.put(doors(13))] == [0, 1]


async def test_closing_at_rest_is_nothing() -> None:
    await Buffer(Slow(), 9).close()


async def test_closing_fails_whoever_still_waits() -> None:
    insert = Slow()
    buffer = Buffer(insert, 1)
    tasks = await started(buffer, doors(1), doors(2))
    await buffer.close(0.0)

    for task in tasks:
        with pytest.raises(SinkStopped, match="closed"):
            await task


async def test_one_who_no_longer_waits_gets_no_answer() -> None:
    insert = Slow()
    buffer = Buffer(insert, 9)
    gone, failed = await started(buffer, doors(1), doors(2))
    gone.cancel()
    insert.error = SinkStopped("why")
    insert.gate.set()
    with pytest.raises(SinkStopped):
        await failed

    assert gone.cancelled()
