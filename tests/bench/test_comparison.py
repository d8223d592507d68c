"""What a comparison does in which order, with systems that only say they were measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.embedded.state_folder import StateFolder
from streams.bench import checkout, comparison, testbed
from streams.bench.checkout import Peer
from streams.bench.comparison import compare
from streams.bench.messages import Messages
from streams.bench.ours import Place
from streams.bench.testbed import Bench, Plan
from streams.bench.windows import MeasureError, Run
from streams.settings import Settings

RUN: Run = {"cpu_us_per_event": 2.0, "events_per_second": 1, "cpu_us": {"itself": 2.0}}
EXACT = Peer("exact", "W1", "x", judged="EXACT")
SLOW = Peer("slow", "counts", "x", is_slow=True)


class Stack:
    """A stack of which nothing runs."""

    settings = Settings()

    def __init__(self, folder: StateFolder, *_: object, **__: object) -> None:
        folder.acquire()
        folder.write_status(
            {
                "supervisor": int(folder.pid_file.read_text()),
                "settings": {},
                "processes": [{"name": "kafka", "pid": 7}, {"name": "worker-0", "pid": 8}],
            }
        )

    def start(self) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What happens, in order."""
    found: list[Any] = []

    async def send(_: Settings, messages: Iterator[object]) -> None:
        found.append(("sent", sum(1 for _ in messages)))

    def measure(_: Place, warm: int, total: int, pids: dict[str, int], workers: int) -> Run:
        found.append(("ours", warm, total, pids, workers))
        return RUN

    def child(name: str, command: list[str], *_: object, **__: object) -> Run:
        found.append((name, *command[3:]))
        return RUN

    monkeypatch.setattr(testbed, "RunningStack", Stack)
    monkeypatch.setattr(testbed, "_send", send)
    monkeypatch.setattr(testbed, "measure_child", child)
    monkeypatch.setattr(Bench, "forget_peer", lambda _, name: found.append(("forget", name)))
    monkeypatch.setattr(Place, "reset_group", lambda _: found.append("reset"))
    monkeypatch.setattr(Place, "read_all", lambda _, total: found.append(("read", total)))
    monkeypatch.setattr(Place, "measure", measure)
    monkeypatch.setattr(comparison, "peers", lambda _: ([EXACT, SLOW], {"absent": "no such"}))
    monkeypatch.setattr(comparison, "checked", lambda *_: {"checked": True})
    monkeypatch.setattr(comparison, "checked_peer", lambda *_: {"wrong": [], "equal": 1.0})
    return found


SMALL = Plan(events=9_000, rounds=1, ceilings=("client",), slow_events=100)


def test_everything_is_checked_before_anything_is_rated(story: list[Any], tmp_path: Path) -> None:
    found = compare(StateFolder(tmp_path), SMALL, lambda _: None)

    bootstrap = Stack.settings.kafka.bootstrap
    # 9,000 to measure, 5,000 (the least) to warm up and 5,000 to spare
    assert story == [
        ("sent", 19_000),
        "reset",
        ("read", 19_000),
        ("exact", bootstrap, "1", "19000", "4", "exact-check"),
        ("forget", "exact-check"),
        ("client", "client", bootstrap, "5000", "9000", "4"),
        "reset",
        ("ours", 5_000, 19_000, {"broker": 7}, 1),
        ("exact", bootstrap, "5000", "9000", "4", "exact-1"),
        ("forget", "exact-1"),
        ("slow", bootstrap, "5000", "100", "4", "slow-1"),
        ("forget", "slow-1"),
        ("client", "client", bootstrap, "5000", "9000", "4"),
    ]
    assert found["not_run"] == {"absent": "no such"}
    assert found["peers"]["exact"] == {"work": "W1", "wrong": [], "equal": 1.0}
    assert found["ratios"].keys() == {"client", "exact", "slow"}


def test_only_the_first_messages_are_checked(
    story: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "CHECKED", 4_000)
    compare(StateFolder(tmp_path), SMALL, lambda _: None)

    assert [one for one in story if one[0] in {"sent", "read"}] == [
        ("sent", 4_000),
        ("read", 4_000),
        ("sent", 15_000),
    ]


def test_all_messages_are_those_of_the_sum(story: list[Any], tmp_path: Path) -> None:
    found = compare(StateFolder(tmp_path), SMALL, lambda _: None)
    whole = Messages(seed=7, count=19_000)
    list(whole)

    assert story
    assert found["input"]["sha256"] == whole.sha256


def test_a_peer_whose_output_is_wrong_is_not_rated(
    story: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "checked_peer", lambda *_: {"wrong": ["3 cells differ"]})
    found = compare(StateFolder(tmp_path), SMALL, lambda _: None)

    assert found["not_run"]["exact"] == "it is not rated, its output is wrong: 3 cells differ"
    assert "exact" not in found["ratios"]
    assert "exact-1" not in {one[-1] for one in story}


def test_a_peer_that_fails_later_is_named_and_the_others_are_rated(
    story: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(peer: Peer, name: str, **_: object) -> Run:
        if name == "exact-2":
            raise MeasureError("out of memory")
        return {**RUN, "peer": peer.name}

    monkeypatch.setattr(Bench, "run_peer", lambda _, *words, **more: fail(*words, **more))
    found = compare(StateFolder(tmp_path), replace(SMALL, rounds=3), lambda _: None)

    assert story
    assert found["not_run"] == {"absent": "no such", "exact": "out of memory"}
    assert found["ratios"].keys() == {"client", "slow"}
    assert len(found["runs"]["slow"]) == 3


def test_what_a_peer_left_behind_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[Any] = []
    topics = ["clickstream", "peer-1-output", "peer-1-users-changelog", "peer-2-output"]

    @contextmanager
    def admin(_: object) -> Iterator[Any]:
        yield SimpleNamespace(
            counts=lambda: dict.fromkeys(topics, 4), delete_app=lambda *what: gone.append(what)
        )

    monkeypatch.setattr(testbed, "RunningStack", Stack)
    monkeypatch.setattr(testbed, "kafka_admin", admin)
    Bench(StateFolder(tmp_path), SMALL, lambda _: None).forget_peer("peer-1")

    assert gone == [("peer-1", ["peer-1-output", "peer-1-users-changelog"])]


def test_without_the_client_it_is_named(
    story: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "find_spec", lambda _: None)
    with pytest.raises(MeasureError, match="needs confluent-kafka: pip install"):
        compare(StateFolder(tmp_path), SMALL, lambda _: None)

    assert not story


def test_nothing_is_rated_where_our_output_is_wrong(
    story: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> dict[str, Any]:
        raise MeasureError("what was written is wrong")

    monkeypatch.setattr(comparison, "checked", wrong)
    with pytest.raises(MeasureError):
        compare(StateFolder(tmp_path), SMALL, lambda _: None)

    assert not [one for one in story if one[0] == "ours"]


def test_slow_peers_can_be_left_out(story: list[Any], tmp_path: Path) -> None:
    found = compare(StateFolder(tmp_path), replace(SMALL, slow_events=0), lambda _: None)

    assert story
    assert found["ratios"].keys() == {"client", "exact"}


def test_ours_runs_without_rows_of_events_too(story: list[Any], tmp_path: Path) -> None:
    found = compare(StateFolder(tmp_path), replace(SMALL, has_eventless=True), lambda _: None)

    assert len([one for one in story if one[0] == "ours"]) == 2
    assert "ours, no event rows" in found["ratios"]
