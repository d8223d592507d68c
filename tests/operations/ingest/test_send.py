"""Every end of sending says exactly how many lines the brokers have."""

import asyncio
import gzip
from collections import Counter
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from schemas.partitioner import partition_of
from sinks import feed as feeding
from streams.operations.ingest.send import SHOWN_LINES, Sent, send_files
from streams.settings import Kafka
from tests.operations.ingest.cases import NOW, T0, export, line, paid, profile, written
from tests.sinks.brokers import Brokers


@pytest.fixture(autouse=True)
def _brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "AIOKafkaProducer", Brokers)


async def send(*files: Path) -> Sent:
    return await send_files(Kafka(), files, NOW, lambda _: None)


def kept() -> Counter[str]:
    """What the brokers have, by topic."""
    return Counter({t: len(records) for (t, _), records in Brokers.last.kept.items()})


async def test_all_lines_arrive_byte_for_byte(tmp_path: Path) -> None:
    values = export(30)
    sent = await send(written(tmp_path / "a", values))

    assert sent.delivered == {"clickstream": 30, "purchases": 30}
    assert (sent.why, sent.unacknowledged, sent.unusable) == (None, 0, 0)
    arrived = b"".join(
        b'{"topic": "%s", "value": %s}\n' % (topic.encode(), value)
        for (topic, _), records in Brokers.last.kept.items()
        for _, value, _ in records
    )
    assert sorted(arrived.splitlines()) == sorted(b"".join(map(line, values)).splitlines())


async def test_reference_records_go_where_their_topics_have_room_for_their_keys(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "a", [profile(f"k{n}") for n in range(20)])
    sent = await send(path)

    assert sent.delivered == {"kol-profile": 20}
    places = {
        key: partition
        for (_, partition), records in Brokers.last.kept.items()
        for key, _, _ in records
    }
    assert places == {b"k%d" % n: partition_of(b"k%d" % n, 3) for n in range(20)}  # of its three


async def test_a_reference_topic_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    policy = b'{"topic":"policy","value":{"policy_id":"p1","ts":5}}\n'
    path.write_bytes(line(paid("1")) + policy + line(paid("2")))
    sent = await send(path)

    assert sent.why is not None
    assert "the brokers know no topic policy: `kol topics` creates it" in sent.why
    assert sent.delivered.total() + sent.unacknowledged == 1


async def test_a_damaged_archive_says_why_and_what_stands_before_it_arrives(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(line(paid(f"o{n}")) for n in range(9_000)))[:-3_000])
    sent = await send(path)

    assert sent.why is not None
    assert f"cut short after line {sent.delivered['purchases']} " in sent.why
    assert 0 < sent.delivered["purchases"] == kept()["purchases"] < 9_000
    assert sent.unacknowledged == 0


async def test_brokers_that_refuse_a_batch_leave_what_has_surely_and_what_may_have_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a", [paid(f"o{n}", T0 + n, note="x" * 900) for n in range(3_000)])
    good = Brokers.__init__

    def start(self: Brokers, **options: object) -> None:
        good(self, **options)
        self.errors = [*[None] * 4, MessageSizeTooLargeError()]  # type: ignore[list-item]  # the fifth batch fails

    monkeypatch.setattr(Brokers, "__init__", start)
    sent = await send(path)

    assert sent.why is not None
    assert "MessageSizeTooLargeError" in sent.why
    at_least = sent.delivered.total()
    assert 0 < at_least <= kept().total() <= at_least + sent.unacknowledged <= 3_000


async def test_brokers_that_are_not_there_take_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: Brokers) -> None:
        raise KafkaConnectionError("nobody")

    monkeypatch.setattr(Brokers, "start", start)
    sent = await send(written(tmp_path / "a", export(3)))

    assert sent.why is not None
    assert "does not answer" in sent.why
    assert not sent.delivered


async def test_an_interruption_waits_for_what_is_under_way_and_counts_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a", [paid(f"o{n}", T0 + n) for n in range(5_000)])
    running: list[asyncio.Task[Sent]] = []

    def interrupt(number: int) -> None:
        if number == 2_000:
            running[0].cancel()

    running.append(asyncio.create_task(send_files(Kafka(), [path], NOW, interrupt)))
    sent = await running[0]

    assert sent.why == "interrupted"
    assert sent.delivered == {"purchases": 2_000} == kept()
    assert sent.unacknowledged == 0


async def test_an_interruption_does_not_wait_for_brokers_that_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.operations.ingest.send.INTERRUPT_SECONDS", 0.01)
    path = written(tmp_path / "a", [paid(f"o{n}", T0 + n) for n in range(2_000)])
    running: list[asyncio.Task[Sent]] = []

    def interrupt(_: int) -> None:
        Brokers.last.gate.clear()
        running[0].cancel()

    running.append(asyncio.create_task(send_files(Kafka(), [path], NOW, interrupt)))
    sent = await running[0]

    assert sent.why == "interrupted"
    assert sent.delivered.total() + sent.unacknowledged == 1_000
    assert sent.delivered == kept()


async def test_lines_that_are_no_message_are_counted_and_only_the_first_are_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"oops\n" * 500 + line(paid("1")))
    sent = await send(path)

    assert sent.unusable == 500
    assert [bad.line for bad in sent.first_unusable] == list(range(1, SHOWN_LINES + 1))
    assert sent.delivered == {"purchases": 1}
