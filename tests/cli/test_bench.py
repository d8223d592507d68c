"""What `kol bench` makes of its options, and when it fails; nothing is measured."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streams.bench import quick
from streams.bench.checkout import PEERS, USUAL
from streams.bench.testbed import Plan
from streams.cli import app, bench
from tests.cli.stand_ins import comparison

STORED = 4.0


def kol(*words: str) -> Result:
    return CliRunner().invoke(app, ["bench", *words], env={"COLUMNS": "200"})


def report(ours_by_client: float) -> dict[str, Any]:
    cost = {"median": 1 / ours_by_client, "low": 0.0, "high": 1.0}
    return {**comparison("text"), "ratios": {"client": cost}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Reports that are given one after the other; the ratio that is stored is 4."""
    left: list[dict[str, Any]] = []
    monkeypatch.setattr(bench, "_compare", lambda _: left.pop(0))
    monkeypatch.setattr(quick, "stored_ratio", lambda _: STORED)
    return left


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that are compared."""
    found: list[Plan] = []

    def compare(plan: Plan) -> dict[str, Any]:
        found.append(plan)
        return comparison("text")

    monkeypatch.setattr(bench, "_compare", compare)
    return found


def test_a_ratio_as_stored_is_no_failure(measured: list[dict[str, Any]]) -> None:
    measured += [report(4.9)]

    assert kol("--quick").exit_code == 0


def test_what_is_slower_once_is_measured_again(measured: list[dict[str, Any]]) -> None:
    measured += [report(5.2), report(4.1)]
    result = kol("--quick")

    assert result.exit_code == 0
    assert "ours costs 4.10 times a bare client; stored are 4.00" in result.stdout


def test_what_is_slower_twice_fails_with_a_sentence(measured: list[dict[str, Any]]) -> None:
    measured += [report(5.2), report(5.4)]
    result = kol("--quick")

    assert result.exit_code == 1
    assert "kol: ours costs 5.20 times a bare client, stored are 4.00" in result.stderr


def test_without_a_terminal_each_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_: Plan, folder: Path, on_step: Callable[[str], None]) -> dict[str, Any]:
        on_step("round 1 of 7: ours")
        return comparison(str(folder))

    monkeypatch.setattr(bench, "_compare", lambda plan: bench._in_a_folder(partial(measure, plan)))

    assert kol("--rounds", "7").stderr == "· round 1 of 7: ours\n"


def test_workers_are_numbers(plans: list[Plan]) -> None:
    assert kol("--workers", "1,2").exit_code == 0
    assert [plan.workers for plan in plans] == [(1, 2)]
    for wrong in ("two", "0", ",", ""):
        assert kol("--workers", wrong).exit_code == 2


def test_all_peers_are_asked_for_by_name(plans: list[Plan]) -> None:
    kol("--peers")
    kol("--peers", "--events", "60000")
    kol()

    assert plans[0].peers == plans[1].peers == tuple(peer.name for peer in PEERS)
    assert [plan.events for plan in plans] == [3_000_000, 60_000, 600_000]
    assert plans[2].peers == USUAL


def test_the_former_name_of_an_option_is_understood(plans: list[Plan]) -> None:
    kol("--stock-events", "1000")

    assert plans[0].slow_events == 1_000


def test_what_did_not_run_is_named(plans: list[Plan]) -> None:
    assert "text did not run: text" in kol().stdout
    assert plans


def test_what_has_no_plots_refuses_a_page(plans: list[Plan]) -> None:
    for words in (["--quick"], ["--latency", "10"], ["--against", "."], ["--restore", "1"]):
        result = kol(*words, "--page", "page.html")

        assert result.exit_code == 2
        assert "only a comparison with others has plots" in result.stderr
    assert not plans
