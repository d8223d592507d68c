"""Where a partition ends once no open transaction hides records behind its stable end.

A reader of committed records sees a partition only up to its *last stable offset*, the first
record of a transaction that is still open. Whoever takes that for the end misses what others
have committed behind it. So the end is taken as records were appended, and the stable end has
to reach it: the transaction that is in the way ends, is aborted by its own successor, or runs
out of time.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import ExpectedError

WAIT_S: Final = 30.0  # a commit takes 25 ms; markers of a broker that restarts take seconds
LOOK_S: Final = 0.1


class OpenTransactionError(ExpectedError):
    """A transaction stays open and hides records that are needed.

    Args:
        open_at: topic partition -> its last stable offset: there the transaction begins.
        seconds: for which it was waited for.

    """

    def __init__(self, open_at: Mapping[TopicPartition, int], seconds: float) -> None:
        where = ", ".join(f"{tp.topic}/{tp.partition} at {at}" for tp, at in open_at.items())
        super().__init__(
            f"a transaction has been open for more than {seconds:g} s and hides what comes after "
            f"it: {where}. `kol doctor` names its producer; stop that one, or end its transaction "
            "with kafka-transactions.sh"
        )
        self.open_at = dict(open_at)


async def stable_ends(
    client: Mapping[str, Any], tps: Iterable[TopicPartition], seconds: float | None = None
) -> dict[TopicPartition, int]:
    """The end of each partition as of now, once it can be read by whoever reads committed records.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        tps: which partitions.
        seconds: for how long an open transaction is waited for; by default `WAIT_S`.

    Raises:
        OpenTransactionError: one stays open.

    """
    seconds = WAIT_S if seconds is None else seconds
    wanted = list(tps)
    ends = await _ends(client, wanted, "read_uncommitted")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with _Consumer(client, "read_committed") as consumer:
        while True:
            stable = await consumer.end_offsets(wanted)
            open_at = {tp: stable[tp] for tp in wanted if stable[tp] < ends[tp]}
            if not open_at:
                return ends
            if loop.time() >= deadline:
                raise OpenTransactionError(open_at, seconds)
            await asyncio.sleep(LOOK_S)


async def has_records_from(client: Mapping[str, Any], tp: TopicPartition, offset: int) -> bool:
    """Whether a partition holds committed records at or behind an offset.

    Raises:
        OpenTransactionError: that cannot be seen yet.

    """
    end = (await stable_ends(client, [tp]))[tp]
    async with _Consumer(client, "read_committed") as consumer:
        consumer.assign([tp])
        consumer.seek(tp, offset)
        while await consumer.position(tp) < end:
            if await consumer.getmany(tp, timeout_ms=int(LOOK_S * 1000)):
                return True
    return False


async def _ends(
    client: Mapping[str, Any], tps: list[TopicPartition], isolation: str
) -> dict[TopicPartition, int]:
    async with _Consumer(client, isolation) as consumer:
        return dict(await consumer.end_offsets(tps))


class _Consumer:
    """A consumer without a group, as an async context."""

    def __init__(self, client: Mapping[str, Any], isolation: str) -> None:
        self._consumer = AIOKafkaConsumer(
            isolation_level=isolation, enable_auto_commit=False, **client
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        await self._consumer.start()
        await asyncio.sleep(0)  # its tasks begin: one that never began cannot be stopped quietly
        return self._consumer

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
