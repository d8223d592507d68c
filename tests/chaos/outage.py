"""A long outage of the sink under load: memory stays bounded, nobody leaves, all is caught up.

    calm ──▶ refused ──▶ silent ──▶ errors ──▶ back: caught up ──▶ drained ──▶ sums

Two workers behind proxies read a flood. Too many messages for the oracle: the flood knows
its sums, and every message of it must leave by the door `written`.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from streams.clients.clickhouse import connect, query
from streams.clients.worker_pages import fetch_page
from streams.settings import Settings
from tests.chaos.flood import Answer, Flood
from tests.chaos.proxy import Mood
from tests.chaos.stack import SESSION_SECONDS, ChaosError, Stack, running
from tests.chaos.verdict import against_orders

LOOK: Final = 0.5  # seconds between two looks at the workers
FULL: Final = 200_000  # messages that may wait, and rows of `event`
SLACK: Final = 40_000  # messages: batches that were at the door when it closed
MOOD_SECONDS: Final = 3.0  # after a change of mood until it is seen
MOODS: Final = (Mood.REFUSING, Mood.SILENT, Mood.FAILING)
CATCH_UP: Final = 240.0  # seconds until they must have caught up
ANSWER_SECONDS: Final = 2.0  # a page of health is asked with such patience
MOST_SILENT: Final = 0.05  # of all looks
DRAIN_SECONDS: Final = 180.0
WAITING = re.compile(rb"^kol_waiting_(?:messages|events) ([0-9.e+]+)$", re.MULTILINE)

Say = Callable[[str], None]
Took = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outage:
    """How long, and how much traffic meanwhile."""

    name: str
    seed: int
    seconds: float  # of the outage
    rate: float  # messages a second
    calm: float = 20.0  # seconds before it
    full: int = FULL  # messages that may wait on each worker, and rows of `event`
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
            "KOL_WORKER__WAITING_EVENTS": str(self.full),
            "KOL_WORKER__QUIET_SECONDS": "3600",
        }


@dataclass(slots=True)
class Seen:
    """One worker, as it was seen during one part of the run."""

    peak_mb: float = 0.0
    most_waiting: int = 0  # messages or rows of `event`, whichever are more
    looks: int = 0
    ready: int = 0
    dead: int = 0  # liveness said no
    silent: int = 0  # nobody answered in time


@dataclass(slots=True)
class Watch:
    """Looks at the workers, and remembers each part of the run by its name."""

    stack: Stack
    pids: dict[str, int]
    parts: dict[str, dict[str, Seen]] = field(default_factory=dict)

    def during(self, part: str, seconds: float, over: Callable[[], bool] = lambda: False) -> float:
        """Look for so long, or until it is over; gives how long that was."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            for name, pid in self.pids.items():
                self._look(part, name, pid)
            if over():
                break
            time.sleep(LOOK)
        return passed

    def _look(self, part: str, name: str, pid: int) -> None:
        seen = self.parts.setdefault(part, {}).setdefault(name, Seen())
        url = self.stack.page(name)
        waiting = WAITING.findall(fetch_page(f"{url}/metrics") or b"")
        seen.looks += 1
        seen.peak_mb = max(seen.peak_mb, _resident_mb(pid))
        seen.most_waiting = max(seen.most_waiting, *(round(float(one)) for one in waiting), 0)
        seen.ready += _says(f"{url}/healthz/ready") is True
        alive = _says(f"{url}/healthz/live")
        seen.dead += alive is False
        seen.silent += alive is None


def run(phase: Outage, home: Path, say: Say) -> tuple[list[str], dict[str, Any]]:
    """One whole run in a new home: what is wrong, and what was measured."""
    with running(home, 0, phase.env, phase.workers) as stack:
        stack.until(lambda: _shared(stack), "the partitions are not shared")
        pids = {name: stack.living(name) for name in stack.names()}
        watch = Watch(stack, pids)
        generations = stack.rebalances()
        with flooded(stack, phase.rate) as flood:
            took = _struck(phase, stack, watch, flood, say)
        if flood.error is not None:
            raise ChaosError(f"the flood was held up: {flood.error!r}") from flood.error
        begun = time.monotonic()
        stack.kol("drain", "--timeout", str(DRAIN_SECONDS))
        drained = time.monotonic() - begun
        moved = stack.rebalances() - generations
        died = [name for name, pid in pids.items() if stack.pid(name) != pid]
        wrong = [
            *([f"{moved} rebalances"] if moved else []),
            *(f"{name} died" for name in died),
            *_judged(phase, watch, took),
            *sums(stack.settings, flood.answer),
            *against_orders(stack.settings, stack.settings.business_zone),
        ]
        measured = _told(phase, watch, flood.sent, took) | {"drain_seconds": round(drained, 1)}
    return wrong, measured


