"""Golden paths: a few messages read to the end, and every row that stands then.

    python -m tests.golden_paths      # writes tests/golden/<case>/rows.jsonl again; review the diff

A line of `events.jsonl` is one of `kol ingest`. Beside what that reads, `note` explains the
message and `at` is the record time; without it that is the event's own `ts`, or the time of
the line before where there is none to read.

A line of `rows.jsonl` is a row as it stands in a replacing table: by table and key, without
its version, times as ClickHouse shows them, numbers rounded to 1e-9. What is zero is left
out of cells and counts, and so are the counters of `kol-cells`, which depend on how often
statements are made and not on the events.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from schemas.cells import NAMES
from schemas.columns import RecordBatch
from schemas.partitioner import partition_of
from schemas.rows import MOMENT, SECOND, TABLES
from schemas.topics import CELLS
from sinks.memory import Memory
from streams.operations.ingest.lines import parse_line
from tests.both_sides import BothSides
from tests.oracle import Record

ROOM: Final = Path(__file__).parent / "golden"
CASES: Final = sorted(path.parent.name for path in ROOM.glob("*/events.jsonl"))
PARTITIONS: Final = 2
KEY: Final = b"the key of the golden paths"

Row = Mapping[str, Any]


def records(case: str) -> list[Record]:
    """The lines of a case as they lie on the broker."""
    ends: dict[tuple[str, int], int] = {}
    log: list[Record] = []
    received_at = 0
    for line in (ROOM / case / "events.jsonl").read_bytes().splitlines():
        sent = parse_line(line)
        received_at = json.loads(line).get("at", sent.at or received_at)
        place = sent.topic, 0 if sent.key is None else partition_of(sent.key, PARTITIONS)
        ends[place] = ends.get(place, -1) + 1
        log.append(Record(*place, ends[place], received_at, sent.value))
    return log


def one_by_one(log: Iterable[Record]) -> list[RecordBatch]:
    """Every message alone, in the order of the file."""
    return [_batch([record]) for record in log]


def by_topic(log: Iterable[Record]) -> list[RecordBatch]:
    """Every topic partition at once, the purchases before what led to them."""
    parts: dict[tuple[str, int], list[Record]] = {}
    for record in log:
        parts.setdefault((record.topic, record.partition), []).append(record)
    return [_batch(parts[place]) for place in sorted(parts, reverse=True)]


def _batch(part: Sequence[Record]) -> RecordBatch:
    return RecordBatch(
        topic=part[0].topic,
        partition=part[0].partition,
        partitions=PARTITIONS,
        first_offset=part[0].offset,
        next_offset=part[-1].offset + 1,
        values=[record.value for record in part],
        offsets=np.array([record.offset for record in part], np.int64),
        received_at=np.array([record.received_at for record in part], np.int64),
    )


def tables_after(log: Sequence[Record], batches: Iterable[RecordBatch]) -> Memory:
    """The tables once these batches of the log are read, flushed after each of them."""
    return asyncio.run(_flushed(BothSides(PARTITIONS, places(log), KEY), batches))


def places(log: Iterable[Record]) -> set[tuple[str, int]]:
    """Topics and partitions that the messages lie on."""
    return {(record.topic, record.partition) for record in log}


async def _flushed(core: BothSides, batches: Iterable[RecordBatch]) -> Memory:
    sink = Memory()
    for batch in batches:
        core.fold(batch)
        for rows in core.collect():
            await sink.write(rows)
    return sink


def rows_of(sink: Memory) -> list[Row]:
    """Every latest row, as a line of `rows.jsonl`."""
    return [
        _shown_row(table, row)
        for table in sorted(TABLES)
        for row in sink.rows(table)
        if table != "door_count" or (row["n"] and row["topic"] != CELLS)
    ]


def _shown_row(table: str, row: Row) -> Row:
    types = TABLES[table].columns
    return {"table": table} | {
        name: _shown(types[name], value)
        for name, value in row.items()
        if name != "version" and not (table == "minute_cell" and name in NAMES and value == 0)
    }


def _shown(kind: str, value: Any) -> Any:  # noqa: ANN401  # any value of a column
    if kind == f"Array({MOMENT})":
        return [_moment(at) for at in value]
    if kind == MOMENT:
        return _moment(value)
    if kind == SECOND:
        return _moment(1_000 * value).removesuffix(".000")
    return round(value, 9) if isinstance(value, float) else value


def _moment(at: int) -> str:
    """A time as ClickHouse shows it.

    >>> _moment(1_767_614_400_001)
    '2026-01-05 12:00:00.001'
    """
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001  # shown without its zone, which is UTC
    return (epoch + timedelta(milliseconds=at)).isoformat(" ", "milliseconds")


def written(case: str) -> str:
    """The text of `rows.jsonl` as it has to be."""
    log = records(case)
    rows = rows_of(tables_after(log, one_by_one(log)))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def expected(case: str) -> list[Row]:
    """The rows that were reviewed."""
    lines = (ROOM / case / "rows.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write() -> None:
    """Write the rows of all cases."""
    for case in CASES:
        (ROOM / case / "rows.jsonl").write_text(written(case), "utf-8")
    sys.stdout.write(f"{len(CASES)} golden paths written\n")


if __name__ == "__main__":
    write()
