"""`kol ingest` sends nothing that it knows to be lost, and says at every end what has arrived."""

import asyncio
import gzip
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sinks import feed as feeding
from streams import cli
from streams.clients.kafka_admin import BrokerError
from streams.clients.kafka_reader import Place
from streams.operations.ingest import check
from tests.operations.ingest.cases import HOUR, T0, click, export, line, morning, paid, written
from tests.sinks.brokers import Brokers

runner = CliRunner()


@pytest.fixture(autouse=True)
def _brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers of empty topics."""

    async def known(_: object, reported: Mapping[Place, int]) -> dict[Place, int]:
        await asyncio.sleep(0)
        return dict(reported)

    monkeypatch.setattr(feeding, "AIOKafkaProducer", Brokers)
    monkeypatch.setattr(check, "known_greatest_times", known)
    monkeypatch.setattr(Brokers, "last", Brokers())
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "nowhere:9092")


def ingest(home: Path, *words: object) -> Any:  # noqa: ANN401  # typer's result
    with_home = ["ingest", *map(str, words), "--home", str(home)]
    return runner.invoke(cli.app, with_home)


def arrived() -> int:
    return sum(map(len, Brokers.last.kept.values()))


def test_a_good_file_is_sent(tmp_path: Path) -> None:
    done = ingest(tmp_path, written(tmp_path / "a", export(9)), "--json")

    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["sent"] == {"clickstream": 9, "purchases": 9}
    assert (report["messages"], report["unusable"], report["unacknowledged"]) == (18, 0, 0)
    assert report["check"]["too_late"] == 0


def test_an_export_newest_first_is_not_sent_unless_it_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a", export(30)[::-1])

    done = ingest(tmp_path, path)
    assert done.exit_code == 1
    assert "58 of 60 lines would be too late" in " ".join(done.stderr.split())
    assert "nothing was sent" in done.stderr
    assert arrived() == 0

    for option in ("--allow-late", "--no-check"):
        assert ingest(tmp_path, path, option).exit_code == 0
        assert arrived() == 60


def test_a_file_of_which_half_is_late_is_sent_with_a_warning(tmp_path: Path) -> None:
    days = export(30)
    done = ingest(tmp_path, written(tmp_path / "a", days[30:] + days[:30]))

    assert done.exit_code == 0
    assert "30 of 60 lines would be too late" in " ".join(done.stderr.split())
    assert arrived() == 60


def test_one_bad_clock_makes_no_file_late(tmp_path: Path) -> None:
    noon = written(tmp_path / "noon", morning(None, T0 + 5 * HOUR, "b"))
    early = written(tmp_path / "morning", morning(T0 * 1_000))
    done = ingest(tmp_path, noon, early)

    assert done.exit_code == 0
    assert "will be rejected: 1 as from_the_future" in done.stderr
    assert arrived() == 161


def test_a_damaged_archive_is_not_sent_unless_without_check(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(line(paid(f"o{n}")) for n in range(9_000)))[:-3_000])

    done = ingest(tmp_path, path)
    assert done.exit_code == 1
    assert "cut short" in done.stderr
    assert "nothing was sent" in " ".join(done.stderr.split())
    assert arrived() == 0

    done = ingest(tmp_path, path, "--no-check")
    assert done.exit_code == 1
    assert f"sent {arrived()} to purchases" in done.stderr
    assert "Sending the files again is safe" in done.stderr
    assert arrived() > 0


@pytest.mark.parametrize("option", ["--check", "--no-check"])
def test_a_folder_a_missing_file_and_a_false_archive_get_a_sentence(
    tmp_path: Path, option: str
) -> None:
    good = written(tmp_path / "good", [click("1")])
    (tmp_path / "false.gz").write_bytes(good.read_bytes())

    for bad in (tmp_path, tmp_path / "missing", tmp_path / "false.gz"):
        done = ingest(tmp_path, good, bad, option)

        assert done.exit_code == 1
        assert "nothing" in done.stderr
        assert isinstance(done.exception, SystemExit | typer.Exit)
        assert arrived() == 0


def test_a_file_without_any_message_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"oops\n" * 20)

    assert ingest(tmp_path, path).exit_code == 1


def test_a_line_that_is_too_large_is_named_and_the_others_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(line(paid("1")) + line(paid("2", note="x" * (1 << 20))) + line(paid("3")))
    done = ingest(tmp_path, path)

    assert done.exit_code == 0
    assert "a:2: not sent:" in done.stderr.replace("\n", "")
    assert arrived() == 2


def test_brokers_that_do_not_answer_get_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def known(*_: object) -> dict[Place, int]:
        await asyncio.sleep(0)
        raise BrokerError("nobody is there")

    monkeypatch.setattr(check, "known_greatest_times", known)
    done = ingest(tmp_path, written(tmp_path / "a", export(3)))

    assert done.exit_code == 1
    assert "nobody is there; nothing was sent" in " ".join(done.stderr.split())


def test_a_pipe_is_sent_without_a_check_and_that_is_said(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = b"".join(map(line, export(9)))
    writer = threading.Thread(target=pipe.write_bytes, args=(text,))
    writer.start()
    done = ingest(tmp_path, pipe)
    writer.join()

    assert done.exit_code == 0
    assert "not checked" in done.stderr
    assert arrived() == 18
