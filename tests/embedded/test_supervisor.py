import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import supervisor
from deploy.embedded.state_folder import BusyError, EmbeddedError, StateFolder
from deploy.embedded.supervisor import ProcessSpec, Supervisor, detach, next_backoff, stop
from tests.embedded.waiting import lives, until

# supervises the home argv[1]; its first service runs argv[2] and is ready after argv[3] seconds
OWN = """
import sys
from deploy.embedded import supervisor
from deploy.embedded.state_folder import StateFolder
from deploy.embedded.supervisor import ProcessSpec, Supervisor
supervisor.READY_AFTER_SECONDS = float(sys.argv[3])
shell = ["sh", "-c", sys.argv[2]]
children = [ProcessSpec("first", shell), ProcessSpec("second", ["sleep", "60"], after=["first"])]
extra = {"kafka": {"bootstrap": "127.0.0.1:1"}}
print_line = lambda line: print(line, flush=True)
Supervisor(StateFolder(sys.argv[1]), children, extra, print_line).run()
"""

# owns its home for a while before it starts anything
SLOW = OWN.replace(
    "Supervisor(StateFolder(sys.argv[1])",
    "import time; home = StateFolder(sys.argv[1]); home.acquire(); time.sleep(0.5)\n"
    "Supervisor(home",
)

SLEEP = ["sleep", "60"]
DEAF = ["sh", "-c", "trap '' TERM; echo deaf; sleep 60 & wait; wait"]


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def own(home: StateFolder, first: str = "sleep 60", lived: float = 0.0) -> list[str]:
    return [sys.executable, "-c", OWN, str(home.path), first, str(lived)]


@pytest.fixture
def home(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "home")


