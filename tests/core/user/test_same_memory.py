"""Memory is a function of the log and of how it is cut, and of nothing else.

    python -m tests.core.user.test_same_memory WORLD CUT

reads a log in a process of its own and prints what both sides remember and write.
"""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash
from numpy.typing import NDArray

from schemas.blocks import unpack
from schemas.codec import decode
from schemas.events import INPUTS
from streams.core.kol.memory import KolMemory
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.worker.changes import Source
from streams.worker.outgoing import blocks
from tests.builders import KEY
from tests.core.user.test_memory_laws import Table, batch, messy_log
from tests.oracle import Record

ROOT = Path(__file__).parents[3]
SLACK = 64  # rows below which nothing is dropped: few, so that much is
WORLD = 3  # seed
FLUSH = 60  # records of every topic between two flushes, however they are cut


def fold(log: Sequence[Record], cut: int) -> tuple[UserMemory, KolMemory, Table]:
    """One partition on both sides; batches of `cut` records, flushes whatever the cut."""
    user, kol, table = UserMemory(0, hmac_key=KEY, slack=SLACK), KolMemory(0, 1, SLACK), Table()
    topics = {topic: [r for r in log if r.topic == topic] for topic in INPUTS}
    for start in range(0, max(map(len, topics.values())), FLUSH):
        for records in topics.values():
            part = records[start : start + FLUSH]
            for at in range(0, len(part), cut):
                user.fold(decode(batch(part[at : at + cut], 1), user.keyed_names))
        watermark = user.watermark(INPUTS)
        updates = collect_updates(user)
        table.take(updates.rows)
        for _, block in blocks([Source(0, 1, updates.cells, True, watermark)], 1, moved=True):  # noqa: FBT003  # as it is
            kol.fold(unpack(block))
        table.take(kol.collect_updates())
        user.prune(watermark)
    return user, kol, table


def digest(arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    return {
        name: f"{array.dtype} {array.shape} {xxhash.xxh3_64_hexdigest(array.tobytes())}"
        for name, array in sorted(arrays.items())
    }


def latest_rows(table: Table) -> list[str]:
    """Every row that stands, versions and all."""
    return sorted(
        f"{name} {json.dumps(row, sort_keys=True)}"
        for name, rows in table.rows.items()
        for row in rows.values()
    )


def run(world: int, cut: int) -> dict[str, Any]:
    log = [record for record in messy_log(world, 35, users=12) if record.partition == 0]
    user, kol, table = fold(log, cut)
    return {
        "user": digest(user.arrays()),
        "kol": digest(kol.arrays()),
        "rows": latest_rows(table),
    }


@functools.cache
def in_another_process(world: int, cut: int, hash_seed: int) -> dict[str, Any]:
    """What another process gives, whose hashes of texts are salted so."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.user.test_same_memory", str(world), str(cut)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_the_same_log_cut_alike_leaves_the_same_bytes_in_every_process() -> None:
    one, other = in_another_process(WORLD, 7, 1), in_another_process(WORLD, 7, 2)

    assert one["user"] == other["user"]
    assert one["kol"] == other["kol"]
    assert one["rows"] == other["rows"]
    assert any("kol_score" in row for row in one["rows"])


def test_the_same_log_cut_otherwise_leaves_the_same_rows_in_every_process() -> None:
    one, other = in_another_process(WORLD, 7, 1), in_another_process(WORLD, FLUSH, 3)

    assert one["rows"] == other["rows"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))))
