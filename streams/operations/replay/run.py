"""A replay from its beginning, or from where it was, until it has caught up; then the swap.

catch_up(live, second, Plan(None, timeout, swap=True), workers, observer)
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import NamedTuple

from streams.operations.drain import Observer
from streams.operations.replay.prepare import (
    check_started,
    check_workers,
    prepare,
    wait_until_caught_up,
)
from streams.operations.replay.swap import swap
from streams.settings import Settings

Workers = AbstractContextManager[Callable[[], None]]  # gives a check that raises once one exited


class Plan(NamedTuple):
    """What a replay does."""

    since: int | None  # rows before this event time are copied, ms; None: all are computed anew
    timeout: float  # seconds it may take to catch up
    swap: bool  # whether the views are to read it then


def catch_up(
    live: Settings, second: Settings, plan: Plan, workers: Workers | None, observer: Observer
) -> None:
    """Prepare a replay, wait until it has caught up, and swap where the plan says so.

    Args:
        live: settings of the app that goes on.
        second: settings of the replay.
        plan: what to do.
        workers: run while the replay catches up; None: they run elsewhere.
        observer: sees the messages that are left and the steps.

    Raises:
        ReplayError: it would not be true to the cent, or no worker would go on after the swap.
        NotDrainedError: it has not caught up in time.

    """
    since = prepare(live, second, plan.since)
    if plan.swap:
        check_workers(second)
    with workers or nullcontext(_nothing_to_check) as check:

        def remaining(left: int) -> None:
            check()
            observer.remaining(left)

        wait_until_caught_up(second, plan.timeout, replace(observer, remaining=remaining))
        if plan.swap:
            check_workers(second)
            observer.step("swapping")
            swap(live, second, since)


def swap_once_caught_up(
    live: Settings, second: Settings, timeout: float, observer: Observer
) -> None:
    """Swap to a replay that was begun, once its workers, which run elsewhere, have caught up.

    Raises:
        ReplayError: it was not begun, or none of its workers runs.
        NotDrainedError: they have not caught up in time.

    """
    check_started(second)
    catch_up(live, second, Plan(None, timeout, swap=True), None, observer)


def _nothing_to_check() -> None:
    """Workers elsewhere are watched by whoever started them."""
