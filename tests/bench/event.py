"""What table `event` costs: CPU of the worker and of the engine, bytes on disk.

    python -m tests.bench.event [--events 200000] [--batch 500 4000] [--pairs 7]
                                [--contents 50000] [--rows 1000000] [--at-once 65536 16384]

worker: the same events of `deploy/demo/bulk.py` are read by one partition with the table and
without, in one process as workers tune it, by turns and each first in every other pair: decoded,
folded, collected and laid out as blocks. Numbered values say something of all their contents and
KOLs, and a third of the users allow something. Medians of the pairs in microseconds of CPU an
event, for each size of fetches, and what each part of it adds, with the quartiles of the whole.
engine: rows of one day, whose users come in visits from devices of their own, are inserted into
the embedded engine. Its CPU a row without merges and with all of them; bytes of a row after them.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.consents import Consents
from schemas.entries import Entries, texts
from schemas.events import CLICKSTREAM, INTERACTIONS
from schemas.keyed_names import KeyedNames
from schemas.numbered import CONTENT, KOL, encode_number
from schemas.rows import TABLES, Rows
from schemas.values import Coded, Lists, Values
from sinks.connection import INSERT_SETTINGS
from sinks.native import block
from streams.core.user.known_values import KnownValues
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.worker.process import tune_collector
from tests.bench.core import batches
from tests.bench.rollups import engine_seconds
from tests.builders import HOUR, NOON
from tests.embedded.gateway.running import gateway
from tests.integration.engine import fresh

NOW_MS: Final = 1_790_000_000_000
DAY_MS: Final = 86_400_000
KNOWN_MS: Final = NOON - HOUR  # record time of what is known; all events come later
KEY: Final = b"the key of the benchmark"
COLLECTED: Final = 20_000  # events from one collection of rows to the next
TABLE: Final = "event"


# ---------------------------------------------------------------- worker


class Knowledge:
    """What is known of the events of a log before the first of them comes.

    Args:
        log: the events.
        contents: how many contents numbered values say something of, at least all of the log.

    """

    def __init__(self, log: Sequence[RecordBatch], contents: int) -> None:
        said = [json.loads(value) for batch in log for value in batch.values if value is not None]
        users = sorted({event["user_id"] for event in said})[::3]
        self.values = KnownValues()
        self._publish(CONTENT, _contents(_named_by(said, "content_id"), contents))
        self._publish(KOL, _kols(_named_by(said, "kol_id")))
        self._consents = Consents(
            KeyedNames(KEY).users(users),
            np.full(len(users), KNOWN_MS),
            np.arange(3 * len(users)).reshape(-1, 3) % 2 == 0,
            unreadable=0,
            misplaced=0,
        )

    def _publish(self, kind: str, entries: Entries) -> None:
        records, seal = encode_number(kind, self.values.log.next_number, entries)
        for record in (*records, seal):
            self.values.log.add(*record, KNOWN_MS)

    def memory(self) -> UserMemory:
        """A memory that knows all of it."""
        memory = UserMemory(0, hmac_key=KEY, clock=time.process_time)
        memory.ask(self.values)
        memory.fold_consents(self._consents, len(self._consents.user))
        return memory


def _named_by(events: Sequence[dict[str, Any]], field: str) -> list[str]:
    return sorted({event[field] for event in events if event.get(field)})


def _contents(used: Sequence[str], count: int) -> Entries:
    ids = [*used, *(f"another-{i}" for i in range(count - len(used)))]
    flags = np.arange(len(ids), dtype=np.int8)
    return Entries(texts(ids), {"sponsored": flags % 3 == 0, "disclosed": flags % 5 == 0})


def _kols(used: Sequence[str]) -> Entries:
    nothing = texts([""] * len(used))
    accounts = KeyedNames(KEY).users([f"account-of-{name}" for name in used])
    columns = {
        "tier": nothing,
        "vertical": nothing,
        "display_name": texts(used),
        "accounts": Lists(accounts, np.arange(1, len(used) + 1)),
    }
    return Entries(texts(used), columns)


def read(log: Sequence[RecordBatch], known: Knowledge, *, in_full: bool) -> dict[str, float]:
    """CPU seconds of reading everything once, by part."""
    names, memory = KeyedNames(KEY), known.memory()
    took: dict[str, float] = defaultdict(float)
    seen, begun = 0, time.process_time()
    for batch in log:
        at = time.process_time()
        decoded = decode(batch, names, in_full=in_full)
        took["decode"] += time.process_time() - at
        memory.fold(decoded)
        seen += len(batch.values)
        if seen >= COLLECTED:
            seen = 0
            for rows in collect_updates(memory).rows:
                block(rows)
            at = time.process_time()
            found = memory.take_events()
            took["take"] += time.process_time() - at
            at = time.process_time()
            if found is not None:
                block(found)
            took["block"] += time.process_time() - at
    took["all"] = time.process_time() - begun
    return took | {"collect": memory.step_seconds["events"]}


def worker(events: int, size: int, pairs: int, contents: int) -> dict[str, Any]:
    """What an event costs with the table and without."""
    log = batches(events, size)
    known = Knowledge(log, contents)
    count = sum(len(batch.values) for batch in log)
    read(log[: len(log) // 4], known, in_full=True)
    runs = []
    for number in range(pairs):
        by_turns = (False, True) if number % 2 else (True, False)
        pair = {in_full: read(log, known, in_full=in_full) for in_full in by_turns}
        runs.append((pair[False], pair[True]))

    def median(part: str, which: int) -> float:
        return statistics.median(pair[which][part] for pair in runs) / count * 1e6

    def differences(part: str) -> list[float]:
        return sorted((on[part] - off[part]) / count * 1e6 for off, on in runs)

    added = {
        part: round(statistics.median(differences(part)), 3)
        for part in ("all", "decode", "collect", "take", "block")
    }
    whole = differences("all")
    quartiles = [round(whole[len(whole) * part // 4], 3) for part in (1, 3)]
    return {
        "events": count,
        "batch": size,
        "pairs": pairs,
        "us_without": round(median("all", 0), 3),
        "us_with": round(median("all", 1), 3),
        "us_added": added,
        "us_added_quartiles": quartiles,
    }


# ---------------------------------------------------------------- engine


class Days:
    """Rows of days: users come in visits of some minutes, each from his own device.

    Args:
        seed: of all that is drawn.
        users: who come on a day; few of them often.
        rows: on each day.

    """

    def __init__(self, seed: int, users: int, rows: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._users = users
        self._rows = rows

    def day(self) -> Rows:
        """All rows of a day, in the order of time."""
        rng, n = self._rng, self._rows
        visits = n // 5
        of = np.sort(rng.integers(0, visits, n))  # which visit each row is of
        user = (self._users * rng.random(visits) ** 1.5).astype(np.int64)[of]
        begin = rng.integers(0, DAY_MS - 1_200_000, visits)[of]
        at = NOW_MS // DAY_MS * DAY_MS + begin + rng.integers(0, 1_200_000, n)
        order = np.argsort(at)
        of, user, at = of[order], user[order], at[order]
        clicks = rng.random(n) < 0.55
        viewed = ~clicks & (rng.random(n) < 0.7)
        named = ~clicks | (rng.random(n) < 0.5)
        kol = np.where(named, (2_000 * rng.random(n) ** 2).astype(np.int64), -1)
        content = np.where(named, kol * 30 + rng.integers(0, 30, n), -1)
        shared = rng.random(n) < 0.05
        age = np.where(clicks, np.nan, np.floor(user % 900))
        numbers = np.arange(n, dtype=np.uint64)
        columns: dict[str, Values] = {
            "moment": at,
            "received_at": at + rng.integers(5, 400, n),
            "topic": Coded(clicks.astype(np.int8), [INTERACTIONS, CLICKSTREAM]),
            "kind": Coded(
                np.where(clicks, rng.integers(0, 8, n), 8 + rng.geometric(0.4, n) % 16),
                [f"kind-{i}" for i in range(24)],
            ),
            "user_hash": _hex(_named(user, 1)),
            "kol_id": Coded(kol, [f"kol-xiaomi-mama-{i}" for i in range(2_000)]),
            "content_id": Coded(content, [f"kol-{i // 30}-c{i % 30}" for i in range(60_000)]),
            "share": np.where(shared, _named(of, 2), 0).astype(np.uint64),
            "parent_share": np.where(shared & ~clicks, _named(of // 3, 2), 0).astype(np.uint64),
            "root_kol_id": Coded(
                np.where(shared & ~clicks, kol, -1), [f"kol-xiaomi-mama-{i}" for i in range(2_000)]
            ),
            "share_depth": np.where(shared, rng.integers(1, 4, n), 0),
            "live_id": Coded(
                np.where(~clicks & (rng.random(n) < 0.1), kol, -1),
                [f"kol-{i}-live" for i in range(2_000)],
            ),
            "brand_id": Coded(
                np.where(clicks, rng.integers(0, 40, n), -1), [f"brand-{i}" for i in range(40)]
            ),
            "category": Coded(
                np.where(clicks, rng.integers(0, 12, n), -1), [f"category-{i}" for i in range(12)]
            ),
            "platform": Coded(np.where(clicks, user % 5, -1), [f"platform-{i}" for i in range(5)]),
            "channel": Coded(
                np.where(clicks, rng.integers(0, 4, n), -1), ["shelf", "social", "live", "private"]
            ),
            "session": np.where(clicks, _named(of, 3), 0).astype(np.uint64),
            "slot_id": Coded(
                np.where(clicks, rng.integers(0, 9, n), -1), [f"slot-{i}" for i in range(9)]
            ),
            "reco_id": Coded(np.full(n, -1), []),
            "reco_version": Coded(np.where(clicks, rng.integers(0, 3, n), -1), ["v1", "v2", "v3"]),
            "exp_id": Coded(np.where(clicks, user % 4, -1), [f"exp-{i}" for i in range(4)]),
            "arm": Coded(np.where(clicks, user // 4 % 2, -1), ["treat", "holdout"]),
            **{
                name: Coded(np.where(clicks, user // 8 % 6, -1), [f"{name}-{i}" for i in range(6)])
                for name in ("stage", "geo", "age_band")
            },
            "dwell_ms": np.where(viewed, rng.geometric(1 / 9_000, n), -1),
            "completion_ppm": np.where(viewed, rng.integers(0, 1_001, n) * 1_000, -1),
            "visible_ms": np.where(clicks & (rng.random(n) < 0.2), rng.geometric(1 / 900, n), -1),
            "account_age_d": age,
            "credibility_ppm": np.where(
                clicks, 0, np.rint(250_000 * np.clip(np.nan_to_num(age) / 30, 0, 1))
            ).astype(np.int64),
            "first_screen": np.full(n, -1),
            "sponsored": np.where(named, content % 3 == 0, -1),
            "disclosed": np.where(named, content % 5 == 0, -1),
            "snapshot": np.where(named, 7, 0),
            "device": _named(user, 4),
            "ip": _named(user * 3 + of % 2, 5),
            "identity": _named(numbers, 6),
            "version": np.full(n, 1 << 32 | 1, np.uint64),
        }
        return Rows(TABLE, {name: columns[name] for name in TABLES[TABLE].columns})


def _named(number: NDArray[Any], salt: int) -> NDArray[np.uint64]:
    """Random words, one for each number."""
    word = number.astype(np.uint64) + np.uint64(salt << 40)
    for shift, by in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(by)
    return word ^ (word >> np.uint64(31))


def _hex(word: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    both = np.stack([word, _named(word, 9)], axis=1).astype(">u8")
    return np.frombuffer(both.tobytes().hex().encode(), "S32")


def engine(rows: int, at_once: int) -> dict[str, Any]:
    """What rows of one day cost the engine, inserted so many at once."""
    day = Days(1, max(1, rows // 40), rows).day()
    blocks = [block(day.cut(start, start + at_once)) for start in range(0, rows, at_once)]
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
        client = fresh(server, "bench")
        client.command(f"SYSTEM STOP MERGES {TABLE}")
        begun = engine_seconds(server)
        for one in blocks:
            _insert(client, one)
        inserted = engine_seconds(server)
        client.command(f"SYSTEM START MERGES {TABLE}")
        client.command(f"OPTIMIZE TABLE {TABLE} FINAL")
        merged = engine_seconds(server)
        (found,) = client.query(
            "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts"  # noqa: S608  # a name of ours
            f" WHERE active AND database = 'bench' AND table = '{TABLE}'"
        ).result_rows
        client.close()
    return {
        "rows": int(found[1]),
        "at_once": at_once,
        "us_a_row": round((inserted - begun) / rows * 1e6, 2),
        "us_a_row_merged": round((merged - begun) / rows * 1e6, 2),
        "bytes_a_row": round(int(found[0]) / int(found[1]), 1),
    }


def _insert(client: Client, body: bytes) -> None:
    client.raw_insert(
        TABLE,
        column_names=list(TABLES[TABLE].columns),
        insert_block=body,
        fmt="Native",
        settings=dict(INSERT_SETTINGS),
    )


def figures(arguments: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """All figures, one part after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000, help="read by the worker")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[500, 4_000], help="messages of a fetch"
    )
    parser.add_argument(
        "--contents", type=int, default=50_000, help="that numbered values say something of"
    )
    parser.add_argument("--pairs", type=int, default=7, help="with the table and without")
    parser.add_argument("--rows", type=int, default=1_000_000, help="inserted; 0: none")
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=[1 << 16, 1 << 14], help="rows of one insert"
    )
    given = parser.parse_args(arguments)
    for size in given.batch if given.events else ():
        yield {"part": "worker", **worker(given.events, size, given.pairs, given.contents)}
    for at_once in given.at_once if given.rows else ():
        yield {"part": "engine", **engine(given.rows, at_once)}


def main() -> None:
    """Print one line of JSON for each part."""
    tune_collector()
    for found in figures():
        print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
