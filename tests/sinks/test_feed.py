"""Events reach their partitions in order, and nobody believes they did when they did not."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from sinks import feed as feeding
from sinks.feed import Feed, FeedError
from tests.sinks.brokers import Brokers


@pytest.fixture(autouse=True)
def _brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "AIOKafkaProducer", Brokers)


def feed(**options: Any) -> Feed:  # noqa: ANN401  # as the feed's
    return Feed("nowhere:9092", **({"batch_bytes": 200} | options))


def values(topic: str, partition: int) -> list[bytes | None]:
    return [value for _, value, _ in Brokers.last.kept[topic, partition]]


async def test_what_is_sent_is_there_after_the_flush() -> None:
    async with feed() as out:
        await out.send("t", 1, b"k", b"v", [("h", b"x")])
        await out.send("t", 1, None, b"w")
        await out.send("t", 1, b"k", None)
        await out.flush()

        assert Brokers.last.kept["t", 1] == [
            (b"k", b"v", [("h", b"x")]),
            (None, b"w", []),
            (b"k", None, []),
        ]


def test_in_every_partition_the_order_stays() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "AIOKafkaProducer", Brokers)

        @given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 5))
        def law(partitions: list[int], in_flight: int) -> None:
            async def run() -> None:
                async with feed(in_flight=in_flight) as out:
                    for i, partition in enumerate(partitions):
                        await out.send("t", partition, None, b"%d" % i)

            asyncio.run(run())
            for partition in range(4):
                sent = [b"%d" % i for i, p in enumerate(partitions) if p == partition]
                assert values("t", partition) == sent

        law()


async def test_leaving_the_context_flushes_and_lets_go() -> None:
    async with feed() as out:
        await out.send("t", 0, None, b"v")

    assert values("t", 0) == [b"v"]
    assert Brokers.last.is_stopped


async def test_a_batch_leaves_a_moment_after_its_first_record() -> None:
    async with feed(linger_seconds=0.01) as out:
        await out.send("t", 0, None, b"v")
        while not values("t", 0):  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.001)


async def test_records_are_counted_by_topic() -> None:
    async with feed() as out:
        for i in range(30):
            await out.send("t" if i % 3 else "u", 0, None, b"v" * 50)
        await out.flush()

        assert out.sent == out.delivered == Counter(t=20, u=10)


async def test_no_more_is_under_way_than_was_said() -> None:
    async with feed(in_flight=3) as out:
        for i in range(200):
            await out.send("t", i % 4, None, b"v" * 50)

    assert Brokers.last.most_under_way <= 3


async def test_who_sends_waits_while_the_brokers_do_not_answer() -> None:
    async with feed(in_flight=1) as out:
        Brokers.last.gate.clear()
        sending = asyncio.create_task(send_many(out, 50))
        await asyncio.sleep(0.01)
        waits = not sending.done()
        Brokers.last.gate.set()
        await sending

    assert waits
    assert len(values("t", 0)) == 50


async def send_many(out: Feed, n: int) -> None:
    for _ in range(n):
        await out.send("t", 0, None, b"v" * 50)


async def refused_then_flushed() -> None:
    async with feed() as out:
        Brokers.last.errors.append(MessageSizeTooLargeError())
        await out.send("t", 2, None, b"v" * 999)
        await out.flush()


async def test_a_refused_batch_is_an_error_of_the_flush() -> None:
    with pytest.raises(FeedError, match="t/2: 1 records"):
        await refused_then_flushed()

    assert Brokers.last.is_stopped


async def refused_then_more() -> None:
    async with feed() as out:
        Brokers.last.errors.append(MessageSizeTooLargeError())
        while True:
            await out.send("t", 0, None, b"v" * 50)


async def test_a_refused_batch_stops_who_sends_on() -> None:
    with pytest.raises(FeedError):
        await refused_then_more()


async def lingered_then_one_more() -> None:
    async with feed(linger_seconds=0.001) as out:
        Brokers.last.errors.append(MessageSizeTooLargeError())
        await out.send("t", 0, None, b"v")
        while not Brokers.last.batches:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        await out.send("t", 1, None, b"v")
        pytest.fail("the record was taken")


async def test_a_batch_that_lingered_and_was_refused_is_reported_at_the_next_record() -> None:
    with pytest.raises(FeedError, match="t/0: 1 records"):
        await lingered_then_one_more()


async def answered_then_not(out: Feed) -> None:
    async with out:
        await out.send("u", 0, None, b"v")
        await out.flush()
        Brokers.last.gate.clear()
        while True:
            await out.send("t", out.sent["t"] % 4, None, b"v" * 50)


async def test_an_error_and_the_counters_account_for_every_record() -> None:
    out = feed(in_flight=2, give_up_seconds=0.05)
    with pytest.raises(FeedError) as failed:
        await answered_then_not(out)

    assert failed.value.unacknowledged == Counter(t=out.sent["t"])
    assert out.sent == out.delivered + failed.value.unacknowledged
    with pytest.raises(FeedError):
        await out.send("t", 0, None, b"v")


async def test_an_unknown_partition_is_an_error() -> None:
    with pytest.raises(FeedError, match="Unrecognized partition"):
        async with feed() as out:
            await out.send("t", 99, None, b"v")


async def never_answered() -> None:
    async with feed(give_up_seconds=0.01) as out:
        Brokers.last.gate.clear()
        await out.send("t", 0, None, b"v")


async def test_brokers_that_never_answer_are_an_error_in_the_end() -> None:
    with pytest.raises(FeedError, match="TimeoutError"):
        await never_answered()


async def failing_meanwhile() -> None:
    async with feed() as out:
        await out.send("t", 0, None, b"v")
        raise KeyError


async def test_an_error_of_the_sender_is_not_hidden_by_a_flush() -> None:
    with pytest.raises(KeyError):
        await failing_meanwhile()

    assert not values("t", 0)


async def test_a_feed_is_idempotent_and_waits_for_all_replicas() -> None:
    async with feed(options={"client_id": "me"}):
        options = Brokers.last.options

    assert (options["acks"], options["enable_idempotence"], options["client_id"]) == (
        "all",
        True,
        "me",
    )
