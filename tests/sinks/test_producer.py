"""Blocks and dead letters: to their partitions, in order, and safe when `send` returns."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Rejected
from schemas.topics import CELLS, DEAD_LETTER_BYTES, DEAD_LETTERS
from sinks import producer as producing
from sinks.base import SinkStopped
from sinks.blocks import Blocks
from sinks.deadletter import DeadLetters
from sinks.producer import BATCH_BYTES, Producer, Record
from tests.sinks.brokers import Brokers

CLIENT = {"bootstrap_servers": "nowhere:9092"}


@pytest.fixture(autouse=True)
def _brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "AIOKafkaProducer", Brokers)


def rejected(raw: bytes | None = b"{", offset: int = 7) -> Rejected:
    return Rejected("purchases", 3, offset, 1, "not_json", "cut short", raw)


async def test_blocks_go_to_their_partitions() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    await blocks.send([(0, b"a"), (2, b"b"), (0, b"c")])
    await blocks.stop()

    assert Brokers.last.kept[CELLS, 0] == [(None, b"a", []), (None, b"c", [])]
    assert Brokers.last.kept[CELLS, 2] == [(None, b"b", [])]
    assert Brokers.last.is_stopped


async def test_a_letter_is_the_message_with_where_it_was_and_why() -> None:
    letters = DeadLetters(CLIENT)
    await letters.start()
    await letters.send([rejected(), rejected(None, 8)])
    await letters.stop()

    first, second = Brokers.last.kept[DEAD_LETTERS, 3]

    assert first == (
        b"purchases/3/7",
        b"{",
        [("topic", b"purchases"), ("partition", b"3"), ("offset", b"7"), ("reason", b"not_json")],
    )
    assert second[1] is None
    assert Brokers.last.options["max_request_size"] == DEAD_LETTER_BYTES


def test_in_every_partition_the_order_stays_however_large_the_records() -> None:
    sizes = st.sampled_from([1, BATCH_BYTES // 3, BATCH_BYTES + 1])
    several = st.lists(st.tuples(st.integers(0, 3), sizes), max_size=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(producing, "AIOKafkaProducer", Brokers)

        @given(several)
        def law(given_records: list[tuple[int, int]]) -> None:
            records = [Record(p, b"%d" % i + b"." * n) for i, (p, n) in enumerate(given_records)]

            async def run() -> None:
                producer = Producer(CLIENT, "t", 1 << 20)
                await producer.start()
                await producer.send(records)

            asyncio.run(run())
            for partition in range(4):
                kept = [value for _, value, _ in Brokers.last.kept["t", partition]]
                assert kept == [r.value for r in records if r.partition == partition]

        law()


async def test_sending_returns_only_when_the_brokers_have_it() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    Brokers.last.gate.clear()
    sending = asyncio.create_task(blocks.send([(0, b"a")]))
    await asyncio.sleep(0.01)
    waits = not sending.done()
    Brokers.last.gate.set()
    await sending

    assert waits


async def test_what_the_brokers_refuse_stops() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    Brokers.last.errors.append(MessageSizeTooLargeError())
    with pytest.raises(SinkStopped, match="kol-cells was not written"):
        await blocks.send([(0, b"a"), (1, b"b")])

    await asyncio.sleep(0)


async def test_a_partition_that_is_not_there_stops_and_says_what_to_do() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    with pytest.raises(SinkStopped, match="kol topics"):
        await blocks.send([(99, b"a")])


async def test_nothing_is_sent_before_the_start_or_after_the_stop() -> None:
    letters = DeadLetters(CLIENT)
    with pytest.raises(RuntimeError, match="not started"):
        await letters.send([rejected()])
    await letters.start()
    await letters.stop()
    await letters.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await letters.send([rejected()])


async def test_nothing_to_send_is_no_request() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    await blocks.send([])

    assert Brokers.last.batches == 0


async def test_starting_twice_connects_once() -> None:
    blocks = Blocks(CLIENT)
    await blocks.start()
    connected = Brokers.last
    await blocks.start()

    assert Brokers.last is connected


async def test_a_start_that_fails_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Brokers) -> None:
        raise ConnectionError

    monkeypatch.setattr(Brokers, "start", fails)
    blocks = Blocks(CLIENT)
    with pytest.raises(ConnectionError):
        await blocks.start()

    assert Brokers.last.is_stopped
    with pytest.raises(RuntimeError, match="not started"):
        await blocks.send([(0, b"a")])


@pytest.mark.parametrize("is_started", [False, True])
async def test_brokers_that_are_away_do_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, *, is_started: bool
) -> None:
    async def fails(_: Brokers) -> None:
        raise ConnectionError

    async def never(_: Brokers) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Brokers, "stop", never)
    blocks = Blocks(CLIENT)
    async with asyncio.timeout(10 * producing.STOP_SECONDS):
        if is_started:
            await blocks.start()
            await blocks.stop()
        else:
            monkeypatch.setattr(Brokers, "start", fails)
            with pytest.raises(ConnectionError):
                await blocks.start()

    assert Brokers.last.is_torn_down


async def test_connections_whose_closing_was_cut_off_cancel_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def closes(*_: Brokers) -> None:
        await asyncio.gather(closing)

    monkeypatch.setattr(Brokers, "stop", closes)
    blocks = Blocks(CLIENT)
    await blocks.start()
    Brokers.last.client = SimpleNamespace(close=closes)

    await blocks.stop()


async def test_who_is_cancelled_while_connections_close_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: Brokers) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Brokers, "stop", never)
    blocks = Blocks(CLIENT)
    await blocks.start()
    Brokers.last.client = SimpleNamespace(close=never)
    stopping = asyncio.create_task(blocks.stop())
    await asyncio.sleep(3 * producing.STOP_SECONDS)
    stopping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stopping
