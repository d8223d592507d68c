"""A long outage of the sink under load: memory stays bounded, nobody leaves, all is caught up.

    calm ──▶ refused ──▶ silent ──▶ errors ──▶ back: caught up ──▶ drained ──▶ sums

Two workers behind proxies read a flood. Too many messages for the oracle: the flood knows
its sums, and every message of it must leave by the door `written`.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from schemas.events import INPUTS
from streams.cli.stack import answers
from streams.cli.stack import asked as page
from streams.reading import connected, rows
from streams.settings import Settings
from tests.chaos.flood import Answer, Flood
from tests.chaos.proxy import Mood
from tests.chaos.stack import SESSION_SECONDS, ChaosError, Stack, running

LOOK: Final = 0.5  # seconds between two looks at the workers
FULL: Final = 400_000  # messages that may wait, by default
SLACK: Final = 40_000  # messages: batches that were at the door when it closed
MOOD_SECONDS: Final = 3.0  # after a change of mood until it is seen
MOODS: Final = (Mood.REFUSING, Mood.SILENT, Mood.FAILING)
LEAST_SECONDS: Final = 1.0  # of traffic that may wait and still counts as caught up
CATCH_UP: Final = 120.0  # seconds until they must have caught up
DRAIN_SECONDS: Final = 180.0
WAITING = re.compile(rb"^kol_waiting_messages ([0-9.e+]+)$", re.MULTILINE)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outage:
    """How long, and how much traffic meanwhile."""

    name: str
    seed: int
    seconds: float  # of the outage
    rate: float  # messages a second
    calm: float = 20.0  # seconds before it
    full: int = FULL  # messages that may wait, on each worker
    workers: int = 2
    most_mb: float = 1_000.0  # of memory, more than before

    def scaled(self, by: float) -> "Outage":
        """The same, so much shorter; the workers then hold so much less."""
        calm = max(8.0, by * self.calm)
        return replace(self, seconds=by * self.seconds, calm=calm, full=round(by * self.full))

    @property
    def env(self) -> dict[str, str]:
        """Settings of the workers."""
        return {
            "KOL_WORKER__SESSION_SECONDS": str(SESSION_SECONDS),
            "KOL_WORKER__WAITING_MESSAGES": str(self.full),
            "KOL_WORKER__QUIET_SECONDS": "3600",
        }


@dataclass(slots=True)
class Seen:
    """One worker, as it was seen during one part of the run."""

    peak_mb: float = 0.0
    most_waiting: int = 0
    looks: int = 0
    ready: int = 0
    dead: int = 0  # liveness said no


@dataclass(slots=True)
class Watch:
    """Looks at the workers, and remembers each part of the run by its name."""

    stack: Stack
    pids: dict[str, int]
    parts: dict[str, dict[str, Seen]] = field(default_factory=dict)

    def during(self, part: str, seconds: float, over: Callable[[], bool] = lambda: False) -> float:
        """Look for so long, or until it is over; gives how long that was."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds and not over():
            for name, pid in self.pids.items():
                self._look(part, name, pid)
            time.sleep(LOOK)
        return passed

    def _look(self, part: str, name: str, pid: int) -> None:
        seen = self.parts.setdefault(part, {}).setdefault(name, Seen())
        url = self.stack.page(name)
        told = WAITING.search(page(f"{url}/metrics") or b"")
        seen.looks += 1
        seen.peak_mb = max(seen.peak_mb, _resident_mb(pid))
        seen.most_waiting = max(seen.most_waiting, round(float(told[1])) if told else 0)
        seen.ready += answers(f"{url}/healthz/ready")
        seen.dead += not answers(f"{url}/healthz/live")

    def waiting(self) -> int:
        """Messages that no worker has read yet."""
        lags = [_status(self.stack, name).get("lag", {}) for name in self.pids]
        return sum(n for lag in lags for at, n in lag.items() if at.split("/")[0] in INPUTS)


def run(phase: Outage, home: Path, say: Say) -> tuple[list[str], dict[str, Any]]:
    """One whole run in a new home: what is wrong, and what was measured."""
    with running(home, 0, phase.env, phase.workers) as stack:
        stack.until(lambda: _held(stack) == stack.settings.kafka.partitions, "no partitions")
        pids = {name: stack.living(name) for name in stack.names()}
        watch = Watch(stack, pids)
        generations = stack.rebalances()
        with flooded(stack, phase.rate) as flood:
            took = _struck(phase, stack, watch, say)
        if flood.error is not None:
            raise ChaosError(f"the flood was held up: {flood.error!r}") from flood.error
        begun = time.monotonic()
        stack.kol("drain", "--seconds", str(DRAIN_SECONDS))
        drained = time.monotonic() - begun
        moved = stack.rebalances() - generations
        died = [name for name, pid in pids.items() if stack.pid(name) != pid]
        wrong = [
            *([f"{moved} rebalances"] if moved else []),
            *(f"{name} died" for name in died),
            *_judged(phase, watch, took),
            *sums(stack.settings, flood.answer),
        ]
        measured = _told(phase, watch, flood.sent, took) | {"drain_seconds": round(drained, 1)}
    return wrong, measured


