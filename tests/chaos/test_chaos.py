"""The short form of the chaos suite: one seed, two workers; the long one is `make chaos`."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.__main__ import SHORT
from tests.chaos.suite import judged

pytestmark = [
    *(pytest.mark.integration, pytest.mark.stack),
    *(pytest.mark.chaos, pytest.mark.timeout(900)),
]

SHRINK = 3  # further runs where it fails, to find fewer faults


def test_kills_and_a_zombie_leave_the_rows_of_a_quiet_run() -> None:
    happened: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kol-chaos-") as folder:
        wrong, figures = judged(SHORT, Path(folder), SHRINK, happened.append)

    assert not wrong, "\n".join([*happened, *wrong])
    assert figures.faults == SHORT.counts
    assert figures.looks > 0
    assert figures.totals_looks > 0
    assert figures.snapshots > 0
    assert figures.final_scores > 0
    assert figures.messages > SHORT.bulk
