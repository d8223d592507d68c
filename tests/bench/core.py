"""What the rules of the user side and the blocks of its rows cost, on one core.

    [KOL_NATIVE=0] python -m tests.bench.core [--events 200000] [--batch 500] [--orders 1000000]
                               [--refunds 100000] [--rounds 3]

CPU of this process, the least of the rounds, as one line of JSON for each part. Events are those
of `deploy/demo/bulk.py`, read by one partition; rows are collected after every 20 000. Steps are
measured twice: as they are, and with each batch counted at once. The client's blocks are made of
lists that stand already; what making these takes stands beside it. Decoding is measured alone, too,
by the readable decoder and, where it is compiled, with the scanner before it.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final

import numpy as np
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform

from deploy.demo.bulk import bulk
from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS, PURCHASES
from schemas.keyed_names import KeyedNames
from schemas.messages import Scanner
from schemas.placeholders import DEFAULT
from schemas.rows import TABLES, Rows
from schemas.scanning import CompiledScanner
from schemas.values import plain
from sinks.native import block
from streams.core.kernels import HOT, SCANNER
from streams.core.moments import DAY_MS, MINUTE_MS
from streams.core.user.memory import UserMemory
from streams.core.user.observations import AGES_D, observe
from streams.core.user.orders import Orders
from streams.core.user.updates import collect_updates
from tests.builders import NOON, decoded, paid, record_batch, refund

COLLECT_EVERY: Final = 20_000  # events
WRITTEN: Final = ("order_credit", "minute_cell")


def cpu(what: Callable[[], object]) -> float:
    """Seconds of CPU that something takes."""
    began = time.process_time()
    what()
    return time.process_time() - began


def batches(events: int, size: int) -> list[RecordBatch]:
    """The events, each topic cut into batches of this size, in order of arrival."""
    waiting: dict[str, list[bytes]] = {topic: [] for topic in INPUTS}
    read, found = Counter[str](), []
    for topic, _, value in bulk(7, events, NOON):
        waiting[topic].append(value)
        if len(waiting[topic]) == size:
            found.append(record_batch(topic, waiting[topic], first_offset=read[topic]))
            read[topic] += size
            waiting[topic] = []
    return found


def folded(
    fetched: Sequence[RecordBatch], *, waits: bool = True
) -> tuple[dict[str, float], list[Rows]]:
    """Microseconds an event of each step, and all rows that were collected.

    `waits`: whether events wait to be counted together, as they do in a worker.
    """
    memory = UserMemory(0, hmac_key=b"k" * 32, clock=time.process_time)
    seconds, rows, events = defaultdict[str, float](float), list[Rows](), 0
    last = len(fetched) - 1
    for number, batch in enumerate(fetched):
        began = time.process_time()
        read = decode(batch, memory.keyed_names, DEFAULT, SCANNER)
        seconds["decode"] += time.process_time() - began
        memory.fold(read)
        events += len(batch.values)
        is_flush = number == last or events % COLLECT_EVERY < len(batch.values)
        if is_flush or not waits:
            memory.count()
        if is_flush:
            began = time.process_time()
            rows += collect_updates(memory).rows
            seconds["rows"] += time.process_time() - began
    for name, spent in memory.step_seconds.items():
        seconds[name] += spent
    seconds["all"] = sum(seconds.values())
    return {name: spent / events * 1e6 for name, spent in seconds.items()}, rows


def read(
    fetched: Sequence[RecordBatch], scanner: Scanner | None, *, in_full: bool
) -> dict[str, float]:
    """Microseconds an event of decoding, by topic; `in_full`: with what rows of `event` say."""
    names = KeyedNames(b"k" * 32)
    seconds, events = defaultdict[str, float](float), Counter[str]()
    for batch in fetched:
        seconds[batch.topic] += cpu(
            partial(decode, batch, names, DEFAULT, scanner, in_full=in_full)
        )
        events[batch.topic] += len(batch.values)
    seconds["all"], events["all"] = sum(seconds.values()), events.total()
    return {topic: spent / events[topic] * 1e6 for topic, spent in seconds.items()}


def as_others_write(fetched: Sequence[RecordBatch]) -> list[RecordBatch]:
    """The same events as a producer writes them who shuffles keys, and knows blanks and escapes."""
    rng = Random(7)

    def written(value: bytes) -> bytes:
        fields = list(json.loads(value).items())
        rng.shuffle(fields)
        return json.dumps(dict(fields)).encode()

    return [
        replace(batch, values=[written(value) for value in batch.values if value])
        for batch in fetched
    ]


def blocks(rows: Sequence[Rows], table: str) -> dict[str, float]:
    """Microseconds a row of our blocks, of the lists that the client wants, and of its blocks."""
    parts = [one for one in rows if one.table == table]
    kinds = TABLES[table].columns
    lists = [[plain(one.columns[name]) for name in kinds] for one in parts]
    spent = {
        "block": cpu(lambda: [block(one) for one in parts]),
        "lists": cpu(lambda: [[plain(one.columns[name]) for name in kinds] for one in parts]),
        "client": cpu(lambda: [clients_block(table, one) for one in lists]),
    }
    return {name: seconds / sum(map(len, parts)) * 1e6 for name, seconds in spent.items()}


def clients_block(table: str, columns: Sequence[list[Any]]) -> bytes:
    """What the client makes of rows as lists."""
    kinds = TABLES[table].columns
    types = [get_from_name(kind) for kind in kinds.values()]
    context = InsertContext(table, list(kinds), types, data=columns, column_oriented=True)
    return b"".join(NativeTransform.build_insert(context))


def observed(orders: int) -> dict[str, float]:
    """Milliseconds of a look at orders where none is due; microseconds an order and age."""
    of = Orders(1 << 16)
    key = np.arange(orders, dtype=np.uint64)
    of.table.add(key, key)
    of.table["at"][:] = of.table["due_at"][:] = NOON + np.arange(orders) % DAY_MS
    of.table["whose"][:] = np.arange(orders) % 2_000
    look = cpu(lambda: observe(of.table, of.refunds, NOON))
    to = (NOON + (AGES_D[-1] + 2) * DAY_MS) // MINUTE_MS * MINUTE_MS
    every = cpu(lambda: observe(of.table, of.refunds, to))
    return {"look_ms": look * 1e3, "us": every / orders / (1 + len(AGES_D)) * 1e6}


def given_back(refunds: int) -> dict[str, float]:
    """Milliseconds of a flush after one more refund of an order that has many."""
    memory = UserMemory(0, hmac_key=b"k" * 32)
    memory.fold(decoded(PURCHASES, [paid(pay_cents=10**9)]))
    for first in range(0, refunds, COLLECT_EVERY):
        numbers = range(first, min(first + COLLECT_EVERY, refunds))
        many = [refund(ts=NOON + 25_000 * n, reason=f"reason {n}", pay_cents=1) for n in numbers]
        memory.fold(decoded(PURCHASES, many))
    collect_updates(memory)
    memory.fold(decoded(PURCHASES, [refund(ts=NOON + 25_000 * refunds, pay_cents=1)]))
    return {"flush_ms": cpu(lambda: collect_updates(memory)) * 1e3}


def main(given_words: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000, help="events that are folded")
    parser.add_argument("--batch", type=int, default=500, help="events of a fetched batch")
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders to be observed")
    parser.add_argument("--refunds", type=int, default=100_000, help="refunds of one order")
    parser.add_argument("--rounds", type=int, default=3, help="of each part")
    given = parser.parse_args(given_words)
    fetched = batches(given.events, given.batch)
    _, rows = folded(fetched)
    decoders = {"readable": None, **({"compiled": CompiledScanner(HOT)} if HOT else {})}
    logs = {"": fetched, ", keys shuffled": as_others_write(fetched)}
    parts: dict[str, Callable[[], dict[str, float]]] = {
        **{
            f"{name} decoder{log}{', in full' * in_full}, us an event": partial(
                read, some, scanner, in_full=in_full
            )
            for log, some in logs.items()
            for in_full in (False, True)
            for name, scanner in decoders.items()
        },
        "steps, us an event": lambda: folded(fetched)[0],
        "steps if each batch is counted at once": lambda: folded(fetched, waits=False)[0],
        **{f"{table}, us a row": partial(blocks, rows, table) for table in WRITTEN},
        "observations": lambda: observed(given.orders),
        "refunds of one order": lambda: given_back(given.refunds),
    }
    for name, part in parts.items():
        rounds = [part() for _ in range(given.rounds)]
        least = {key: round(min(one[key] for one in rounds), 2) for key in rounds[0]}
        print(json.dumps({"part": name, **least}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
