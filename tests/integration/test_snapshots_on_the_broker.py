"""Snapshots on a real broker: whole or not at all, one owner, back as they were."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from numpy.typing import NDArray

from streams.snapshots import (
    ClosedError,
    DamagedSnapshotError,
    FencedError,
    NewerFormatError,
    Opened,
    StateLog,
    UncertainCommitError,
)
from streams.snapshots.chunks import CHUNK_BYTES, chunk_key
from streams.snapshots.formats import Arrays
from streams.snapshots.history import LIFE, MANIFEST
from tests.embedded.waiting import until
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

ROWS = CHUNK_BYTES // 8


class Topic:
    """A state topic of one test's own."""

    def __init__(self, broker: str, name: str) -> None:
        self.broker = broker
        self.name = re.sub(r"\W", "-", name)

    def log(self, partition: int = 0, **settings: Any) -> StateLog:  # noqa: ANN401  # of StateLog
        client = {"bootstrap_servers": self.broker}
        return StateLog(client, self.name, "user", self.name, partition, **settings)

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[tuple[StateLog, Opened]]:  # noqa: ANN401  # as above
        async with self.log(**settings) as log:
            yield log, await log.open()

    async def restored(self) -> Opened:
        async with self.opened() as (_, found):
            return found

    async def put(self, name: bytes, value: bytes) -> None:
        """Somebody else writes to the topic."""
        async with AIOKafkaProducer(bootstrap_servers=self.broker) as producer:
            await producer.send_and_wait(self.name, value, key=name, partition=0)

    async def keys(self) -> list[bytes]:
        """Every committed record's key, as far as compaction has left them."""
        return [key for key, _ in await self.records()]

    async def newest(self, name: bytes) -> bytes:
        """The newest value of a key."""
        return [value for key, value in await self.records() if key == name][-1]

    async def records(self) -> list[tuple[bytes, bytes]]:
        """Every committed record, as far as compaction has left them."""
        tp = TopicPartition(self.name, 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker, isolation_level="read_committed",
            auto_offset_reset="earliest",
        )  # fmt: skip
        async with consumer:
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            found: list[tuple[bytes, bytes]] = []
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.key, record.value) for record in records]
            return found


@pytest.fixture
async def topic(broker: str, request: pytest.FixtureRequest) -> Topic:
    made = Topic(broker, request.node.name)
    await create_topics(broker, [made.name], 2, cleanup__policy="compact")
    return made


def same(found: Opened, arrays: Arrays) -> bool:
    restored = found.arrays
    return restored is not None and all(
        np.array_equal(restored[name], arrays[name]) for name in arrays
    )


async def test_a_new_partition_has_no_snapshot_and_its_first_life(topic: Topic) -> None:
    found = await topic.restored()

    assert (found.epoch, found.life, found.offsets, found.arrays) == (0, 1, None, None)


async def test_what_was_written_comes_back_with_its_offsets(topic: Topic) -> None:
    arrays = {"at": np.arange(3 * ROWS), "user": np.arange(10, dtype=np.uint64).reshape(5, 2)}
    async with topic.opened(meta={"users": 5}) as (log, _):
        await log.write(log.capture(arrays), {"purchases": 17})
    found = await topic.restored()

    assert same(found, arrays)
    assert found.offsets == {"purchases": 17}
    assert found.meta == {"users": 5}
    assert found.format == 1


