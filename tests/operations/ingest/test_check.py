"""The check says of every line what a worker would make of it."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from schemas.events import CLICKSTREAM, PURCHASES
from schemas.partitioner import partition_of
from streams.clients.kafka_reader import Place, TopicRecord
from streams.operations.ingest import check
from streams.operations.ingest.check import Forecast, check_files
from streams.operations.ingest.files import DamagedFileError
from streams.settings import Kafka, Settings
from tests.operations.ingest.cases import (
    HOUR,
    NOW,
    T0,
    click,
    export,
    line,
    morning,
    paid,
    profile,
    written,
)

AT = partition_of(b"u1", 4)


def forecast(*files: Path, known: dict[Place, int] | None = None) -> Forecast:
    return check_files(files, Settings(kafka=Kafka(partitions=4)), known or {}, NOW, lambda _: None)


def test_an_export_oldest_first_is_not_too_late(tmp_path: Path) -> None:
    read = forecast(written(tmp_path / "a", export(30)))

    assert read.messages == 60
    assert read.late.total() == read.refused.total() == 0


def test_an_export_newest_first_is_too_late_but_for_the_first_line_of_each_partition(
    tmp_path: Path,
) -> None:
    read = forecast(written(tmp_path / "a", export(30)[::-1]))

    assert read.late == {f"{CLICKSTREAM}/{AT}": 29, f"{PURCHASES}/{AT}": 29}
    assert read.late_beside_topics == 0
    assert read.is_newest_first
    assert read.first_late is not None
    assert read.first_late.line == 3  # the order of the day before
    assert read.first_late.below_ms == 24 * HOUR


def test_files_of_an_export_in_any_order_are_merged(tmp_path: Path) -> None:
    days = export(30)
    files = [written(tmp_path / str(n), days[20 * n : 20 * n + 20]) for n in range(3)]

    assert forecast(*files[::-1]).late.total() == 0


def test_reference_records_that_would_be_refused_are_counted_with_their_reasons(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.write_bytes(
        line(profile("k1"))
        + line(profile("organic"))
        + line(profile("k1", 5))
        + b'{"topic":"kol-profile","key":"k2","raw":"{oops"}\n'
        + b'{"topic":"kol-profile","key":"k2","value":{"kol_id":"k1"}}\n'
        + b'{"topic":"kol-profile","key":"k2","raw":null}\n'
        + b'{"topic":"kol-profile","raw":null}\n'
    )
    read = forecast(path)

    assert (read.messages, read.unusable) == (6, 1)
    assert read.refused == {
        **dict.fromkeys(("reserved_id", "bad_time", "not_json", "wrong_key"), 1)
    }
    assert read.late.total() == 0


def test_a_reference_record_makes_no_event_late(tmp_path: Path) -> None:
    assert forecast(written(tmp_path / "a", [profile("k1", NOW), *export(30)])).late.total() == 0


def test_two_hours_below_is_in_time_and_a_millisecond_more_is_too_late(tmp_path: Path) -> None:
    at_the_limit = [paid("1", T0), paid("2", T0 - 2 * HOUR)]
    below = [paid("1", T0), paid("2", T0 - 2 * HOUR - 1)]

    assert forecast(written(tmp_path / "a", at_the_limit)).late.total() == 0
    assert forecast(written(tmp_path / "b", below)).late.total() == 1


def test_what_lies_behind_the_topics_is_too_late_in_its_partition_alone(tmp_path: Path) -> None:
    other = next(f"v{n}" for n in range(99) if partition_of(b"v%d" % n, 4) != AT)
    values = [paid("1", T0), paid("2", T0, other), click("3", T0), paid("4", T0 + 5 * HOUR)]
    read = forecast(written(tmp_path / "a", values), known={(PURCHASES, AT): T0 + 3 * HOUR})

    assert read.late == {f"{PURCHASES}/{AT}": 1}
    assert read.late_beside_topics == 1


def test_a_second_run_is_late_beside_the_topics_alone(tmp_path: Path) -> None:
    end = T0 + 29 * 24 * HOUR
    known = {(CLICKSTREAM, AT): end, (PURCHASES, AT): end + HOUR}
    read = forecast(written(tmp_path / "a", export(30)), known=known)

    assert read.late.total() == read.late_beside_topics == 58
    assert not read.is_newest_first


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (click("bad", T0 * 1_000), "from_the_future"),
        (click("bad", -1), "bad_time"),
        (click("bad") | {"event": "clack"}, "unknown_kind"),
        (click("bad") | {"kol_id": "organic"}, "reserved_id"),
        (click("bad") | {"user_id": ""}, "invalid"),
    ],
)
def test_what_is_refused_makes_nothing_late(
    tmp_path: Path, bad: dict[str, Any], reason: str
) -> None:
    noon = written(tmp_path / "noon", morning(None, T0 + 5 * HOUR, "b"))
    early = written(tmp_path / "morning", [bad, *morning(None)])
    read = forecast(noon, early)

    assert read.refused == {reason: 1}
    assert read.late.total() == 0


def test_half_an_emoji_is_refused_in_an_id_alone(tmp_path: Path) -> None:
    half = "\ud83d"
    values = [
        paid(f"o{half}"),
        paid("b", user=f"u{half}"),
        paid("c", note=half, score=1.10),
        paid("d\U0001f476"),
    ]

    assert forecast(written(tmp_path / "a", values)).refused == {"not_json": 2}


def test_what_is_no_event_at_all_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a"
    wrong = {"topic": PURCHASES, "value": paid("w"), "key": next_key()}
    path.write_bytes(
        b"oops\n"
        + line(paid("1"))
        + b'{"topic":"purchases","raw":null}\n{"topic":"clickstream","raw":"{oops"}\n'
        + json.dumps(wrong).encode()
    )
    read = forecast(path)

    assert (read.messages, read.unusable) == (4, 1)
    assert read.refused == {"null_value": 1, "not_json": 1, "wrong_partition": 1}


def next_key() -> str:
    """A key of another partition than that of the user `u1`."""
    return next(f"k{n}" for n in range(99) if partition_of(b"k%d" % n, 4) != AT)


def test_a_duplicate_with_a_later_time_makes_nothing_late(tmp_path: Path) -> None:
    values = [paid("1", T0), paid("1", T0 + 9 * HOUR), paid("2", T0)]

    assert forecast(written(tmp_path / "a", values)).late.total() == 0


def test_a_line_with_the_event_id_of_another_that_says_something_else_is_noticed(
    tmp_path: Path,
) -> None:
    values = [paid("1", T0), paid("1", T0), paid("1", T0 + HOUR)]

    assert forecast(written(tmp_path / "a", values)).differing == 1


def test_an_archive_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(map(line, export(300))))[:-20])

    with pytest.raises(DamagedFileError):
        forecast(path)


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "SLACK", 100)

    def peak(events: int) -> int:
        path = tmp_path / str(events)
        with path.open("wb") as file:
            for n in range(events):
                file.write(line(click(f"c{n}", T0 + 60_000 * n, f"u{n % 50}")))
        tracemalloc.start()
        forecast(path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(4_000), peak(16_000)

    assert many < 1.5 * few  # four times the events; what counts of a gate are two hours: 120


async def test_an_interruption_that_a_client_caught_ends_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Reader:
        async def newest(self, *_: object) -> list[TopicRecord]:
            with suppress(asyncio.CancelledError):
                running[0].cancel()
                await asyncio.sleep(0)
            return []

    @asynccontextmanager
    async def reader(_: object) -> AsyncIterator[Reader]:
        yield Reader()

    monkeypatch.setattr(check, "record_reader", reader)
    running = [asyncio.create_task(check.known_greatest_times(Settings(), {}))]

    with pytest.raises(asyncio.CancelledError):
        await running[0]
