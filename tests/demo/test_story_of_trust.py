"""What a visitor of the demo sees of trust: its events through the core, without brokers."""

import json
from collections import defaultdict
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from deploy.demo.world import World
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.partitioner import partition_of
from schemas.rows import Rows
from streams.operations.demo_traffic import HISTORY_MS, HISTORY_RATE
from tests.both_sides import BothSides
from tests.worlds.core import standing

PARTITIONS: Final = 2
LIVE_MS: Final = 1_767_225_600_000 + 30_000  # amid a minute of a quiet night
RATE: Final = 600.0  # a second; less than the demo's, so that it takes seconds
SECONDS: Final = 130  # the second minute is written 30 s after its end


class Moment(NamedTuple):
    """What is said of a KOL at the end of a minute."""

    minute: int  # after the demo went live
    trust: float
    is_node: bool


@cache
def paths() -> dict[str, list[Moment]]:
    """Of each KOL, in order of time."""
    world, out = World(7), list[Rows]()
    places = {(topic, p) for topic in INPUTS for p in range(PARTITIONS)}
    core, ends = BothSides(PARTITIONS, places, b"key"), defaultdict[tuple[str, int], int](int)

    def fold(begin: int, end: int, rate: float) -> None:
        values = defaultdict[tuple[str, int], list[bytes]](list)
        for topic, event in world.events(begin, end, rate, LIVE_MS):
            user = event.get("user_id")
            key = user.encode() if isinstance(user, str) else b""
            values[topic, partition_of(key, PARTITIONS)].append(json.dumps(event).encode())
        for (topic, partition), some in values.items():
            first = ends[topic, partition]
            ends[topic, partition] += len(some)
            core.fold(
                RecordBatch(
                    topic=topic,
                    partition=partition,
                    partitions=PARTITIONS,
                    first_offset=first,
                    next_offset=first + len(some),
                    values=list(some),
                    offsets=np.arange(first, first + len(some)),
                    received_at=np.full(len(some), end),
                )
            )
        out.extend(core.collect())

    for at in range(LIVE_MS - HISTORY_MS, LIVE_MS, 300_000):
        fold(at, min(at + 300_000, LIVE_MS), HISTORY_RATE)
    for at in range(LIVE_MS, LIVE_MS + SECONDS * 1_000, 10_000):
        fold(at, at + 10_000, RATE)
    scores = standing(out, "kol_score", ("kol_id", "minute"))
    found = defaultdict[str, list[Moment]](list)
    columns = (scores[name] for name in ("kol_id", "minute", "trust", "active"))
    for kol, minute, trust, active in sorted(zip(*columns, strict=True)):
        found[str(kol)].append(Moment((minute - LIVE_MS // 1_000) // 60, trust, bool(active)))
    return found


def test_an_expert_nobody_had_met_passes_the_gate_while_one_watches() -> None:
    path = paths()["kol-qinghe-yishi"]

    assert path[0].minute == -1  # the minute in which the demo goes live
    assert path[-1].is_node


def test_who_fell_has_recovered() -> None:
    path = paths()["kol-taotao-mama"]
    deepest = min((one for one in path if one.minute < -45), key=lambda one: one.trust)

    assert deepest.trust < 0.2
    assert not deepest.is_node
    assert path[-1].trust > 0.7
    assert path[-1].is_node


def test_who_is_caught_falls_while_one_watches() -> None:
    path = paths()["kol-mibao-ceping"]
    before = [one.trust for one in path if one.minute < -2]

    assert before[-1] > 0.6
    assert path[-1].trust < 0.1 < before[-1] / 5


def test_an_expert_is_trusted_and_who_bought_traffic_is_not() -> None:
    assert paths()["kol-lin-yisheng"][-1].is_node
    assert not paths()["kol-shanliang-lama"][-1].is_node