@pytest.fixture
def changes() -> list[str]:
    """What the supervisor under test says, without the seconds."""
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no question is ready at once."""
    monkeypatch.setattr(supervisor, "READY_AFTER_SECONDS", 0.0)


@contextmanager
def up(
    home: StateFolder, children: list[ProcessSpec], changes: list[str] | None = None
) -> Iterator[Supervisor]:
    """All of them started, in this thread, and stopped at the end."""
    lines = [] if changes is None else changes
    made = Supervisor(home, children, on_change=lambda line: lines.append(line.split(" after ")[0]))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def stepping(made: Supervisor, so: Callable[[], object]) -> Callable[[], object]:
    """A question to wait for while the supervisor looks around."""

    def stepped() -> object:
        made.step()
        return so()

    return stepped


def processes(home: StateFolder) -> dict[str, dict[str, Any]]:
    status = home.status()
    assert status is not None
    return {process["name"]: process for process in status["processes"]}


def test_children_start_in_order_and_stop_in_the_other(
    home: StateFolder, changes: list[str]
) -> None:
    children = [
        ProcessSpec("worker", SLEEP, after=["topics"]),
        ProcessSpec("topics", ["true"], after=["kafka", "clickhouse"], oneshot=True),
        ProcessSpec("kafka", SLEEP),
        ProcessSpec("clickhouse", SLEEP),
    ]

    with up(home, children, changes):
        pass

    assert changes.index("kafka: ready") < changes.index("topics: starting")
    assert changes.index("clickhouse: ready") < changes.index("topics: starting")
    assert changes.index("topics: done") < changes.index("worker: starting")
    assert changes.index("worker: ready") < changes.index("ready")
    assert changes.index("worker: stopped") < changes.index("kafka: stopping")
    assert changes.index("worker: stopped") < changes.index("clickhouse: stopping")


def test_a_child_waits_until_the_one_before_it_is_ready(
    home: StateFolder, tmp_path: Path, changes: list[str]
) -> None:
    sign = tmp_path / "sign"
    first = ProcessSpec("first", sh(f"touch {sign}; sleep 60"), ready=sign.exists)
    second = ProcessSpec("second", sh(f"test -e {sign} && sleep 60"), after=["first"])

    with up(home, [second, first], changes):
        assert changes.count("second: starting") == 1


def test_a_question_that_finds_nobody_counts_as_no(home: StateFolder) -> None:
    answers = iter([ConnectionRefusedError(), OSError(), None])

    def ready() -> bool:
        answer = next(answers)
        if answer:
            raise answer
        return True

    with up(home, [ProcessSpec("a", SLEEP, ready=ready)]):
        pass

    assert next(answers, "all asked") == "all asked"


def test_the_status_tells_who_runs_since_when_and_whatever_it_was_given(home: StateFolder) -> None:
    extra = {"kafka": {"bootstrap": "127.0.0.1:9092"}, "settings": {"a": 1}}
    made = Supervisor(
        home, [ProcessSpec("a", SLEEP), ProcessSpec("b", ["true"], oneshot=True)], extra
    )
    made.start()

    status = home.status()

    assert status is not None
    assert status["supervisor"] == os.getpid()
    assert status["state"] == "ready"
    assert {name: status[name] for name in extra} == extra
    assert [(child["name"], child["restarts"]) for child in status["processes"]] == [("a", 0)]
    assert lives(status["processes"][0]["pid"])
    assert status["processes"][0]["since"] > 1_700_000_000
    made.stop()
    assert not home.status_file.exists()
    assert not lives(status["processes"][0]["pid"])


def test_a_command_may_be_asked_for_at_each_start(home: StateFolder) -> None:
    commands: list[list[str]] = []

    def command() -> list[str]:
        commands.append(SLEEP)
        return SLEEP

    with up(home, [ProcessSpec("a", command)]) as made:
        os.kill(processes(home)["a"]["pid"], signal.SIGKILL)
        until(stepping(made, lambda: len(commands) == 2))


def test_a_child_that_is_killed_is_started_again(home: StateFolder, changes: list[str]) -> None:
    with up(home, [ProcessSpec("a", SLEEP), ProcessSpec("b", SLEEP, after=["a"])], changes) as made:
        before = processes(home)
        os.kill(before["a"]["pid"], signal.SIGKILL)
        until(stepping(made, lambda: processes(home).get("a", {}).get("state") == "up"))
        until(stepping(made, lambda: processes(home).get("a", {}).get("restarts") == 1))
        after = processes(home)

    assert after["a"]["pid"] != before["a"]["pid"]
    assert after["b"] == before["b"]
    assert "a: killed by SIGKILL, again in 0.2 s" in changes


def test_a_service_that_ends_by_itself_is_started_again(home: StateFolder, tmp_path: Path) -> None:
    script = f"echo >> {tmp_path}/starts; test $(wc -l < {tmp_path}/starts) -ge 3 && sleep 60"
    ready = (tmp_path / "starts").exists

    with up(home, [ProcessSpec("a", sh(script), ready=ready)]) as made:
        until(stepping(made, lambda: processes(home).get("a", {}).get("restarts") == 2))


def test_a_service_with_another_in_its_place_is_not_started_again_at_once(
    home: StateFolder, tmp_path: Path, changes: list[str]
) -> None:
    sign = tmp_path / "sign"
    script = f"until test -e {sign}; do sleep 0.01; done; exit 3"

    with up(home, [ProcessSpec("a", sh(script), in_use_code=3)], changes) as made:
        sign.touch()
        until(stepping(made, lambda: changes[-1].startswith("a: ended")))
        ended = changes[-1]

    assert ended == f"a: ended with code 3, again in {supervisor.IN_USE_BACKOFF:.1f} s"


def test_a_service_with_another_in_its_place_from_the_start_fails_at_once(
    home: StateFolder, changes: list[str]
) -> None:
    never = ProcessSpec("a", sh("echo in use; exit 3"), ready=lambda: False, in_use_code=3)

    with pytest.raises(EmbeddedError, match="in use"), up(home, [never], changes):
        pass
    assert changes.count("a: starting") == 1


def test_backoffs_double_and_begin_anew_after_a_healthy_minute() -> None:
    backoffs = [0.0]
    for _ in range(7):
        backoffs.append(next_backoff(backoffs[-1], lived=59.9))

    assert backoffs[1:] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert next_backoff(5.0, lived=60.0) == 0.2


def test_a_oneshot_that_fails_is_an_error_that_quotes_its_log(
    home: StateFolder, changes: list[str]
) -> None:
    children = [
        ProcessSpec("a", SLEEP),
        ProcessSpec("b", sh("echo no disk; exit 3"), after=["a"], oneshot=True),
    ]

    with pytest.raises(EmbeddedError, match=r"(?s)b ended with code 3\n.*/b.log.*  no disk"):
        Supervisor(home, children, on_change=changes.append).start()

    assert changes[-1] == "a: stopped"
    assert home.owner() is None


def test_a_service_that_never_was_ready_is_tried_three_times(
    home: StateFolder, changes: list[str]
) -> None:
    child = ProcessSpec("a", sh("echo port taken; exit 1"), ready=lambda: False)

    with pytest.raises(EmbeddedError, match=r"(?s)a ended with code 1.*  port taken"):
        Supervisor(home, [child], on_change=changes.append).start()

    assert changes.count("a: starting") == 3


def test_a_service_that_takes_too_long_is_an_error_and_is_gone(home: StateFolder) -> None:
    child = ProcessSpec("a", sh("echo $$; sleep 60"), ready=lambda: False, ready_seconds=0.1)

    with pytest.raises(EmbeddedError, match=r"a not ready after"):
        Supervisor(home, [child]).start()

    assert not [pid for pid in home.log("a").read_text().split() if lives(int(pid))]


def test_who_does_not_obey_is_killed_in_time(home: StateFolder) -> None:
    ready = lambda: home.log("a").read_text() == "deaf\n"  # noqa: E731  # short
    child = ProcessSpec("a", DEAF, ready=ready, stop_seconds=0.1)

    with up(home, [child]):
        pid = processes(home)["a"]["pid"]

    assert not lives(pid)


def test_asking_twice_to_stop_hurries(home: StateFolder) -> None:
    ready = lambda: home.log("a").read_text() == "deaf\n"  # noqa: E731  # short
    child = ProcessSpec("a", DEAF, ready=ready, stop_seconds=3600)

    with up(home, [child]) as made:
        made.request_stop()
        made.request_stop()


def test_it_runs_in_a_thread_until_it_is_asked(home: StateFolder) -> None:
    made = Supervisor(home, [ProcessSpec("a", SLEEP)])
    thread = threading.Thread(target=made.run)
    thread.start()
    assert made.ready.wait(30)
    pid = processes(home)["a"]["pid"]

    made.request_stop()
    thread.join()

    assert not lives(pid)
    assert home.owner() is None


def test_a_terminal_that_is_gone_stops_nothing(home: StateFolder) -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    made = Supervisor(home, [ProcessSpec("a", SLEEP)], on_change=closed)
    made.start()
    made.stop()

    assert made.ready.is_set()


def test_one_home_has_one_supervisor(home: StateFolder) -> None:
    with up(home, [ProcessSpec("a", SLEEP)]):
        with pytest.raises(BusyError):
            Supervisor(StateFolder(home.path), []).run()
        with pytest.raises(BusyError):
            detach(StateFolder(home.path), own(home))

        assert home.status() is not None


@pytest.mark.parametrize(
    "children",
    [
        [ProcessSpec("a", SLEEP), ProcessSpec("a", SLEEP)],
        [ProcessSpec("a", SLEEP, after=["b"])],
        [ProcessSpec("a", SLEEP, after=["b"]), ProcessSpec("b", SLEEP, after=["a"])],
    ],
    ids=["twice", "unknown", "circle"],
)
def test_children_without_an_order_are_refused(
    home: StateFolder, children: list[ProcessSpec]
) -> None:
    with pytest.raises(ValueError, match=r"same name|nobody to start first"):
        Supervisor(home, children)


def test_in_the_background_it_returns_once_all_is_ready_and_goes_on(home: StateFolder) -> None:
    lines: list[str] = []

    status = detach(home, own(home), 30, lines.append)

    assert status["kafka"] == {"bootstrap": "127.0.0.1:1"}
    assert [child["name"] for child in status["processes"]] == ["first", "second"]
    assert lines[0] == "first: starting"
    assert home.owner() == status["supervisor"]
    assert stop(home)
    assert not [child for child in status["processes"] if lives(child["pid"])]
    assert home.status() is None
    os.waitpid(status["supervisor"], 0)


def test_in_the_background_what_a_killed_supervisor_left_is_not_believed(home: StateFolder) -> None:
    home.create()
    home.write_status({"supervisor": 1, "state": "ready", "kafka": {"bootstrap": "left:1"}})

    status = detach(home, [sys.executable, "-c", SLOW, str(home.path), "sleep 60", "0"], 30)

    assert status["supervisor"] == home.owner()
    assert status["kafka"] == {"bootstrap": "127.0.0.1:1"}
    assert stop(home)
    os.waitpid(status["supervisor"], 0)


def test_in_the_background_a_failed_start_is_an_error_that_quotes_the_log(
    home: StateFolder,
) -> None:
    with pytest.raises(EmbeddedError, match=r"(?s)supervisor ended with code 1.*  no luck"):
        detach(home, own(home, "echo no luck; exit 1", 60.0), 30)


def test_in_the_background_a_start_that_takes_too_long_is_ended(home: StateFolder) -> None:
    endless = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"

    with pytest.raises(EmbeddedError, match=r"not ready after 0 s"):
        detach(home, [sys.executable, "-c", endless], 0.1)


def test_stopping_what_does_not_run_says_so(home: StateFolder) -> None:
    assert not stop(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_in_order(home: StateFolder, number: signal.Signals) -> None:
    status = detach(home, own(home), 30)

    os.kill(status["supervisor"], number)
    _, code = os.waitpid(status["supervisor"], 0)

    assert code == 0
    assert not [child for child in status["processes"] if lives(child["pid"])]
    assert home.log("supervisor").read_text().endswith("first: stopped\n")


def test_a_supervisor_that_is_killed_leaves_nobody(home: StateFolder) -> None:
    status = detach(home, own(home, "sleep 60 & echo $!; wait"), 30)
    until(home.log("first").read_text)
    grandchild = int(home.log("first").read_text())

    os.kill(status["supervisor"], signal.SIGKILL)
    os.waitpid(status["supervisor"], 0)

    for child in status["processes"]:
        until(lambda pid=child["pid"]: not lives(pid))  # type: ignore[misc]  # bound now
    until(lambda: not lives(grandchild))
    assert home.status() is None
    assert home.owner() is None


def test_a_supervisor_that_hangs_is_killed_by_stop_with_all_its_children(home: StateFolder) -> None:
    status = detach(home, own(home), 30)
    os.kill(status["supervisor"], signal.SIGSTOP)

    assert stop(home, 0.1)

    os.waitpid(status["supervisor"], 0)
    for child in status["processes"]:
        until(lambda pid=child["pid"]: not lives(pid))  # type: ignore[misc]  # bound now
