"""The log is JSON lines that no terminal obeys."""

import io
import json
import logging

import pytest

from sinks.base import SinkStopped
from streams.runtime import logs
from streams.runtime.logs import (
    KINDS,
    WINDOW_SECONDS,
    JsonLines,
    LimitedHandler,
    RepeatLimit,
    log_to_stderr,
)
from tests.cli.hostile import CONTROL, HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_json_without_control_codes(text: str) -> None:
    fault = ValueError, ValueError(text), None
    line = JsonLines().format(logging.LogRecord("a", logging.INFO, "", 0, text, (), fault))

    assert "\n" not in line
    assert line.encode()
    assert not CONTROL.search(line)
    assert json.loads(line)["message"] == text
    assert text in json.loads(line)["error"]


class Log:
    """A log with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        self._handler = LimitedHandler(RepeatLimit(lambda: self.now), self._stream)
        self._handler.setFormatter(JsonLines())

    def write(self, name: str, message: str, *args: object, level: int = logging.ERROR) -> None:
        self._handler.handle(logging.LogRecord(name, level, "", 0, message, args, None))

    def crash(self, name: str, error: Exception) -> None:
        fault = type(error), error, None
        self._handler.handle(logging.LogRecord(name, logging.ERROR, "", 0, "crashed", (), fault))

    @property
    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]


def test_two_minutes_without_a_broker_are_a_few_lines() -> None:
    log = Log()
    for n in range(10_000):
        log.now = n * 120 / 10_000
        log.write("aiokafka", "Unable connect to node with id %s: %s", n % 3, "refused")
        log.write("aiokafka.consumer.fetcher", "Failed fetch messages from %s: %s", n % 3, "no")

    assert len(log.lines) == 2 + 2 + 2  # a first line and, a minute later, a count; then the next
    assert log.messages[0] == "Unable connect to node with id 0: refused"
    assert log.messages[2].startswith("4,999 more like this in 60 s: Unable connect to node")


def test_lines_of_ours_are_never_left_out() -> None:
    log = Log()
    for _ in range(100):
        log.write("streams.worker", "a row was refused")
        log.write("kol", "stopped", level=logging.INFO)

    assert len(log.lines) == 200


def test_counts_stand_before_the_last_line() -> None:
    log = Log()
    for _ in range(4):
        log.write("mode", "crashed")
    log.write("kol", "this worker cannot go on", level=logging.CRITICAL)

    assert log.messages == [
        "crashed",
        "3 more like this in 0 s: crashed",
        "this worker cannot go on",
    ]


def test_a_crash_is_one_traceback_however_many_services_log_it() -> None:
    log = Log()
    error = ValueError("what?")
    for service in range(50):
        log.crash(f"mode.service{service}", error)

    assert sum("error" in line for line in log.lines) == 1


def test_a_fault_that_is_a_sentence_has_no_traceback() -> None:
    log = Log()
    log.crash("faust.app.base", SinkStopped("a table is missing: run `kol migrate`"))

    assert log.messages == ["crashed"]
    assert "error" not in log.lines[0]


@pytest.mark.parametrize(("level", "is_limited"), [("info", True), ("debug", False)])
def test_debug_leaves_nothing_out(
    monkeypatch: pytest.MonkeyPatch, level: str, *, is_limited: bool
) -> None:
    handlers: list[logging.Handler] = []
    monkeypatch.setattr(logs, "QUIET", ())
    monkeypatch.setattr(logging, "basicConfig", lambda **given: handlers.extend(given["handlers"]))
    log_to_stderr(level)

    assert [isinstance(handler, LimitedHandler) for handler in handlers] == [is_limited]


def test_lines_that_differ_in_addresses_only_are_of_one_kind() -> None:
    log = Log()
    for n in range(50):
        log.write("asyncio", f"Unclosed connection <Task {n} at {n:#x}>\nmore: {n}")

    assert len(log.lines) == 1


def test_a_flood_of_different_lines_is_bounded_too() -> None:
    log = Log()
    for n in range(1_000):
        log.write("faust", "kind " + "abcdefghij"[n % 10] * (n // 10))
    log.now = WINDOW_SECONDS
    log.write("kol", "still there", level=logging.INFO)

    counts = [message for message in log.messages if " more like this in 60 s: " in message]

    assert len(counts) == 2  # of the first kind, which came ten times, and of all beyond the bound
    assert len(log.lines) == KINDS + 1 + len(counts) + 1