async def test_after_many_changes_the_last_snapshot_comes_back(topic: Topic) -> None:
    rng = np.random.default_rng(3)
    arrays: dict[str, NDArray[Any]] = {"a": np.zeros(0, np.int64), "b": np.zeros(2 * ROWS)}
    async with topic.opened() as (log, _):
        for offset in range(12):
            arrays["a"] = np.concatenate([arrays["a"], rng.integers(0, 9, ROWS // 3)])
            arrays["b"][rng.integers(0, 2 * ROWS)] = offset
            arrays["c"] = rng.integers(0, 9, int(rng.integers(1, 3 * ROWS)))
            await log.write(log.capture(arrays), {"clickstream": offset})
    found = await topic.restored()

    assert same(found, arrays)
    assert found.offsets == {"clickstream": 11}


async def test_a_snapshot_writes_only_what_changed(topic: Topic) -> None:
    column = np.arange(8 * ROWS)
    async with topic.opened() as (log, _):
        first = await log.write(log.capture({"a": column}), {})
        column[5 * ROWS] = -1
        second = await log.write(log.capture({"a": column}), {})
        third = await log.write(log.capture({"a": column}), {})

    assert [w.chunks for w in (first, second, third)] == [8, 1, 0]
    assert second.written_bytes == CHUNK_BYTES
    assert second.state_bytes == column.nbytes


async def test_what_keeps_changing_is_written_as_deltas_and_comes_back(topic: Topic) -> None:
    rng = np.random.default_rng(5)
    column = np.zeros(8 * ROWS, np.int64)
    sizes: list[int] = []
    for _ in range(3):
        async with topic.opened() as (log, found):
            assert found.arrays is None or same(found, {"a": column})
            for _ in range(5):
                column[rng.integers(0, len(column), 50)] += 1
                sizes.append((await log.write(log.capture({"a": column}), {})).written_bytes)
    whole = 8 * CHUNK_BYTES

    assert sizes[0] == sizes[1] == sizes[5] == sizes[10] == whole  # bases: nothing is remembered
    assert max(sizes[2:5] + sizes[6:10] + sizes[11:]) < whole // 100
    assert same(await topic.restored(), {"a": column})


async def test_a_snapshot_from_before_deltas_is_taken_over(topic: Topic) -> None:
    """Of layout 1, as it was written then."""
    column = np.arange(5)
    described = {"a": ("<i8", (5,), (xxhash.xxh3_64_intdigest(column.tobytes()),))}
    manifest = {"format": 1, "epoch": 0, "life": 4, "offsets": {"purchases": 9}}
    body = msgspec.msgpack.encode(manifest | {"arrays": described, "meta": {}})
    await topic.put(chunk_key("a", 0), column.tobytes())
    await topic.put(b"manifest", b"\x01" + xxhash.xxh3_64_digest(body) + body)
    async with topic.opened() as (log, found):
        assert same(found, {"a": column})
        assert (found.life, found.offsets) == (5, {"purchases": 9})
        for number in range(3):
            column[0] = number
            await log.write(log.capture({"a": column}), {})

    assert same(await topic.restored(), {"a": column})


async def test_a_restart_goes_on_writing_only_what_changed(topic: Topic) -> None:
    column = np.arange(8 * ROWS)
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": column}), {})
    async with topic.opened() as (log, found):
        assert found.arrays is not None
        written = await log.write(log.capture(found.arrays), {})

    assert written.chunks == 0


async def test_life_rises_with_every_opening_also_without_a_snapshot_between(topic: Topic) -> None:
    lives = [(await topic.restored()).life for _ in range(3)]
    async with topic.opened() as (log, found):
        await log.write(log.capture({}), {})
        lives.append(found.life)
    lives.append((await topic.restored()).life)

    assert lives == [1, 2, 3, 4, 5]


async def test_a_meant_loss_of_state_raises_the_epoch_for_good(topic: Topic) -> None:
    async with topic.log(epoch=3) as log:
        raised = await log.open(raise_epoch=True)
    later = await topic.restored()

    assert (raised.epoch, later.epoch) == (4, 4)


async def test_the_epoch_is_not_raised_while_there_is_a_snapshot(topic: Topic) -> None:
    async with topic.opened() as (log, _):
        await log.write(log.capture({}), {})
    async with topic.log() as log:
        found = await log.open(raise_epoch=True)

    assert found.epoch == 0


async def test_partitions_do_not_see_each_other(topic: Topic) -> None:
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": np.arange(3)}), {})
    async with topic.log(partition=1) as log:
        found = await log.open()

    assert (found.life, found.arrays) == (1, None)


async def test_opening_fences_the_former_owner(topic: Topic) -> None:
    async with topic.opened() as (old, _):
        await old.write(old.capture({"a": np.arange(3)}), {"purchases": 1})
        async with topic.opened() as (new, _):
            for _ in range(2):
                with pytest.raises(FencedError):
                    await old.write(old.capture({"a": np.zeros(3)}), {"purchases": 2})
            await new.write(new.capture({"a": np.ones(3)}), {"purchases": 3})
    found = await topic.restored()

    assert same(found, {"a": np.ones(3)})
    assert found.offsets == {"purchases": 3}


async def test_opening_aborts_what_the_former_owner_had_begun(topic: Topic) -> None:
    async with topic.opened() as (old, _):
        await old.write(old.capture({"a": np.arange(3)}), {})
        producer = old._writer._producer
        assert producer is not None
        await producer.begin_transaction()
        await producer.send_and_wait(topic.name, b"half", key=chunk_key("a", 0), partition=0)
        found = await topic.restored()
        with pytest.raises(FencedError):
            await old.write(old.capture({}), {})

    assert same(found, {"a": np.arange(3)})


async def test_a_snapshot_cut_off_before_its_commit_leaves_the_former_one(topic: Topic) -> None:
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": np.zeros(ROWS)}), {"purchases": 1})
        writing = asyncio.create_task(
            log.write(log.capture({"a": np.ones(90 * ROWS)}), {"purchases": 2})
        )
        producer = log._writer._producer
        assert producer is not None
        await asyncio.to_thread(until, producer._txn_manager.is_in_transaction)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        later = await log.write(log.capture({"a": np.full(ROWS, 2.0)}), {"purchases": 3})
    found = await topic.restored()

    assert later.chunks == 1
    assert same(found, {"a": np.full(ROWS, 2.0)})


async def test_a_commit_cut_off_half_way_is_not_guessed_about(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with topic.opened() as (log, _):
        producer = log._writer._producer
        assert producer is not None

        async def never() -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(producer, "commit_transaction", never)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log.write(log.capture({"a": np.ones(3)}), {}), 0.5)
        with pytest.raises(UncertainCommitError):
            await log.write(log.capture({"a": np.ones(3)}), {})


def doubled(arrays: Arrays) -> Arrays:
    """Format 2 of these tests: twice the numbers, and a column more."""
    return {"a": 2 * arrays["a"], "b": np.arange(ROWS)}


async def test_an_older_format_is_read_in_place_and_the_next_snapshot_is_whole(
    topic: Topic,
) -> None:
    old = np.arange(3 * ROWS)
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": old, "gone": old}), {"purchases": 7})
        old[5] += 1
        await log.write(log.capture({"a": old, "gone": old}), {"purchases": 8})  # bases to keep
        old[5] += 1
        await log.write(log.capture({"a": old, "gone": old}), {"purchases": 9})  # deltas
    async with topic.opened(conversions=(doubled,)) as (log, found):
        assert (found.format, found.offsets) == (1, {"purchases": 9})
        assert same(found, {"a": 2 * old, "b": np.arange(ROWS)})
        assert found.arrays is not None
        taken = log.capture(found.arrays)
        await log.write(taken, {"purchases": 9})
    async with topic.opened(conversions=(doubled,)) as (log, again):
        assert (again.format, same(again, found.arrays)) == (2, True)
        assert log.capture(found.arrays).changed == {}

    whole = {chunk_key(name, at) for name, n in {"a": 3, "b": 1}.items() for at in range(n)}
    assert set(taken.changed) == whole
    newest = dict(await topic.records())
    assert {key for key, value in newest.items() if value} == {*whole, MANIFEST, LIFE}


async def test_a_newer_format_is_refused_and_says_the_way_back(topic: Topic) -> None:
    async with topic.opened(conversions=(doubled,)) as (log, _):
        await log.write(log.capture({}), {})
    async with topic.log() as log:
        with pytest.raises(NewerFormatError, match=r"format 2, .* up to 1\. .*way back .*replay"):
            await log.open()


async def test_chunks_without_a_manifest_are_left_out_and_the_next_snapshot_is_whole(
    topic: Topic,
) -> None:
    """So half of a snapshot looks that was committed: by a late request, or by somebody else."""
    column = np.arange(3 * ROWS)
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": column}), {"purchases": 7})
    await topic.put(chunk_key("a", 0), b"half of a snapshot")
    await topic.put(chunk_key("b", 4), b"more of it")
    async with topic.opened() as (log, found):
        assert same(found, {"a": column})
        assert found.offsets == {"purchases": 7}
        written = await log.write(log.capture({"a": column}), {"purchases": 7})
    again = await topic.restored()

    assert written.chunks == 3
    assert same(again, {"a": column})


async def test_a_damaged_snapshot_falls_back_to_the_one_before_it(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": np.arange(3)}), {"purchases": 7})
        await log.write(log.capture({"a": np.arange(4)}), {"purchases": 9})
    manifest = await topic.newest(MANIFEST)
    await topic.put(chunk_key("a", 0), np.arange(1, 5).tobytes())
    await topic.put(MANIFEST, manifest)
    async with topic.opened() as (log, found):
        written = await log.write(log.capture({"a": np.arange(5)}), {"purchases": 11})
    again = await topic.restored()

    assert same(found, {"a": np.arange(4)})
    assert found.offsets == {"purchases": 9}
    assert found.fell_back
    assert "fell back to an older snapshot: a: the checksum of chunk 0 is wrong" in caplog.text
    assert written.chunks == 1
    assert same(again, {"a": np.arange(5)})
    assert not again.fell_back


async def test_where_no_snapshot_is_whole_nothing_is_guessed(topic: Topic) -> None:
    async with topic.opened() as (log, _):
        await log.write(log.capture({"a": np.arange(3)}), {})
    manifest = await topic.newest(MANIFEST)
    for value in (1, 2):  # as many as are remembered
        await topic.put(chunk_key("a", 0), np.arange(value, value + 3).tobytes())
        await topic.put(MANIFEST, manifest)
    async with topic.log() as log:
        with pytest.raises(DamagedSnapshotError, match="checksum of chunk 0"):
            await log.open()


async def test_a_life_nobody_can_read_is_refused(topic: Topic) -> None:
    await topic.put(b"life", b"\xc1")
    async with topic.log() as log:
        with pytest.raises(DamagedSnapshotError):
            await log.open()


async def test_writing_to_a_log_that_is_not_open_is_an_error(topic: Topic) -> None:
    log = topic.log()
    with pytest.raises(ClosedError, match="not open"):
        await log.write(log.capture({}), {})


async def test_closing_lets_a_snapshot_under_way_end(topic: Topic) -> None:
    async with topic.opened() as (log, _):
        writing = asyncio.create_task(log.write(log.capture({"a": np.ones(9 * ROWS)}), {}))
        producer = log._writer._producer
        assert producer is not None
        await asyncio.to_thread(until, producer._txn_manager.is_in_transaction)
    written = await writing

    assert written.chunks == 9
    assert same(await topic.restored(), {"a": np.ones(9 * ROWS)})


async def test_closing_does_not_wait_for_ever(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.snapshots.statelog.CLOSE_S", 0.1)
    async with topic.opened() as (log, _):
        producer = log._writer._producer
        assert producer is not None
        closed = asyncio.Event()

        async def late() -> None:
            await closed.wait()
            raise ConnectionError

        monkeypatch.setattr(producer, "commit_transaction", late)
        writing = asyncio.create_task(log.write(log.capture({"a": np.ones(3)}), {}))
        await asyncio.to_thread(until, producer._txn_manager.is_in_transaction)
    closed.set()
    with pytest.raises(ClosedError, match="closed meanwhile"):
        await writing


async def test_sixty_megabytes_come_back_as_they_were(topic: Topic) -> None:
    arrays = {"a": np.random.default_rng(1).integers(0, 2**60, 7_500_000)}
    async with topic.opened() as (log, _):
        written = await log.write(log.capture(arrays), {})
    found = await topic.restored()

    assert written.state_bytes == 60_000_000
    assert same(found, arrays)


async def test_after_compaction_the_newest_snapshot_is_all_that_is_needed(
    broker: str, request: pytest.FixtureRequest
) -> None:
    topic = Topic(broker, request.node.name)
    await create_topics(
        broker, [topic.name], 2, cleanup__policy="compact", segment__bytes=str(1 << 20),
        min__cleanable__dirty__ratio="0.01", delete__retention__ms="0",
    )  # fmt: skip
    written = 0
    column, often = np.zeros(4 * ROWS), np.zeros(ROWS)
    async with topic.opened() as (log, _):
        for turn in range(20):
            column[:] = turn
            often[turn] = turn
            arrays = {"a": column, "often": often, f"only-{turn}": np.ones(1)}
            written += (await log.write(log.capture(arrays), {"purchases": turn})).chunks + 1
    async with asyncio.timeout(60):
        while len(await topic.keys()) > written // 2:  # each look takes a while
            pass
    found = await topic.restored()

    assert same(found, {"a": column, "often": often, "only-19": np.ones(1)})
    assert found.arrays is not None
    assert set(found.arrays) == {"a", "often", "only-19"}
    assert found.offsets == {"purchases": 19}


# a writer that is killed by its own hand before the `n`-th record of its second snapshot
KILLED = """
import asyncio, os, signal, sys
import numpy as np
from streams.snapshots import StateLog

async def main(broker, topic, n):
    log = StateLog({"bootstrap_servers": broker}, topic, "user", topic, 0)
    await log.open()
    await log.write(log.capture({"a": np.zeros(4 * 32768)}), {"purchases": 1})
    producer, left = log._writer._producer, [n]
    send = producer.send
    async def counted(*words, **named):
        if not left[0]:
            await producer.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return await send(*words, **named)
    producer.send = counted
    commit = producer.commit_transaction
    async def late():
        await producer.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    producer.commit_transaction = late
    await log.write(log.capture({"a": np.ones(4 * 32768)}), {"purchases": 2})

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("records", [0, 1, 4, 5])
async def test_a_writer_killed_between_chunks_leaves_the_former_snapshot(
    topic: Topic, records: int
) -> None:
    words = [sys.executable, "-c", KILLED, topic.broker, topic.name, str(records)]
    root = Path(__file__).parents[2]
    died = await asyncio.to_thread(
        subprocess.run, words, check=False, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    found = await topic.restored()

    assert died.returncode == -signal.SIGKILL
    assert same(found, {"a": np.zeros(4 * ROWS)})
    assert (found.offsets, found.life) == ({"purchases": 1}, 2)
