"""The views are swapped only to tables that workers and a trainer go on writing."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest

from streams.operations.drain import Observer
from streams.operations.replay import prepare, run
from streams.operations.replay.prepare import ReplayError, replay_settings, replay_worker
from streams.operations.replay.run import Plan, catch_up
from streams.settings import Kafka, Settings
from streams.trainer.standing import Standing

LIVE = Settings()
SECOND = replay_settings(LIVE, "kol-2")
OF_THE_COMMAND = [replay_worker("kol-2", number) for number in range(2)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a replay does, in order; nothing is connected to."""
    done: list[str] = []
    monkeypatch.setattr(run, "prepare", lambda *_: done.append("prepare"))
    monkeypatch.setattr(run, "wait_until_caught_up", lambda *_: done.append("wait"))
    monkeypatch.setattr(run, "swap", lambda *_: done.append("swap"))
    return done


def set_members(
    monkeypatch: pytest.MonkeyPatch, *at_each_look: list[str], trainers: int = 1
) -> None:
    looks = iter(at_each_look)

    @contextmanager
    def admin(_: Kafka) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(members=lambda _: {name: {} for name in next(looks)})

    monkeypatch.setattr(prepare, "kafka_admin", admin)
    monkeypatch.setattr(prepare, "standing", lambda *_: Standing(trainers, 0, None))


def swapped() -> None:
    observer = Observer(lambda _: None, lambda _: None)
    catch_up(LIVE, SECOND, Plan(None, 1.0, swap=True), nullcontext(lambda: None), observer)


@pytest.mark.parametrize("names", [[], OF_THE_COMMAND])
def test_workers_that_end_with_the_command_are_no_reason_to_swap(
    monkeypatch: pytest.MonkeyPatch, steps: list[str], names: list[str]
) -> None:
    set_members(monkeypatch, names)

    with pytest.raises(ReplayError, match="no worker of kol-2 runs that stays"):
        swapped()
    assert steps == ["prepare"]


def test_workers_that_went_while_it_caught_up_are_no_reason_either(
    monkeypatch: pytest.MonkeyPatch, steps: list[str]
) -> None:
    set_members(monkeypatch, ["kol-2-a", *OF_THE_COMMAND], OF_THE_COMMAND)

    with pytest.raises(ReplayError, match="no worker of kol-2 runs that stays"):
        swapped()
    assert steps == ["prepare", "wait"]


def test_without_a_trainer_hours_and_days_would_stand_still(
    monkeypatch: pytest.MonkeyPatch, steps: list[str]
) -> None:
    set_members(monkeypatch, ["kol-2-a"], trainers=0)

    with pytest.raises(ReplayError, match="no trainer of kol-2 runs"):
        swapped()
    assert steps == ["prepare"]


def test_one_worker_that_stays_is_enough(monkeypatch: pytest.MonkeyPatch, steps: list[str]) -> None:
    names = ["kol-2-a", *OF_THE_COMMAND]
    set_members(monkeypatch, names, names)

    swapped()

    assert steps == ["prepare", "wait", "swap"]
