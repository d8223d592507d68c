"""Groups of tests beside each other: what is wrong with any of them shows in the end."""

import sys
from itertools import product

import pytest

from tests.suite import GROUPS, NICENESS, side_by_side

NICE = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
EVERY = list(product((0, 1), repeat=3))


def exits(code: int, text: str = "") -> list[str]:
    """A command that prints a text and exits with a code."""
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


@pytest.mark.parametrize("codes", EVERY)
def test_it_fails_where_any_group_fails(codes: tuple[int, ...]) -> None:
    assert side_by_side(*map(exits, codes)) == max(codes)


def test_what_the_groups_beside_print_comes_after_the_other_in_their_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    side_by_side(exits(0, "shown"), exits(0, "beside"), exits(0, "last"))

    assert capfd.readouterr().out.split() == ["shown", "beside", "last"]


def test_the_last_group_yields(capfd: pytest.CaptureFixture[str]) -> None:
    side_by_side(NICE, NICE, NICE)
    shown, beside, last = map(int, capfd.readouterr().out.split())

    assert (beside, last) == (shown, shown + NICENESS)


@pytest.mark.parametrize("is_integration", [False, True])
@pytest.mark.parametrize("is_stack", [False, True])
def test_every_test_is_in_one_group(*, is_integration: bool, is_stack: bool) -> None:
    marks = {"integration": is_integration, "stack": is_stack}
    holding = [group for group in GROUPS if eval(group, {}, marks)]  # noqa: S307  # our own words

    assert len(holding) == 1
