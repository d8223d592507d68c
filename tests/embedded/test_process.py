import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded import process
from deploy.embedded.process import LAUNCHER, MAX_LOG, Guard, Process, exit_text, rotate, tail
from deploy.embedded.state_folder import EmbeddedError
from tests.embedded.waiting import lives, until

SLEEP = ["sleep", "60"]

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""

# starts a child that starts another one, tells their numbers and that of its guard
PARENT = """
import sys, time
from pathlib import Path
from deploy.embedded import process
child = process.Process(["sh", "-c", "sleep 60 & echo $!; wait"], Path(sys.argv[1]))
print(child.pid, process._guard()._process.pid, flush=True)
time.sleep(60)
"""

Family = tuple["subprocess.Popen[str]", int, int, int]


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


def test_what_it_says_is_added_to_its_log(log: Path) -> None:
    log.write_text("before\n")
    running = Process(["sh", "-c", "echo out; echo err >&2; exit 3"], log)

    until(lambda: running.poll() is not None)

    assert running.poll() == 3
    assert log.read_text() == "before\nout\nerr\n"


def test_it_runs_where_and_with_what_it_is_told(log: Path, tmp_path: Path) -> None:
    words = ["sh", "-c", "echo $GREETING from $PWD; cat"]
    running = Process(words, log, env={"GREETING": "hello"}, cwd=tmp_path)

    until(lambda: running.poll() is not None)

    assert running.poll() == 0  # `cat` found nothing to read
    assert log.read_text() == f"hello from {tmp_path}\n"


def test_one_that_obeys_ends_at_once(log: Path) -> None:
    running = Process(SLEEP, log)

    assert running.stop(30) == -signal.SIGTERM
    assert running.poll() == -signal.SIGTERM


def test_one_that_does_not_obey_is_killed(log: Path) -> None:
    running = Process(python(STUBBORN), log)
    until(lambda: log.read_text() == "deaf\n")

    assert running.stop(0.1) == -signal.SIGKILL


def test_stopping_one_that_has_ended_is_harmless(log: Path) -> None:
    running = Process(["false"], log)
    until(lambda: running.poll() is not None)

    assert running.stop(1) == 1
    assert running.stop(1) == 1


def test_what_it_started_ends_with_it(log: Path) -> None:
    running = Process(["sh", "-c", "sleep 60 & echo $!; exit 0"], log)
    until(lambda: running.poll() is not None)
    grandchild = int(log.read_text())

    until(lambda: not lives(grandchild))


def test_a_signal_reaches_what_it_started(log: Path) -> None:
    running = Process(["sh", "-c", "sleep 60 & echo $!; wait"], log)
    until(lambda: log.read_text().endswith("\n"))
    running.stop(30)

    until(lambda: not lives(int(log.read_text())))


@pytest.fixture
def family(log: Path) -> Iterator[Family]:
    """A parent, and the numbers of its child, its grandchild and its guard."""
    with subprocess.Popen([*python(PARENT), str(log)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child, guard = map(int, parent.stdout.readline().split())
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        yield parent, child, int(log.read_text()), guard


def test_it_dies_with_all_that_it_started_when_its_parent_is_killed(family: Family) -> None:
    parent, child, grandchild, guard = family
    assert lives(child)
    assert lives(grandchild)

    parent.kill()

    until(lambda: not lives(child) and not lives(grandchild) and not lives(guard))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_it_dies_when_its_parent_is_killed_after_the_guard(family: Family) -> None:
    parent, child, grandchild, guard = family
    os.kill(guard, signal.SIGKILL)

    parent.kill()

    until(lambda: not lives(child))
    os.kill(grandchild, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_parent_that_died_in_the_meantime_has_no_child() -> None:
    somebody_else = os.getppid()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, str(somebody_else), "echo", "alive"],
        capture_output=True,
        check=True,
    )

    assert done.stdout == b""


def test_it_dies_when_its_parent_ends_without_stopping_it(log: Path) -> None:
    careless = PARENT.replace("time.sleep(60)", "")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", careless, str(log)],
        capture_output=True,
        text=True,
        check=True,
    )
    child, guard = map(int, done.stdout.split())

    until(lambda: not lives(child) and not lives(guard))


def test_a_guard_kills_what_it_holds_and_lets_go_of_what_has_ended(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard()
    monkeypatch.setattr(process, "_guard", lambda: guard)
    ended, released, held = (Process(words, log) for words in (["true"], SLEEP, SLEEP))
    until(lambda: ended.poll() is not None)
    guard.release(released.pid)

    guard.close()

    until(lambda: held.poll() == -signal.SIGKILL)
    assert released.poll() is None
    released.stop(30)


def test_readiness_is_waited_for(log: Path) -> None:
    running = Process(["sh", "-c", "echo up; sleep 60"], log)

    running.wait_until_ready(lambda: log.read_text() == "up\n", 30)

    running.stop(30)


def test_one_that_ends_before_it_is_ready_is_an_error_that_quotes_its_log(log: Path) -> None:
    running = Process(["sh", "-c", "echo no such luck; exit 7"], log)

    with pytest.raises(EmbeddedError, match=r"(?s)ended with code 7 before.*  no such luck"):
        running.wait_until_ready(lambda: False, 30)


def test_one_that_is_never_ready_is_an_error_that_quotes_its_log(log: Path) -> None:
    running = Process(["sh", "-c", "echo thinking; sleep 60"], log)
    until(log.read_text)

    with pytest.raises(EmbeddedError, match=r"(?s)not ready.*  thinking"):
        running.wait_until_ready(lambda: False, 0.05)
    running.stop(30)


def test_an_ending_is_told_in_words() -> None:
    assert exit_text(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert exit_text(0) == "ended with code 0"


def test_a_long_log_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for n in range(6):
        log.write_text(f"{n}" * 11)
        rotate(log, limit=10)

    found = {file.name: file.read_text()[0] for file in tmp_path.iterdir()}

    assert found == {"a.log.1": "5", "a.log.2": "4", "a.log.3": "3"}


def test_a_short_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("0123456789")

    rotate(log, limit=10)
    rotate(tmp_path / "missing.log")

    assert log.exists()
    assert MAX_LOG > 1_000_000


def test_a_tail_is_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {n} 妈妈\n" for n in range(10_000)))

    assert tail(log, 2) == f"the end of {log}:\n  line 9998 妈妈\n  line 9999 妈妈"


def test_a_tail_of_nothing_says_so(tmp_path: Path) -> None:
    assert tail(tmp_path / "missing.log").endswith("(empty)")
