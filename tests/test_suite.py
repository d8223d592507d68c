"""Two groups of tests beside each other: what is wrong with either shows in the end."""

import sys

import pytest

from tests.suite import NICENESS, side_by_side


def exits(code: int, text: str = "") -> list[str]:
    """A command that prints a text and exits with a code."""
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


@pytest.mark.parametrize(("shown", "beside", "code"), [(0, 0, 0), (1, 0, 1), (0, 2, 2), (1, 2, 1)])
def test_it_fails_where_either_group_fails(shown: int, beside: int, code: int) -> None:
    assert side_by_side(exits(shown), exits(beside)) == code


def test_what_the_group_beside_prints_comes_after_the_other(
    capfd: pytest.CaptureFixture[str],
) -> None:
    side_by_side(exits(0, "shown"), exits(0, "beside"))

    assert capfd.readouterr().out.split() == ["shown", "beside"]


def test_the_group_beside_yields(capfd: pytest.CaptureFixture[str]) -> None:
    ask = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]

    side_by_side(ask, ask)
    shown, beside = map(int, capfd.readouterr().out.split())

    assert beside == shown + NICENESS
