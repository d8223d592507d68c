"""The insert ceiling: blocks that stand already, into the same tables, merges on.

python -m streams.bench.insert_ceiling DATABASE WARM ROWS

The rows are those that the product's core makes of the first messages of the input. CPU is counted
by row: in this process it is the client's, in the engine that of inserts and merges.
"""

import sys
from collections.abc import Iterator
from itertools import cycle
from typing import Final

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.partitioner import partition_of
from schemas.rows import TABLES, Rows
from sinks.connection import INSERT_SETTINGS
from sinks.migrate import migrate
from sinks.native import block
from streams.bench.messages import START_MS, Messages
from streams.bench.windows import Marks
from streams.clients.clickhouse import connect
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.settings import load

SEED: Final = 7
FOLDED: Final = 40_000  # messages
BATCH: Final = 4_000  # of them
AT_ONCE: Final = 16_384  # rows of an insert
KEY: Final = b"the key of the benchmark"


def rows() -> list[Rows]:
    """Rows of events, orders and cells, as one partition's worker would write them."""
    memory = UserMemory(0, hmac_key=KEY)
    values: dict[str, list[bytes]] = {topic: [] for topic in INPUTS}
    for topic, key, value in Messages(SEED, FOLDED):
        if partition_of(key, 1) == 0:
            values[topic].append(value)
    for topic, found in values.items():
        for at in range(0, len(found), BATCH):
            part = found[at : at + BATCH]
            offsets = np.arange(at, at + len(part))
            batch = RecordBatch(
                topic=topic,
                partition=0,
                partitions=1,
                first_offset=at,
                next_offset=at + len(part),
                values=part,
                offsets=offsets,
                received_at=np.full(len(part), START_MS, np.int64),
            )
            memory.fold(decode(batch, memory.keyed_names, in_full=True))
    events = memory.take_events()
    return [*collect_updates(memory).rows, *([] if events is None else [events])]


def blocks() -> Iterator[tuple[str, bytes, int]]:
    """Table, block and number of rows, in the order of inserts."""
    for found in rows():
        for at in range(0, len(found), AT_ONCE):
            part = found.cut(at, min(at + AT_ONCE, len(found)))
            yield found.table, block(part), len(part)


def main(database: str, warm: int, count: int) -> None:
    """Insert the same blocks again and again until the window is over."""
    settings = load(("clickhouse",))
    client = connect(settings.clickhouse, database="")
    client.command(f"DROP DATABASE IF EXISTS {database}")
    migrate(client, database)
    marks = Marks(warm, count)
    for table, body, size in cycle(list(blocks())):
        _insert(client, f"{database}.{table}", list(TABLES[table].columns), body)
        if marks.count_done(size):
            break
    marks.print_mark()
    client.command(f"DROP DATABASE {database}")
    client.close()


def _insert(client: Client, table: str, columns: list[str], body: bytes) -> None:
    client.raw_insert(
        table,
        column_names=columns,
        insert_block=body,
        fmt="Native",
        settings=dict(INSERT_SETTINGS),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
