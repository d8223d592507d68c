"""The benchmark runs once, small, so that it never rots; figures come from `make bench`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.stack]

SYSTEMS = {"ours", "ours, no event rows", "stock_faust", "hand_written"}
CEILINGS = {"client", "wire", "decode", "insert"}


def test_all_systems_and_ceilings_are_measured_once_the_output_is_right(tmp_path: Path) -> None:
    small = ["--events", "60000", "--slow-events", "1000", "--rounds", "1"]

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "streams.cli",
            "bench",
            *small,
            "--page",
            str(tmp_path / "page"),
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["output"]["checked"]
    assert report["output"]["messages"] == report["input"]["events"]
    assert report["not_run"] == {}
    assert set(report["cpu_us_per_event"]) == SYSTEMS | CEILINGS
    assert set(report["ratios"]) == (SYSTEMS | CEILINGS) - {"ours"}
    assert min(cost["low"] for cost in report["cpu_us_per_event"].values()) > 0
    assert set(report["cpu_us"]["ours"]) == {"worker", "broker", "engine", "trainer"}
    assert "<svg" in (tmp_path / "page").read_text(encoding="utf-8")
