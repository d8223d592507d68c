"""The coverage of scores through Kafka, two workers and the trainer, with crashes in the middle.

    python -m tests.truth.end_to_end [--seed 1] [--home FOLDER]

The short world of trust, moved so that it ends now, goes through `kol up` with two workers, each of
which is killed once. The trainer's numbers are published when all is read. From the first minute
for which they hold each KOL is seen once more, and its score of that minute is compared with what
is true. Exit code 1 if it covers less or more than nine in ten, by two standard errors.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.events import INPUTS
from streams.core.kol.trust import OMEGA
from tests.commands import command
from tests.integration.conftest import Product, running
from tests.worlds.draws import Floats, Mask
from tests.worlds.trust import SHORT, Trust, kol_id
from tests.worlds.world import BEGIN_MS, DAY, MINUTE

TS: Final = re.compile(rb'("ts":)(\d{13})')
ERRORS: Final = 2.0  # standard errors that a share may be off
USERS: Final = 40  # some in each partition
WAIT_SECONDS: Final = 300.0


class Covered(NamedTuple):
    """How many of the scores cover what is true."""

    share: float
    n: int
    numbers: Sequence[int]  # that the scores were judged by
    kills: int

    @property
    def error(self) -> float:
        """The standard error of a share of nine in ten."""
        return sqrt(0.9 * 0.1 / self.n)

    @property
    def is_met(self) -> bool:
        """Whether nine in ten do."""
        return abs(self.share - 0.9) <= 0.02 + ERRORS * self.error


def covered(seed: int, home: Path) -> Covered:
    """Take a world through a stack of its own in an empty folder."""
    world = Trust(SHORT.varied(seed=seed))
    shift = time.time_ns() // 1_000_000 - MINUTE - BEGIN_MS - world.card.days * DAY
    lines = list(_lines(world, shift))
    half = len(lines) // 2
    env = {"KOL_TRAINER__DAILY_TRUST": "true"}
    with running(home, workers=2, env=env) as product:
        _send(product, lines[:half])
        product.kill("worker-0")
        _send(product, lines[half:])
        product.kill("worker-1")
        product.kol("drain")
        product.kol("rollup")
        said = "SELECT count() AS n FROM v_kol"
        _until(lambda: product.sql(said)[0]["n"] == world.card.kols)
        _until(lambda: _published(product))
        minute = _first_minute(product)
        time.sleep(max(0.0, minute / 1000 - time.time()))
        product.send(list(_seen_again(world, minute)))
        asked = (
            "SELECT kol_id, trust_lo, trust_hi, missing, snapshot FROM v_score"  # noqa: S608  # a number
            f" WHERE toUnixTimestamp(minute) = {minute // 1000}"
        )
        _until(lambda: len(product.sql(asked)) == world.card.kols)
        rows = {row["kol_id"]: row for row in product.sql(asked)}
        for kol in world.targets:  # fails where a score is not what its cells and numbers say
            product.kol("explain", "kol", kol_id(kol))
    steady = np.flatnonzero(_steady(world)).tolist()
    inside = [_covers(rows[kol_id(kol)], world.trust[-1][kol]) for kol in steady]
    numbers = sorted({row["snapshot"] for row in rows.values()})
    return Covered(float(np.mean(inside)), len(inside), numbers, kills=2)


def _lines(world: Trust, shift: int) -> Iterator[str]:
    """All that is known of the world and all that happens in it, moved in time."""
    for topic, record in world.references():
        yield json.dumps({"topic": topic, "value": {**record, "ts": record["ts"] + shift}})
    for topic, key, value in world.messages():
        moved = TS.sub(lambda found: found[1] + str(int(found[2]) + shift).encode(), value)
        yield json.dumps({"topic": topic, "key": key.decode(), "raw": moved.decode()})


def _send(product: Product, lines: Sequence[str]) -> None:
    path = product.home / "world.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    product.kol("ingest", "--allow-late", str(path))


def _published(product: Product) -> bool:
    """Whether the numbers of now are published: the stack's trainer may publish at that moment."""
    done = command("snapshots", "publish", "--accept-jump", home=product.home, seconds=120.0)
    return done.returncode == 0


def _first_minute(product: Product) -> int:
    """When the first minute begins for which all newest numbers hold, milliseconds."""
    numbers = product.json("snapshots", "list")["numbers"]
    holds_from: int = max(one["holds_from"] for one in numbers)
    return ceil(holds_from / MINUTE) * MINUTE


def _seen_again(world: Trust, minute: int) -> Iterator[str]:
    """A view of each KOL in a minute, and later events of many users, so that it is written."""

    def line(topic: str, user: str, number: int, at: int, **fields: object) -> str:
        value = {"event_id": f"again-{topic}-{number}", "ts": at, "user_id": user, **fields}
        return json.dumps({"topic": topic, "value": value})

    for kol in world.kols.tolist():
        view = {"event": "view", "kol_id": kol_id(kol)}
        yield line("content-interactions", f"again{kol}", kol, minute + 1_000, **view)
    for topic in INPUTS:
        said: dict[str, object] = {"event": "view" if topic == INPUTS[1] else "search"}
        for number in range(USERS):
            order = {"kind": "paid", "order_id": f"again{number}", "pay_cents": 1}
            fields = order if topic == INPUTS[2] else said
            yield line(topic, f"later{number}", 10_000 + number, minute + 2 * MINUTE, **fields)


def _steady(world: Trust) -> Mask:
    """Who is met to the end, and whose trust neither fell nor is attacked."""
    steady = world.is_active(world.card.days - 1) & ~world.is_new
    steady &= world.collapse_day == world.card.days
    steady[list(world.targets)] = False
    return steady


def _covers(row: dict[str, Any], true: Floats) -> bool:
    """Whether a score's interval holds what is true of the dimensions that it has a source of."""
    omega = np.array([OMEGA[d] * (d not in row["missing"]) for d in DIMENSIONS])
    whole = float(np.exp(omega @ np.log(true) / omega.sum()))
    return bool(row["trust_lo"] <= whole <= row["trust_hi"])


def _until(holds: Any) -> None:  # noqa: ANN401  # a question
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > WAIT_SECONDS:
            raise TimeoutError("the stack does not say what it should")
        time.sleep(1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figure; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="an empty folder for the stack")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kol-truth-") as folder:
        found = covered(given.seed, given.home or Path(folder))
    word = "met" if found.is_met else "MISSED"
    print(  # noqa: T201
        f"{word}  coverage of the score, end to end  {found.share:.1%} (± {found.error:.1%})"
        f"  n {found.n}  seed {given.seed}  numbers {found.numbers}, {found.kills} kills"
    )
    return 0 if found.is_met else 1


if __name__ == "__main__":
    sys.exit(main())
