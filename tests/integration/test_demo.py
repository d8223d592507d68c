"""The first command a stranger types ends with an account in which every law holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.reference_types import REFERENCES

pytestmark = [pytest.mark.integration, pytest.mark.stack]

MODELS = {"first", "last", "linear", "position", "time_decay", "shapley"}


def test_the_demo_accounts_for_every_message_and_every_cent(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    words = ["demo", "--duration", "3", "--headless", "--json", "--home", home]

    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["messages"] == sum(report["doors"].values()) + sum(report["rejected"].values())
    assert report["credited_cents"] == dict.fromkeys(MODELS, report["paid_cents"])
    assert set(report["refunded_cents"]) == MODELS
    assert min(report["orders"], report["scores"], report["doors"]["duplicate"]) > 0
    assert 0 < report["end_to_end_ms"]["p50"] <= report["end_to_end_ms"]["p99"]
    assert set(report["dimensions"]) == set(REFERENCES)
    assert all(held["rows"] == held["said"] > 0 for held in report["dimensions"].values())
