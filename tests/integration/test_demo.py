"""The first command a stranger types ends with an account in which every law holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

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
    told = json.loads(done.stdout)
    assert told["messages"] == sum(told["doors"].values()) + sum(told["rejected"].values())
    assert told["credited_cents"] == dict.fromkeys(MODELS, told["paid_cents"])
    assert set(told["refunded_cents"]) == MODELS
    assert min(told["orders"], told["scores"], told["doors"]["duplicate"]) > 0
    assert 0 < told["end_to_end_ms"]["p50"] <= told["end_to_end_ms"]["p99"]