def _struck(phase: Outage, stack: Stack, watch: Watch, flood: Flood, say: Say) -> Took:
    """Calm, the outage in its moods, and back; seconds until the first row and until the last."""
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
    begun, least = time.monotonic(), stated(stack.settings)
    first = watch.during("after", CATCH_UP, lambda: stated(stack.settings) > least)
    say(f"    the first new row after {first:.1f} s")
    watch.during("after", phase.calm / 2)
    flood.stop()
    watch.during("after", CATCH_UP, lambda: stated(stack.settings) >= flood.sent)
    return first, time.monotonic() - begun


def _judged(phase: Outage, watch: Watch, took: Took) -> list[str]:
    wrong = []
    if took[1] >= CATCH_UP:
        wrong.append(f"not caught up in {took[1]:.0f} s")
    for part, workers in watch.parts.items():
        for name, seen in workers.items():
            if seen.dead:
                wrong.append(f"{name}, {part}: not live in {seen.dead} of {seen.looks} looks")
            if seen.silent > max(1, MOST_SILENT * seen.looks):
                wrong.append(f"{name}, {part}: silent in {seen.silent} of {seen.looks} looks")
            if part.startswith("during") and seen.ready:
                wrong.append(f"{name}, {part}: ready in {seen.ready} of {seen.looks} looks")
            if seen.most_waiting > phase.full + SLACK:
                wrong.append(f"{name}, {part}: {seen.most_waiting} messages or rows wait")
            more = seen.peak_mb - watch.parts["before"][name].peak_mb
            if more > phase.most_mb:
                wrong.append(f"{name}, {part}: {more:.0f} MB more than before")
    last = watch.parts[f"during, {MOODS[-1]}"]
    wrong += [
        f"{name}: reading did not pause at {phase.full}, but {seen.most_waiting} wait"
        for name, seen in last.items()
        if seen.most_waiting <= phase.full
    ]
    return wrong


def _told(phase: Outage, watch: Watch, sent: int, took: Took) -> dict[str, Any]:
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
        "first_row_seconds": round(took[0], 1),
        "catch_up_seconds": round(took[1], 1),
    }


def stated(settings: Settings) -> int:
    """Messages whose doors stand in the engine now."""
    client = connect(settings.clickhouse)
    try:
        (row,) = query(client, "SELECT sum(n) AS n FROM v_door WHERE kind != 'counter'")
    finally:
        client.close()
    return int(row["n"])


def sums(settings: Settings, answer: Answer) -> list[str]:
    """Where doors and money differ from what was sent; [] where nowhere."""
    client = connect(settings.clickhouse)
    try:
        doors = {
            (row["topic"], row["door"]): int(row["n"])
            for row in query(
                client,
                "SELECT topic, door, sum(n) AS n FROM v_door WHERE kind != 'counter'"
                " GROUP BY topic, door HAVING n > 0",
            )
        }
        (orders,) = query(
            client,
            "SELECT count() AS n, sum(paid_cents) AS paid, sum(refunded_cents) AS back"
            " FROM v_order",
        )
        models = query(
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


def _shared(stack: Stack) -> bool:
    """Whether every worker has some partitions, and all are somebody's."""
    held = [len(_status(stack, name).get("partitions", ())) for name in stack.names()]
    return all(held) and sum(held) == stack.settings.kafka.partitions


def _says(url: str) -> bool | None:
    """What a page of health says; None where nobody answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  # ours
            return bool(answer.status == HTTPStatus.OK)
    except urllib.error.HTTPError:
        return False
    except OSError:
        return None


def _status(stack: Stack, name: str) -> dict[str, Any]:
    answer = fetch_page(f"{stack.page(name)}/status.json")
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
def flooded(stack: Stack, rate: float, after: Flood | None = None) -> Iterator[Flood]:
    """A flood over a stack, from here to the end of the block; it may go on after another one."""
    kafka = stack.settings.kafka
    flood = Flood(kafka.bootstrap, kafka.partitions, rate)
    if after is not None:
        flood.number, flood.answer = after.number, after.answer
    flood.start()
    try:
        yield flood
    finally:
        flood.stop()
