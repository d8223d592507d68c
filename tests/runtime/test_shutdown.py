"""The end of a worker: bounded, and the last line says why."""

import logging
import threading

import pytest

from streams.runtime.shutdown import Shutdown, sentence
from streams.snapshots import StateMissingError


class Leaving:
    """Takes the place of the end of the process."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.gone = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = code
        self.gone.set()


def test_a_stop_in_order_ends_with_zero(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shutdown = Shutdown(3_600.0, Leaving())
    shutdown.begin()

    assert shutdown.report() == 0
    assert caplog.messages == ["stopped"]


def test_a_fault_is_the_last_line_and_ends_with_one(caplog: pytest.LogCaptureFixture) -> None:
    shutdown = Shutdown(3_600.0, Leaving())
    shutdown.begin(StateMissingError(3, {"purchases": 7}))

    assert shutdown.report(RuntimeError("what Faust made of it")) == 1
    assert caplog.messages[-1].startswith("this worker cannot go on: partition 3: the group has")


def test_a_fault_that_nobody_announced_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    assert Shutdown(3_600.0, Leaving()).report(ConnectionError("no broker")) == 1
    assert caplog.messages[-1] == "this worker cannot go on: ConnectionError: no broker"


def test_what_fails_while_it_stops_is_not_why_it_stops() -> None:
    shutdown = Shutdown(3_600.0, Leaving())
    shutdown.begin()
    shutdown.begin(RuntimeError("closed"))

    assert shutdown.report(RuntimeError("closed")) == 0


@pytest.mark.parametrize(("reason", "code"), [(None, 0), (RuntimeError("fenced"), 1)])
def test_a_stop_that_hangs_is_cut_off_and_says_so(
    reason: RuntimeError | None, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    leaving = Leaving()
    Shutdown(0.01, leaving).begin(reason)

    assert leaving.gone.wait(10)
    assert leaving.code == code
    assert "will be read again" in caplog.messages[0]


def test_an_error_without_words_has_its_name() -> None:
    assert sentence(TimeoutError()) == "TimeoutError"