def _struck(phase: Outage, stack: Stack, watch: Watch, say: Say) -> float:
    """Calm, the outage in its moods, and back; seconds until all was caught up."""
    proxy = stack.engine_proxy
    if proxy is None:
        raise ChaosError("no proxy: the phase has no extra workers")
    watch.during("before", phase.calm)
    for mood in MOODS:
        say(f"    the engine's connections are {mood}")
        proxy.treat(mood)
        time.sleep(MOOD_SECONDS)
        watch.during(f"during, {mood}", phase.seconds / len(MOODS) - MOOD_SECONDS)
    say("    the engine is back")
    proxy.treat(Mood.FAIR)
    least = LEAST_SECONDS * phase.rate
    took = watch.during("after", CATCH_UP, lambda: watch.waiting() < least)
    watch.during("caught up", phase.calm / 2)
    return took


def _judged(phase: Outage, watch: Watch, took: float) -> list[str]:
    wrong = []
    if took >= CATCH_UP:
        wrong.append(f"not caught up in {took:.0f} s")
    for part, workers in watch.parts.items():
        for name, seen in workers.items():
            if seen.dead:
                wrong.append(f"{name}, {part}: not live in {seen.dead} of {seen.looks} looks")
            if part.startswith("during") and seen.ready:
                wrong.append(f"{name}, {part}: ready in {seen.ready} of {seen.looks} looks")
            if seen.most_waiting > phase.full + SLACK:
                wrong.append(f"{name}, {part}: {seen.most_waiting} messages wait")
            more = seen.peak_mb - watch.parts["before"][name].peak_mb
            if more > phase.most_mb:
                wrong.append(f"{name}, {part}: {more:.0f} MB more than before")
    last = watch.parts[f"during, {MOODS[-1]}"]
    wrong += [
        f"{name}: reading did not pause at {phase.full} messages, but {seen.most_waiting} wait"
        for name, seen in last.items()
        if seen.most_waiting <= phase.full
    ]
    return wrong


def _told(phase: Outage, watch: Watch, sent: int, took: float) -> dict[str, Any]:
    def peaks(prefix: str) -> list[float]:
        parts = [seen for part, seen in watch.parts.items() if part.startswith(prefix)]
        return [round(max(part[name].peak_mb for part in parts)) for name in watch.pids]

    return {
        "outage_seconds": round(phase.seconds, 1),
        "messages": sent,
        "peak_mb_before": peaks("before"),
        "peak_mb_during": peaks("during"),
        "peak_mb_after": peaks("after"),
        "most_waiting": [
            max(part[name].most_waiting for part in watch.parts.values()) for name in watch.pids
        ],
        "catch_up_seconds": round(took, 1),
    }


def sums(settings: Settings, answer: Answer) -> list[str]:
    """Where doors and money differ from what was sent; [] where nowhere."""
    client = connected(settings.clickhouse)
    try:
        doors = {
            (row["topic"], row["door"]): int(row["n"])
            for row in rows(
                client,
                "SELECT topic, door, sum(n) AS n FROM v_door WHERE kind != 'counter'"
                " GROUP BY topic, door HAVING n > 0",
            )
        }
        (orders,) = rows(
            client,
            "SELECT count() AS n, sum(paid_cents) AS paid, sum(refunded_cents) AS back"
            " FROM v_order",
        )
        models = rows(
            client,
            "SELECT model, sum(credit_cents) AS paid, sum(refunded_cents) AS back"
            " FROM v_order_credit GROUP BY model",
        )
    finally:
        client.close()
    written = {(topic, "written"): n for topic, n in answer.messages.items()}
    money = (answer.paid_cents, answer.refunded_cents)
    stands = (int(orders["n"]), int(orders["paid"]), int(orders["back"]))
    return [
        *([f"doors: {doors} for {written}"] if doors != written else []),
        *([f"orders, paid, refunded: {stands} for {(answer.orders, *money)}"])
        * (stands != (answer.orders, *money)),
        *(
            f"{row['model']}: {row['paid']} credited, {row['back']} refunded for {money}"
            for row in models
            if (int(row["paid"]), int(row["back"])) != money
        ),
        *(["no model credits anything"] if not models else []),
    ]


def _held(stack: Stack) -> int:
    return sum(len(_status(stack, name).get("partitions", ())) for name in stack.names())


def _status(stack: Stack, name: str) -> dict[str, Any]:
    answer = page(f"{stack.page(name)}/status.json")
    told: dict[str, Any] = json.loads(answer) if answer else {}
    return told


def _resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM, MB; 0 where it is gone."""
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmRSS:\s+(\d+) kB$", told, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


@contextmanager
def flooded(stack: Stack, rate: float) -> Iterator[Flood]:
    """A flood over a stack, from here to the end of the block."""
    kafka = stack.settings.kafka
    flood = Flood(kafka.bootstrap, kafka.partitions, rate)
    flood.start()
    try:
        yield flood
    finally:
        flood.stop()
