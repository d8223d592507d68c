"""The whole chaos suite: `make chaos`, or one of its phases.

python -m tests.chaos                              # all phases, a table and JSON at the end
python -m tests.chaos --phase proxies --seed 5     # one, with another seed
python -m tests.chaos --phase short --shrink 8     # look longer for the fewest faults
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.chaos.faults import Kind
from tests.chaos.foreign import Ending
from tests.chaos.outage import Outage
from tests.chaos.suite import COMPARED, Figures, Phase, endured, judged

SHRINK: Final = 4  # further runs of a phase that failed

SHORT: Final = Phase(
    "short",
    seed=1,
    workers=2,
    seconds=14.0,
    counts={Kind.WORKER: 3, Kind.ENGINE: 1, Kind.FROZEN: 1, Kind.ZOMBIE: 1, Kind.AGAIN: 1}
    | {Kind.TRAINER: 2, Kind.TRAINER_ZOMBIE: 1, Kind.BY_HAND: 1},
    zone="America/New_York",
    users=12,
    days=12,
    bulk=3_000,
    snapshot_seconds=0.2,
    quiet_stack=False,
)
PHASES: Final = (
    Phase(
        "alone",
        seed=11,
        workers=1,
        seconds=130.0,
        counts={Kind.WORKER: 14, Kind.ENGINE: 2, Kind.BROKER: 1, Kind.ZOMBIE: 1, Kind.AGAIN: 3}
        | {Kind.FROZEN: 1}
        | {Kind.TRAINER: 6, Kind.TRAINER_ZOMBIE: 2, Kind.BY_HAND: 2},
        days=200,
        replays=True,
        references=True,
    ),
    Phase(
        "pair",
        seed=12,
        workers=2,
        seconds=150.0,
        counts={Kind.WORKER: 20, Kind.ENGINE: 2, Kind.BROKER: 1, Kind.ZOMBIE: 2, Kind.AGAIN: 3}
        | {Kind.JOIN: 6, Kind.FROZEN: 2}
        | {Kind.TRAINER: 8, Kind.TRAINER_ZOMBIE: 2, Kind.BY_HAND: 3},
        days=3,
        snapshot_seconds=0.4,
        zone="America/New_York",
    ),
    Phase(
        "proxies",
        seed=13,
        workers=1,
        extras=2,
        seconds=170.0,
        counts={Kind.WORKER: 16, Kind.ENGINE: 2, Kind.BROKER: 1, Kind.ZOMBIE: 2, Kind.AGAIN: 3}
        | {Kind.CUT: 10, Kind.SLOW: 5, Kind.HOLD: 6, Kind.REFUSE: 5}
        | {Kind.TRAINER: 6, Kind.TRAINER_ZOMBIE: 2, Kind.BY_HAND: 2},
        days=20,
        zone="Europe/Berlin",
    ),
    Phase(
        "three",
        seed=14,
        workers=3,
        seconds=150.0,
        counts={Kind.WORKER: 18, Kind.ENGINE: 2, Kind.BROKER: 2, Kind.ZOMBIE: 2, Kind.AGAIN: 3}
        | {Kind.JOIN: 7}
        | {Kind.TRAINER: 8, Kind.TRAINER_ZOMBIE: 2, Kind.BY_HAND: 3},
        days=60,
        snapshot_seconds=5.0,
        zone="Australia/Lord_Howe",
        references=True,
    ),
    Phase(
        "four",
        seed=15,
        workers=4,
        seconds=160.0,
        counts={Kind.WORKER: 22, Kind.ENGINE: 3, Kind.BROKER: 1, Kind.ZOMBIE: 2, Kind.AGAIN: 3}
        | {Kind.FROZEN: 1}
        | {Kind.TRAINER: 8, Kind.TRAINER_ZOMBIE: 3, Kind.BY_HAND: 3},
        days=8,
        replays=True,
    ),
    Phase(
        "foreign",
        seed=152,  # a transaction outlasts the patience of a worker that restores
        workers=3,
        seconds=150.0,
        counts={Kind.WORKER: 10, Kind.BROKER: 1, Kind.ZOMBIE: 1, Kind.AGAIN: 2, Kind.JOIN: 4}
        | {Kind.FOREIGN: 6}
        | {Kind.TRAINER: 4, Kind.TRAINER_ZOMBIE: 1, Kind.BY_HAND: 2},
        days=20,
        quiet_stack=False,  # ends of transactions have offsets, so letters have others
    ),
    Phase(
        "late-ends",
        seed=19,
        workers=1,
        extras=2,
        seconds=120.0,
        counts={Kind.WORKER: 2, Kind.AGAIN: 1, Kind.LATE_END: 4}
        | {Kind.TRAINER: 3, Kind.TRAINER_ZOMBIE: 1, Kind.BY_HAND: 1},
        days=20,
        quiet_stack=False,
    ),
    Phase(
        "compacted",
        seed=18,
        workers=2,
        seconds=80.0,
        counts={Kind.WORKER: 8, Kind.ENGINE: 2, Kind.BROKER: 1, Kind.AGAIN: 2}
        | {Kind.TRAINER: 5, Kind.TRAINER_ZOMBIE: 1, Kind.BY_HAND: 1},
        bulk=30_000,
        quiet_stack=False,
        references=True,
        compacts=True,
    ),
    Phase(
        "rolling",
        seed=16,
        workers=3,
        seconds=50.0,
        counts={Kind.ROLL: 1, Kind.AGAIN: 1}
        | {Kind.TRAINER: 2, Kind.TRAINER_ZOMBIE: 1, Kind.BY_HAND: 1},
        days=30,
        bulk=150_000,
        session=30.0,
        most_gap=10.0,
        quiet_stack=False,
    ),
)
OUTAGE: Final = Outage("outage", seed=17, seconds=300.0, rate=20_000.0)
OUTAGE_ROWS: Final = (
    *("messages", "peak_mb_before", "peak_mb_during", "peak_mb_after", "most_waiting"),
    *("first_row_seconds", "catch_up_seconds"),
)
WANTED: Final[Mapping[Kind, int]] = {
    Kind.WORKER: 80,
    Kind.ENGINE: 10,
    Kind.BROKER: 5,
    Kind.ZOMBIE: 5,
    Kind.FOREIGN: 5,
    Kind.LATE_END: 3,
    Kind.TRAINER: 40,
    Kind.TRAINER_ZOMBIE: 10,
    Kind.BY_HAND: 10,
}
REBALANCES: Final = 50


def main(words: Sequence[str] | None = None) -> int:
    """Run phases; 0 if nothing was lost and nothing counted twice."""
    phases: dict[str, Phase | Outage] = {one.name: one for one in (SHORT, *PHASES, OUTAGE)}
    usual = [one.name for one in (*PHASES, OUTAGE)]
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--phase", choices=phases, action="append", help="only these")
    parser.add_argument("--seed", type=int, help="instead of each phase's own")
    parser.add_argument("--shrink", type=int, default=SHRINK, help="runs to find fewer faults")
    parser.add_argument("--json", action="store_true", help="print nothing but JSON at the end")
    parser.add_argument("--scale", type=float, default=1.0, help="0.2: a fifth as long and bad")
    given = parser.parse_args(words)
    chosen = [phases[name] for name in given.phase or usual]
    if given.seed is not None:
        chosen = [replace(phase, seed=given.seed) for phase in chosen]
    chosen = [phase.scaled(given.scale) for phase in chosen]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients: it is meant
    console = Console(stderr=given.json, highlight=False, markup=False, soft_wrap=True)
    begun, total, told, broken = time.monotonic(), Figures(), [], []
    with tempfile.TemporaryDirectory(prefix="kol-chaos-") as folder:
        for phase in chosen:
            console.print(f"{phase.name}: seed {phase.seed}, {phase.workers} workers")
            if isinstance(phase, Outage):
                wrong, figures = endured(phase, Path(folder), console.print)
            else:
                wrong, figures = judged(phase, Path(folder), given.shrink, console.print)
            total.add(figures)
            told.append({"phase": phase.name, "seed": phase.seed, "wrong": wrong, **figures.told()})
            broken += wrong
            console.print(f"  {'WRONG' if wrong else 'right'} after {figures.seconds:.0f} s")
    if not given.phase and given.scale >= 1 and not broken:
        broken = _too_few(total)
    console.print(_table([*told, {"phase": "all", **total.told()}]))
    for line in broken:
        console.print(line)
    minutes = round((time.monotonic() - begun) / 60, 1)
    result = {"phases": told, "all": total.told(), "minutes": minutes, "ok": not broken}
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 1 if broken else 0


def _too_few(total: Figures) -> list[str]:
    """Where the suite did less harm than it has to."""
    few = [
        f"only {total.faults[kind]} of {wanted}: {kind}"
        for kind, wanted in WANTED.items()
        if total.faults[kind] < wanted
    ]
    if not total.waited_in_vain:
        few.append("no worker met a transaction that stayed open")
    if not total.late_ends:
        few.append("no end of a transaction was late")
    if total.rebalances < REBALANCES:
        few.append(f"only {total.rebalances} of {REBALANCES} rebalances")
    return few


def _table(told: Sequence[Mapping[str, Any]]) -> Table:
    """Phases side by side."""
    table = Table("", *(str(one["phase"]) for one in told), title="chaos")
    for kind in Kind:
        table.add_row(str(kind), *(str(one["faults"].get(kind, 0)) for one in told))
    for kind in (Kind.WORKER, Kind.ENGINE, Kind.BROKER):
        cells = [one["recovery_seconds"].get(kind) for one in told]
        row = [f"{cell['p50']:.1f} / {cell['max']:.1f}" if cell else "" for cell in cells]
        table.add_row(f"{kind}: first new row, p50 / max s", *row)
    stops = [one["stop_seconds"] for one in told]
    cells = [f"{cell['p50']:.1f} / {cell['max']:.1f}" if cell else "" for cell in stops]
    table.add_row("gone after SIGTERM, p50 / max s", *cells)
    table.add_row(
        "longest gap of a partition, s", *(f"{one['longest_gap_seconds']:.1f}" for one in told)
    )
    for name in OUTAGE_ROWS:
        cells = [str(one["outage"].get(name, "")) for one in told]
        table.add_row(f"outage: {name.replace('_', ' ')}", *cells)
    for ending in ("opened", *Ending):
        cells = [str(one["foreign_transactions"].get(ending, "")) for one in told]
        table.add_row(f"foreign transactions {ending}", *cells)
    for name in ("waited_in_vain", "late_ends", "totals_looks"):
        table.add_row(name.replace("_", " "), *(f"{one[name]:,}" for one in told))
    for name in ("rebalances", "messages", "duplicate_work", "snapshots", "offset_looks"):
        table.add_row(name.replace("_", " "), *(f"{one[name]:,}" for one in told))
    for name in COMPARED:
        table.add_row(name.replace("_", " "), *(f"{one[name]:,}" for one in told))
    for name in ("orders", "cells", "dead_letters", "final_scores", "drain_seconds", "seconds"):
        table.add_row(name.replace("_", " "), *(f"{one[name]:,}" for one in told))
    return table


if __name__ == "__main__":
    sys.exit(main())
