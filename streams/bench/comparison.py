"""CPU per event of our workers and of others, beside the ceilings, by turns.

All of them read the same topics of the same broker. What each has made of the first messages is
compared with what it should be before it is rated.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType
from typing import Any, Final

from deploy.embedded.state_folder import StateFolder
from streams.bench.checkout import Peer, checked, checked_peer, need_client, peers
from streams.bench.machine import machine
from streams.bench.messages import Messages
from streams.bench.ours import sizes
from streams.bench.rounds import Measure, Rounds, measure_rounds, medians
from streams.bench.testbed import CHECKED, Bench, OnStep, Plan
from streams.bench.windows import MeasureError, Run
from streams.core.kernels import USED

EVENTLESS: Final = "ours, no event rows"
NO_EVENTS: Final[Mapping[str, str]] = MappingProxyType({"KOL_CLICKHOUSE__EVENTS": "false"})


def compare(folder: StateFolder, plan: Plan, on_step: OnStep) -> dict[str, Any]:
    """The report of a comparison on a broker and an engine of its own, in `folder`.

    Raises:
        MeasureError: something of ours or a ceiling failed, or what we wrote is wrong.

    """
    need_client()
    with Bench(folder, plan, on_step) as bed:
        some, not_run = peers(plan.peers)
        some = [one for one in some if plan.slow_events or not one.is_slow]
        bed.fill(min(plan.total, CHECKED))
        output, rated = _check(bed), _check_peers(bed, some)
        bed.fill(plan.total)
        systems = dict(zip(sizes(plan.workers), map(bed.ours, plan.workers), strict=True))
        if plan.has_eventless:
            systems[EVENTLESS] = bed.ours(plan.workers[0], NO_EVENTS)
        ceilings = {name: bed.ceiling(name) for name in plan.ceilings}
        rivals = rated.measures
        rounds = measure_rounds(systems | rivals, ceilings, plan.rounds, on_step, rivals)
        return report(rounds, plan, bed.messages) | {
            "output": output,
            "peers": {p.name: {"work": p.work, **rated.outputs.get(p.name, {})} for p in some},
            "not_run": not_run | rated.wrong | rounds.failed,
        }


def _check(bed: Bench) -> dict[str, Any]:
    """Let our workers read everything once, and compare what they wrote with the oracle."""
    if not bed.plan.is_checked:
        return {"checked": False, "reason": "not asked for"}
    bed.on_step("our workers read the first messages, to be checked")
    place = bed.place()
    place.reset_group()
    place.read_all(bed.filled)
    bed.on_step("comparing every row with the oracle")
    return checked(bed.folder.path, bed.env)


@dataclass(slots=True)
class _Rated:
    """What was found of peers before they are rated."""

    measures: dict[str, Measure] = field(default_factory=dict)  # of those whose output is right
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # what was found there
    wrong: dict[str, str] = field(default_factory=dict)  # why the others are not rated


def _check_peers(bed: Bench, some: Sequence[Peer]) -> _Rated:
    """Let peers read everything once, and compare what they wrote with the slow reading."""
    rated, kafka = _Rated(), bed.settings.kafka
    for peer in some:
        rated.measures[peer.name] = bed.peer(peer)
        if not peer.judged or not bed.plan.is_checked:
            continue
        bed.on_step(f"{peer.name} reads the first messages, to be checked")
        name = f"{peer.name.replace('_', '-')}-check"
        try:
            bed.run_peer(peer, name, reads_all=True)
            found = checked_peer(peer, kafka.bootstrap, kafka.partitions, name, bed.env)
        except MeasureError as error:
            found = {"wrong": [str(error)]}
        finally:
            bed.forget_peer(name)
        rated.outputs[peer.name] = found
        if found["wrong"]:
            del rated.measures[peer.name]
            rated.wrong[peer.name] = f"it is not rated, its output is wrong: {found['wrong'][0]}"
    return rated


def report(rounds: Rounds, plan: Plan, messages: Messages) -> dict[str, Any]:
    """Costs with their intervals, and the ratio of each system's to that of one of our workers."""
    runs = rounds.runs
    first = sizes(plan.workers)[0]
    ratios = {name: rounds.ratio(name, first) for name in runs if name != first}
    return {
        "ratios": {name: ratio.as_dict() for name, ratio in ratios.items()},
        "first": first,
        "cpu_us_per_event": {name: rounds.cost(name).as_dict() for name in runs},
        "cpu_us": {name: _cpu_of_each(some) for name, some in runs.items()},
        "events_per_second": medians(runs, "events_per_second"),
        "runs": runs,
        **rounds.as_dict(),
        "input": {
            "events": messages.count,
            "warm": plan.warm,
            "topics": 3,
            "codec": "lz4",
            "seed": messages.seed,
            "odd": messages.odd,
            "malformed": messages.malformed,
            "sha256": messages.sha256,
        },
        "machine": machine() | {"load": [round(load, 2) for load in os.getloadavg()]},
        "path": "compiled" if USED else "readable",
    }


def _cpu_of_each(runs: Sequence[Run]) -> dict[str, float]:
    """The median cost of each process."""
    return {of: round(median(run["cpu_us"][of] for run in runs), 3) for of in runs[0]["cpu_us"]}
