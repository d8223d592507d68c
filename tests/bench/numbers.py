"""What numbered values cost: bytes on their topic, memory of a worker, CPU of who is concerned.

    python -m tests.bench.numbers [--contents 1000000] [--kols 100000] [--changed 1000]
                                  [--events 5000] [--used 300 2000] [--rounds 3]

CPU of this process, the least of the rounds, as one line of JSON for each part.

    content, kol   a base: megabytes on `kol-snapshots` and of a worker that took it in; seconds to
                   take it in, so that it can be asked (of these: to find where each id stands)
    changed        some contents have other values: seconds for the trainer to find that out
                   (`difference`) and to decide and encode the number; kilobytes of it
    events         a batch of events asks for their contents: microseconds an event, and how many
                   contents they name; also where there are no numbers
"""

import argparse
import json
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from schemas.entries import Entries, Index, difference, digests, texts
from schemas.keyed_names import KeyedNames
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, HOLDS_AFTER_MS, KOL, Record
from schemas.values import Coded, Lists
from streams.core.user.known_values import KnownValues, disclosure
from streams.trainer.number_plan import Plan, planned
from tests.bench.core import cpu

NOW_MS: Final = 1_790_000_000_000
APP: Final = "kol"


def contents(count: int, changed: int = 0) -> Entries:
    """What is known of contents; the flags of the first few may have changed."""
    of = np.arange(count)
    sponsored, disclosed = of % 3 == 0, of % 5 == 0
    disclosed[:changed] ^= True
    flags = {"sponsored": sponsored.astype(np.int8), "disclosed": disclosed.astype(np.int8)}
    return Entries(texts([f"content-{i:08}" for i in range(count)]), flags)


def kols(count: int) -> Entries:
    """What is known of KOLs, each with an account of their own."""
    accounts = KeyedNames(b"the key of the benchmark").users([f"user-{i}" for i in range(count)])
    columns = {
        "tier": texts([("head", "waist", "koc")[i % 3] for i in range(count)]),
        "vertical": texts([("nutrition", "sleep")[i % 2] for i in range(count)]),
        "display_name": texts([f"小米妈妈{i}" for i in range(count)]),
        "accounts": Lists(accounts, np.arange(1, count + 1)),
    }
    return Entries(texts([f"kol-{i}" for i in range(count)]), columns)


def plan(log: NumberLog, kind: str, found: Entries) -> Plan:
    """The number that says what was found."""
    made = planned(log, kind, found, NOW_MS, APP)
    assert isinstance(made, Plan)
    return made


def taken_in(records: Sequence[Record], kind: str) -> KnownValues:
    """What a worker has that read these records, once it can be asked."""
    known = KnownValues()
    for key, value in records:
        known.log.add(key, value, NOW_MS)
    newest = known.log.newest(kind)
    assert newest is not None
    newest.values.rows([""])
    return known


def base(kind: str, found: Entries) -> dict[str, float]:
    """What a base costs."""
    made = plan(NumberLog(), kind, found)
    records = [*made.records, made.seal]
    tracemalloc.start()
    known = taken_in(records, kind)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert known.log.newest(kind) is not None
    return {
        "topic_mb": made.size / 1e6,
        "memory_mb": held / 1e6,
        "take_in_s": cpu(lambda: taken_in(records, kind)),
        "index_s": cpu(lambda: Index(digests(found.ids))),
    }


def change(count: int, changed: int) -> dict[str, float]:
    """What it costs the trainer that some contents have other values."""
    first = plan(NumberLog(), CONTENT, contents(count))
    log = taken_in([*first.records, first.seal], CONTENT).log
    newest = log.newest(CONTENT)
    assert newest is not None
    was = newest.values.entries()
    now = contents(count, changed)
    made: list[Plan] = []
    seconds = cpu(lambda: made.append(plan(log, CONTENT, now)))
    now = contents(count, changed)  # of which no index is there yet
    spent = cpu(lambda: difference(was, now))
    return {"difference_s": spent, "plan_s": seconds, "topic_kb": made[0].size / 1e3}


def asked(known: KnownValues, used: int, events: int) -> dict[str, float]:
    """What it costs a batch of events to ask for its contents."""
    names = [f"content-{i:08}" for i in range(used)]
    content = Coded((np.arange(events) % used).astype(np.int32), names)
    at = np.full(events, NOW_MS + HOLDS_AFTER_MS)
    none = KnownValues()

    def ask(of: KnownValues) -> float:
        return cpu(lambda: disclosure(content, of.asked(CONTENT, at))) / events * 1e6

    return {"us": ask(known), "us_without": ask(none)}


def parts(given: argparse.Namespace) -> Iterator[tuple[dict[str, Any], Callable[[], Any]]]:
    """Each part, and what measures it once."""
    yield {"part": CONTENT, "rows": given.contents}, lambda: base(CONTENT, contents(given.contents))
    yield {"part": KOL, "rows": given.kols}, lambda: base(KOL, kols(given.kols))
    yield (
        {"part": "changed", "rows": given.changed},
        lambda: change(given.contents, given.changed),
    )
    made = plan(NumberLog(), CONTENT, contents(given.contents))
    known = taken_in([*made.records, made.seal], CONTENT)
    for used in given.used:
        yield (
            {"part": "events", "contents": used},
            partial(asked, known, used, given.events),
        )


def main(words: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contents", type=int, default=1_000_000, help="that are known")
    parser.add_argument("--kols", type=int, default=100_000, help="that are known")
    parser.add_argument("--changed", type=int, default=1_000, help="contents with other values")
    parser.add_argument("--events", type=int, default=5_000, help="of a batch")
    parser.add_argument("--used", type=int, nargs="+", default=[300, 2_000], help="contents of it")
    parser.add_argument("--rounds", type=int, default=3, help="of each part")
    given = parser.parse_args(words)
    for head, part in parts(given):
        rounds = [part() for _ in range(given.rounds)]
        least = {key: round(min(one[key] for one in rounds), 3) for key in rounds[0]}
        print(json.dumps({**head, **least}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
