"""The benchmark runs once, small, so that it never rots; figures come from `make bench`."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.stack]


def test_all_three_are_measured_and_ours_is_the_yardstick() -> None:
    small = ["--events", "20000", "--stock-events", "1000", "--rounds", "1"]

    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "bench", *small, "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert set(report["ratios"]) == {"stock_faust", "hand_written"}
    assert set(report["cpu_us_per_event"]) == {"ours", "stock_faust", "hand_written"}
    assert min(report["cpu_us_per_event"].values()) > 0
