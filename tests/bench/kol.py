"""What the KOL side takes: cells a second, and flushes around midnight, when all KOLs have a row.

    python -m tests.bench.kol [--kols 5000] [--minutes 20] [--turns 5]

CPU of this process, without broker and engine; the median of the turns, as one line of JSON:

    written         thousand cells a second that are folded and written for the first time
    final           thousand cells a second that become final and are written once more
    both            thousand cells a second through both
    midnight_ms     a flush as midnight passes, with a row of each KOL
    after_ms        a flush of one cell a minute later
    other_ms        the same at another hour
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from schemas.blocks import Block
from schemas.cells import AT, NAMES
from streams.core.kol.decay import DAY
from streams.core.kol.memory import KolMemory
from streams.core.moments import GRACE_MS, HORIZON_MS, MINUTE_MS

NOON: Final = 19_863 * DAY + DAY // 2  # 2024-05-20 12:00 UTC in minutes
SEED: Final = 20240520


def cells(kols: int, minute: int, mark: int, generator: np.random.Generator) -> Block:
    """A cell of each KOL in a minute, judged in two dimensions; `mark` is in milliseconds."""
    fields = np.zeros((kols, len(NAMES)), np.int64)
    for d in "EB":
        fields[:, AT[f"for_{d}"]] = weight = generator.integers(0, 1_000_000, kols)
        fields[:, AT[f"square_{d}"]] = weight**2
    fields[:, AT["users_day"]] = 1
    fields[:, AT["depth"]] = fields[:, AT["depth_square"]] = 800_000
    return Block(
        watermarks={0: mark},
        lives={0: 1},
        source=np.zeros(kols, np.uint16),
        kols=[f"k{number}" for number in range(kols)],
        kol=np.arange(kols, dtype=np.int32),
        minute=np.full(kols, minute, np.int64),
        fields=fields,
        version=np.full(kols, minute, np.uint64),
    )


def first_due(minute: int) -> int:
    """The watermark at which a minute is written."""
    return (minute + 1) * MINUTE_MS + GRACE_MS


def turn(kols: int, minutes: int) -> dict[str, float]:
    """Seconds of each part."""
    generator = np.random.default_rng(SEED)
    memory = KolMemory(0, 1)

    def flush(*blocks: Block) -> float:
        begun = time.process_time()
        for block in blocks:
            memory.fold(block)
        memory.collect_updates()
        return time.process_time() - begun

    def one(minute: int) -> Block:
        return cells(1, minute, first_due(minute), generator)

    blocks = [cells(kols, at, first_due(at), generator) for at in range(NOON, NOON + minutes)]
    end = NOON + minutes
    found = {
        "written": sum(map(flush, blocks)),
        "final": flush(cells(0, end, (end + 1) * MINUTE_MS + HORIZON_MS, generator)),
    }
    midnight = (NOON // DAY + 1) * DAY
    flush(one(midnight - 9))
    found["other_ms"] = flush(one(midnight - 8))
    found["midnight_ms"] = flush(one(midnight))
    found["after_ms"] = flush(one(midnight + 1))
    return found


def figures(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """The figures, medians of the turns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kols", type=int, default=5_000)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args(arguments)
    turns = [turn(given.kols, given.minutes) for _ in range(given.turns)]
    many = given.kols * given.minutes

    def median(of: Callable[[dict[str, float]], float]) -> float:
        return round(statistics.median(map(of, turns)), 1)

    return {
        "kols": given.kols,
        "cells": many,
        "written": median(lambda one: many / one["written"] / 1e3),
        "final": median(lambda one: many / one["final"] / 1e3),
        "both": median(lambda one: many / (one["written"] + one["final"]) / 1e3),
        "midnight_ms": median(lambda one: one["midnight_ms"] * 1e3),
        "after_ms": median(lambda one: one["after_ms"] * 1e3),
        "other_ms": median(lambda one: one["other_ms"] * 1e3),
    }


def main() -> None:
    """Print the figures as one line of JSON."""
    print(json.dumps(figures()))  # noqa: T201


if __name__ == "__main__":
    main()
