"""The trainer beside a running stack: watched, started again, seen on pages and in commands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from streams.clients.worker_pages import fetch_page
from streams.trainer.telemetry import METRICS
from tests.commands import command
from tests.integration.conftest import Product

pytestmark = pytest.mark.integration

PATIENCE = 60.0


def until(found: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever is waited for
    deadline = time.monotonic() + PATIENCE
    while not (answer := found()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return answer


def test_a_trainer_is_supervised_and_seen_and_may_have_others_beside_it(
    start: Callable[..., Product],
) -> None:
    product = start(workers=0)

    def holder() -> dict[str, Any] | None:
        trainer = product.json("status")["trainer"]
        has_turned = (trainer["page"] or {}).get("holds") and not trainer["fault"]
        return dict(trainer) if has_turned else None

    first = until(holder)
    drained = product.json("drain")
    by_hand = product.json("rollup", "--from", "2020-01-01")
    text = product.kol("rollup")
    elsewhere = command("rollup", home=product.home, env={"KOL_BUSINESS_ZONE": "Europe/Berlin"})
    page = fetch_page(f"{first['url']}/metrics")
    live, ready = (fetch_page(f"{first['url']}/healthz/{name}") for name in ("live", "ready"))
    assert page is not None
    exported = {
        f"{one.name}_total" if one.type == "counter" else one.name
        for one in families(page.decode())
    }
    product.kill("trainer")

    def again() -> dict[str, Any] | None:
        status = product.json("status")
        (one,) = [one for one in status["processes"] if one["name"] == "trainer"] or [{}]
        return dict(status["trainer"]) if one.get("state") == "up" and one["restarts"] else None

    second = until(again)
    once = command(
        *("trainer", "--once", "--turn", "minutes"),
        home=product.home,
        env={"KOL_APP_ID": "another"},
    )
    said = [json.loads(line)["message"] for line in once.stderr.splitlines()]
    unknown = command("trainer", "--turn", "hourly", home=product.home)

    assert drained == {"drained": True, "rolled_up": True}
    assert first["generation"] < by_hand["generation"]
    assert (by_hand["zone"], by_hand["buckets"]) == ("Asia/Shanghai", {})
    assert elsewhere.returncode == 1
    assert "those of Asia/Shanghai, KOL_BUSINESS_ZONE is Europe/Berlin" in elsewhere.stderr
    assert "nothing had changed" in text
    assert "days are those of Asia/Shanghai" in text
    assert exported >= METRICS.keys()
    assert [json.loads(one or b"") for one in (live, ready)] == 2 * [{"ok": True, "faults": []}]
    assert first["fault"] == second["fault"] == ""
    assert second["page"]["ready"] == []
    assert "holds the lock" in product.kol("status")
    assert once.returncode == 0
    assert said[-1] == "stopped"
    assert unknown.returncode == 2
    assert "hourly: turns are minutes" in unknown.stderr


def test_a_trainer_knows_neither_faust_nor_pandas() -> None:
    names = ("faust", "mode", "pandas", "streams.worker")
    code = f"import sys, streams.trainer.process; print([n for n in {names} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    assert done.stdout.strip() == "[]"
