"""One run: traffic, faults on their schedule, `kol drain`, and the verdict.

agenda ──▶ kill, stop, wake, join, leave, cut, slow …        while traffic flows
       ──▶ all awake, connections fair ──▶ kol drain ──▶ oracle, quiet run, offsets, doors, totals
       ──▶ in some phases: all again in a new epoch, or from what compaction leaves
"""

import json
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streams.clients.worker_pages import fetch_page
from streams.errors import ExpectedError
from tests.chaos import outage, verdict
from tests.chaos.compacted import compacted, of_gone
from tests.chaos.faults import Fault, Kind, schedule, shrunk
from tests.chaos.foreign import Ending, ForeignTransaction, newest
from tests.chaos.judging import Case, Say, Verdict, judge
from tests.chaos.proxy import Mood, Proxy
from tests.chaos.references import references
from tests.chaos.stack import SESSION_SECONDS, ChaosError, Stack, forget_state, running
from tests.chaos.totals import Totals
from tests.chaos.watch import Offsets, Reads, Recovery
from tests.chaos.world import Sent, Traffic, world

LOOK = 0.05
READS_EVERY = 0.5  # seconds between two looks at what was read
FROZEN_SECONDS = 1.0  # before and after they drain: a snapshot that does not wait is written
COPIES = 700  # messages sent again at a time
SHARE_BEFORE = 0.85  # of the traffic, where the rest comes after compaction
STOP_SECONDS = 10.0  # promised: from SIGTERM to the end
MOST_TOLD = 4  # of many offsets
FOREIGN_SECONDS = 60.0  # for a foreign transaction to end, the broker being there
WAITED_IN_VAIN = "a transaction has been open for more than"  # what such a worker ends with
COMPARED = ("events", "dimensions", "compacted")  # figures of rows and records
DAMAGED = ("DamagedSnapshotError", "fell back to an older snapshot")


@dataclass(frozen=True, slots=True)
class Phase:
    """What runs, how long, and how much goes wrong."""

    name: str
    seed: int
    workers: int
    seconds: float  # of traffic
    counts: Mapping[Kind, int]
    users: int = 40  # of the messy log
    days: int = 20
    bulk: int = 60_000  # messages
    extras: int = 0  # standing workers behind proxies
    snapshot_seconds: float = 1.0
    session: float = SESSION_SECONDS
    most_gap: float | None = None  # seconds without progress of a partition; None: any
    replays: bool = False  # afterwards all is read again in a new epoch, with kills
    quiet_stack: bool = True  # the undisturbed run is `kol up`, too
    trainers: int = 1  # beside the supervised one
    zone: str = "Asia/Shanghai"  # of business days
    references: bool = False  # reference topics say something, and change amid the traffic
    compacts: bool = False  # afterwards all is compacted, and read again from what that leaves

    @property
    def faults(self) -> list[Fault]:
        """Its schedule."""
        return schedule(self.seed, self.seconds, self.counts)

    def scaled(self, by: float) -> "Phase":
        """The same, so much longer and worse; at least one fault of each of its kinds."""
        counts = {kind: max(1, round(by * n)) for kind, n in self.counts.items()}
        return replace(self, seconds=by * self.seconds, bulk=round(by * self.bulk), counts=counts)

    @property
    def env(self) -> dict[str, str]:
        """Settings that make faults quick to see, and time the log's alone."""
        trainer = {
            "KOL_TRAINER__DIMENSIONS_SECONDS": "1",
            "KOL_TRAINER__CONSENTS_SECONDS": "5",
            "KOL_TRAINER__NUMBERS_SECONDS": "5",
        }
        return {
            **(trainer if self.references else {}),
            "KOL_WORKER__SESSION_SECONDS": str(self.session),
            "KOL_WORKER__SNAPSHOT_SECONDS": str(self.snapshot_seconds),
            "KOL_WORKER__QUIET_SECONDS": "3600",  # the one clock that may move what is final
            "KOL_TRAINER__SESSION_SECONDS": str(SESSION_SECONDS),
            "KOL_TRAINER__MINUTES_SECONDS": "0.5",  # most of the time a turn is under way
            "KOL_BUSINESS_ZONE": self.zone,
        }


@dataclass(slots=True)
class Figures:
    """What a run measured."""

    faults: Counter[str] = field(default_factory=Counter)
    recovery: dict[str, list[float]] = field(default_factory=dict)  # seconds
    unseen: int = 0  # faults after which no new row was waited for
    messages: int = 0
    read: int = 0  # by all workers together
    rebalances: int = 0
    snapshots: int = 0
    looks: int = 0  # at offsets beside snapshots
    final_scores: int = 0
    orders: int = 0
    cells: int = 0
    letters: int = 0
    drain_seconds: float = 0.0
    seconds: float = 0.0
    longest_gap: float = 0.0  # seconds without progress of a partition
    stops: list[float] = field(default_factory=list)  # seconds from SIGTERM to the end
    outage: dict[str, Any] = field(default_factory=dict)  # of the phase that has one
    foreign: Counter[str] = field(default_factory=Counter)  # transactions, by how they ended
    waited_in_vain: int = 0  # workers that ended because a transaction stayed open
    late_ends: int = 0  # ends of transactions delivered within the next one
    totals_looks: int = 0
    events: int = 0  # rows of event
    dimensions: int = 0  # rows of all of them
    compacted: int = 0  # records that compaction took away

    def note(self, found: Verdict) -> None:
        """Take in how much a verdict compared."""
        stands = found.stands
        self.messages, self.orders, self.cells = (
            len(found.log),
            len(stands.orders),
            len(stands.cells),
        )
        self.final_scores, self.letters = len(stands.scores), len(stands.letters)
        self.events, self.dimensions = stands.events.total(), found.dimensions

    def add(self, other: "Figures") -> None:
        """Take another run's in."""
        self.faults.update(other.faults)
        for kind, took in other.recovery.items():
            self.recovery.setdefault(kind, []).extend(took)
        for name in ("unseen", "messages", "read", "rebalances", "snapshots", "looks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.foreign.update(other.foreign)
        for name in ("waited_in_vain", "late_ends", "totals_looks", *COMPARED):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("final_scores", "orders", "cells", "letters", "drain_seconds", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_gap = max(self.longest_gap, other.longest_gap)
        self.stops += other.stops
        self.outage |= other.outage

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "faults": dict(sorted(self.faults.items())),
            "recovery_seconds": {
                kind: {"n": len(took), "p50": _middle(took), "max": round(max(took), 2)}
                for kind, took in sorted(self.recovery.items())
                if took
            },
            "unseen": self.unseen,
            "messages": self.messages,
            "read": self.read,
            "duplicate_work": self.read - self.messages,
            "rebalances": self.rebalances,
            "snapshots": self.snapshots,
            "offset_looks": self.looks,
            "orders": self.orders,
            "cells": self.cells,
            "dead_letters": self.letters,
            "final_scores": self.final_scores,
            "longest_gap_seconds": round(self.longest_gap, 2),
            "stop_seconds": {"p50": _middle(self.stops), "max": round(max(self.stops), 2)}
            if self.stops
            else {},
            "outage": self.outage,
            "foreign_transactions": dict(sorted(self.foreign.items())),
            "waited_in_vain": self.waited_in_vain,
            "late_ends": self.late_ends,
            "totals_looks": self.totals_looks,
            **{name: getattr(self, name) for name in COMPARED},
            "drain_seconds": round(self.drain_seconds, 1),
            "seconds": round(self.seconds, 1),
        }


def _middle(values: Sequence[float]) -> float:
    return round(sorted(values)[len(values) // 2], 2)


@dataclass(slots=True)
class Run:
    """The faults of one schedule, as they strike a running stack."""

    stack: Stack
    traffic: Traffic
    recovery: Recovery
    reads: Reads
    figures: Figures
    say: Callable[[str], None]
    stopped: dict[str, int] = field(default_factory=dict)  # zombies: name -> pid
    joined: list[str] = field(default_factory=list)
    foreign: dict[int, ForeignTransaction] = field(default_factory=dict)  # fault -> its own

    def strike(self, faults: Sequence[Fault]) -> None:
        """Let all of them happen, each at its time, until the traffic is sent."""
        begun = time.monotonic()
        looked = 0.0
        agenda = sorted(
            (at, number, fault, ends)
            for number, fault in enumerate(faults)
            for at, ends in ((fault.at, False), (fault.at + fault.seconds, True))
            if not ends or fault.seconds
        )
        names: dict[int, str] = {}  # whom a lasting fault struck
        while agenda or self.traffic.is_alive():
            self.stack.keep()
            now = time.monotonic() - begun
            if now - looked > READS_EVERY:
                looked = now
                self.reads.look()
            if agenda and agenda[0][0] <= now:
                _, number, fault, ends = agenda.pop(0)
                if ends:
                    self._end(fault, number, names.get(number, ""))
                else:
                    names[number] = self._begin(fault, number)
            else:
                time.sleep(LOOK)
        if self.traffic.error is not None:
            raise ChaosError(
                f"the traffic could not be sent: {self.traffic.error!r}"
            ) from self.traffic.error

    def _begin(self, fault: Fault, number: int) -> str:
        self.say(f"    {fault}")
        struck = ""
        match fault.kind:
            case Kind.WORKER:
                struck = self._one(fault.target)
                self._kill_worker(struck)
            case Kind.ENGINE | Kind.BROKER:
                name = "clickhouse" if fault.kind is Kind.ENGINE else "kafka"
                self.stack.living(name)
                sent = self.traffic.events
                self.stack.signal(name, signal.SIGKILL)
                self.recovery.store(fault.kind, sent)
            case Kind.ZOMBIE:
                struck = self._one(fault.target)
                self.reads.look(struck)
                self.stopped[struck] = self.stack.signal(struck, signal.SIGSTOP)
                return struck  # counted once it is woken
            case Kind.TRAINER:
                self.stack.signal(self._trainer(fault.target), signal.SIGKILL)
            case Kind.TRAINER_ZOMBIE:
                struck = self._trainer(fault.target)
                self.stopped[struck] = self.stack.signal(struck, signal.SIGSTOP)
                return struck  # as above
            case Kind.BY_HAND:
                self.stack.roll_up(f"rollup-{number}")
            case Kind.JOIN:
                struck = f"guest-{number}"
                self.stack.join(struck)
                self.joined.append(struck)
            case Kind.FROZEN:
                self._freeze()
            case Kind.ROLL:
                for name in self.stack.names():
                    self._restart(name)
            case Kind.AGAIN:
                self.traffic.again(COPIES)
            case Kind.CUT | Kind.SLOW | Kind.HOLD | Kind.REFUSE:
                self._treat(self._proxy(fault), fault.kind)
            case Kind.FOREIGN:
                self.foreign[number] = self._foreign(fault, number)
            case Kind.LATE_END:
                self._broker_proxy().hold_end(number)
        self.figures.faults[fault.kind] += 1
        return struck

    def _end(self, fault: Fault, number: int, struck: str) -> None:
        match fault.kind:
            case Kind.FOREIGN:
                self.foreign[number].end()
            case Kind.LATE_END:
                self._broker_proxy().deliver_end(number)
            case Kind.ZOMBIE | Kind.TRAINER_ZOMBIE:
                self.wake(struck)
            case Kind.JOIN:
                self.reads.look(struck)
                self.stack.leave(struck)
                self.reads.died(struck)
                self.joined.remove(struck)
            case _:
                if (proxy := self._proxy(fault)) is not None:
                    proxy.treat(Mood.FAIR)

    def _one(self, target: int) -> str:
        """One of the workers that can be struck."""
        names = [name for name in self.stack.names() if name not in self.stopped]
        return (names or self.stack.names())[target % len(names or self.stack.names())]

    def _trainer(self, target: int) -> str:
        """The trainer that holds the lock; where none says so, any that can be struck."""
        names = [name for name in self.stack.trainers() if name not in self.stopped]
        return self.stack.holder() or (names or self.stack.trainers())[target % len(names or [0])]

    def _kill_worker(self, name: str) -> None:
        self.stack.living(name)
        self.reads.look(name)
        answer = fetch_page(f"{self.stack.page(name)}/status.json")
        held = json.loads(answer)["partitions"] if answer else []
        self.stack.signal(name, signal.SIGKILL)
        self.reads.died(name)
        self.recovery.worker(Kind.WORKER, held)

    def _freeze(self) -> None:
        """Let all workers drain into an engine that does not answer, then let all of it be lost.

        A round, and a drain even more, asks for rows and for a snapshot in the same moment: it
        shows most surely whether the one waits for the other, since what was kept and never
        written is missing then.
        """
        self.stack.living("clickhouse")
        sent = self.traffic.events
        names = [name for name in self.stack.names() if name not in self.stopped]
        for name in names:
            self.stack.serves(name)
        self.stack.signal("clickhouse", signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        for name in names:
            self.stack.signal(name, signal.SIGTERM)
        time.sleep(FROZEN_SECONDS)
        for name in names:
            self._kill_worker(name)
        self.stack.signal("clickhouse", signal.SIGKILL)
        self.recovery.store(Kind.ENGINE, sent)

    def _restart(self, name: str) -> None:
        """Ask a worker to stop; on once its successor serves."""
        self.reads.look(name)
        seconds = self.stack.restart(name)
        self.reads.died(name)
        self.figures.stops.append(seconds)
        self.say(f"      {name} was gone after {seconds:.1f} s")

    def wake(self, name: str) -> None:
        """Let a stopped worker go on: if it is the same process still, a zombie."""
        pid = self.stopped.pop(name, None)
        if pid is not None and self.stack.pid(name) == pid:
            self.stack.signal(name, signal.SIGCONT)
            is_trainer = name in self.stack.trainers()
            self.figures.faults[Kind.TRAINER_ZOMBIE if is_trainer else Kind.ZOMBIE] += 1

    def _foreign(self, fault: Fault, number: int) -> ForeignTransaction:
        endings = tuple(Ending)
        before = self.traffic.messages[max(0, self.traffic.sent - COPIES) : self.traffic.sent]
        transaction = ForeignTransaction(
            self.stack.settings.kafka,
            number,
            fault.seconds,
            endings[fault.target % len(endings)],
            newest(before),
        )
        transaction.start()
        return transaction

    def join_foreign(self) -> None:
        """Return once no foreign transaction is to end any more."""
        for transaction in self.foreign.values():
            transaction.join(FOREIGN_SECONDS)
            self.figures.foreign["opened"] += transaction.opened.is_set()
            self.figures.foreign[transaction.ending] += transaction.ended

    def _broker_proxy(self) -> Proxy:
        if self.stack.broker_proxy is None:
            raise ChaosError("no proxy: the phase has no extra workers")
        return self.stack.broker_proxy

    def _proxy(self, fault: Fault) -> Proxy | None:
        pair = (self.stack.broker_proxy, self.stack.engine_proxy)
        return pair[fault.target % 2]

    def _treat(self, proxy: Proxy | None, kind: Kind) -> None:
        if proxy is None:
            raise ChaosError("no proxy: the phase has no extra workers")
        if kind is Kind.CUT:
            proxy.cut()
            return
        moods = {Kind.SLOW: Mood.SLOW, Kind.HOLD: Mood.SILENT, Kind.REFUSE: Mood.REFUSING}
        proxy.treat(moods[kind])


def run(
    phase: Phase,
    faults: Sequence[Fault],
    home: Path,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[str], Figures]:
    """One whole run in a new home: what is wrong in the end ([] if nothing), and the figures."""
    figures = Figures()
    begun = time.monotonic()
    with running(home, phase.workers, phase.env, phase.extras, phase.trainers) as stack:
        say(f"  up after {time.monotonic() - begun:.1f} s")
        wrong = _disturbed(phase, faults, stack, figures, say)
    figures.seconds = time.monotonic() - begun
    return wrong, figures


def _disturbed(
    phase: Phase,
    faults: Sequence[Fault],
    stack: Stack,
    figures: Figures,
    say: Callable[[str], None],
) -> list[str]:
    case, messages, rest = _set(phase, stack)
    if case.references:
        case.tell_references(case.references.first)
        say("  numbers hold for what was said first")
    traffic = Traffic(stack.settings.kafka.bootstrap, messages, phase.seconds)
    offsets = _struck(case, traffic, faults, figures, say)
    say(f"  drained after {figures.drain_seconds:.1f} s")
    found = judge(case)
    figures.note(found)
    wrong = [*offsets, *_slow(phase, figures), *stack.faults, *found.wrong]
    say(f"  compared with the oracle and a quiet run: {len(wrong)} wrong")
    if phase.replays:
        say("  everything again, in a new epoch")
        wrong += [f"replayed: {fault}" for fault in _replayed(phase, case, found, say)]
    if phase.compacts:
        wrong += [f"compacted: {fault}" for fault in compacted(case, rest, figures, say)]
    if phase.quiet_stack:
        wrong += [f"quiet stack: {fault}" for fault in _in_peace(case, found)]
    return wrong


def _set(phase: Phase, stack: Stack) -> tuple[Case, list[Sent], list[Sent]]:
    """What is judged, the traffic, and what comes only after compaction."""
    partitions, now = stack.settings.kafka.partitions, time.time_ns() // 1_000_000
    size = {"users": phase.users, "days": phase.days, "bulk_messages": phase.bulk}
    messages = world(phase.seed, now, partitions, **size)
    case, cut = Case(stack, phase.zone), len(messages)
    if phase.references:
        case.references = references(phase.seed, now, partitions, messages)
        messages = case.references.amid(messages, phase.seed)
    if phase.compacts:
        cut = round(SHARE_BEFORE * len(messages))
        messages = [*of_gone(now, partitions), *messages]
    return case, messages[:cut], messages[cut:]


def _struck(
    case: Case,
    traffic: Traffic,
    faults: Sequence[Fault],
    figures: Figures,
    say: Callable[[str], None],
) -> list[str]:
    """Send, strike, drain; gives what was wrong meanwhile: of offsets, totals, snapshots."""
    stack = case.stack
    offsets, recovery, reads = Offsets(stack.settings), Recovery(stack.settings), Reads(stack)
    totals = Totals(stack.settings)
    one = Run(stack, traffic, recovery, reads, figures, say)
    for thread in (offsets, recovery, totals, traffic):
        thread.start()
    try:
        one.strike(faults)
        for name in list(one.stopped):
            one.wake(name)
        one.join_foreign()
        figures.drain_seconds = case.drain()
        reads.look()
    finally:
        offsets.stop()
        recovery.stop()
        totals.stop()
    if offsets.error is not None:
        raise ChaosError(f"the offsets could not be watched: {offsets.error!r}") from offsets.error
    figures.recovery = {str(kind): took for kind, took in recovery.took.items()}
    figures.unseen = recovery.unseen
    figures.longest_gap = max(recovery.gaps.values(), default=0.0)
    figures.read = reads.total
    figures.rebalances = stack.rebalances()
    figures.snapshots, figures.looks = offsets.snapshots, offsets.looks
    figures.totals_looks = totals.looks
    figures.waited_in_vain = stack.count_in_logs(WAITED_IN_VAIN)
    if stack.broker_proxy is not None and stack.broker_proxy.late_ends is not None:
        figures.late_ends = stack.broker_proxy.late_ends.late
    return [
        *(f"an offset beyond its snapshot: {place}" for place in offsets.beyond[:MOST_TOLD]),
        *(f"a total went back: {total}" for total in totals.back[:MOST_TOLD]),
        *(f"{n} times: {words}" for words in DAMAGED if (n := stack.count_in_logs(words))),
    ]


def _slow(phase: Phase, figures: Figures) -> list[str]:
    """What took longer than is promised."""
    gap, most = figures.longest_gap, phase.most_gap
    late = [took for took in figures.stops if took > STOP_SECONDS]
    return [
        *([f"{gap:.1f} s without progress of a partition"] if most and gap > most else []),
        *(f"a stop took {took:.1f} s" for took in late),
    ]


def _replayed(phase: Phase, case: Case, found: Verdict, say: Say) -> list[str]:
    """Forget states and offsets, read all of the log once more, with workers killed meanwhile."""
    stack = case.stack
    for name in list(stack.extras):
        stack.leave(name)
    stack.kol("down")
    forget_state(stack, stack.settings)
    stack.up(env={"KOL_EPOCH": "1"})
    stack.env = {**stack.env, "KOL_EPOCH": "1"}
    for number in range(phase.workers):
        time.sleep(1.0)
        say(f"    worker-{number} killed")
        stack.signal(f"worker-{number}", signal.SIGKILL)
    case.drain()
    return judge(case).wrong if case.references else _as_before(case, found)


def _as_before(case: Case, found: Verdict) -> list[str]:
    settings = case.stack.settings  # its ports may be others now
    stands, messages = verdict.told(settings), len(found.log)
    left = sum(stands.doors.values())
    return [
        *verdict.against_quiet(stands, found.peace),
        *verdict.against_orders(settings, case.zone),
        *([f"{messages} messages, but {left} left by a door"] if left != messages else []),
    ]


def _in_peace(case: Case, found: Verdict) -> list[str]:
    """The same log, in the same order of each partition, through a fresh stack at rest.

    Its record times are others, so that of references it begins with what stands in the end.
    """
    stack, records = case.stack, case.recorded() if case.references else []
    for name in list(stack.extras):
        stack.leave(name)
    stack.kol("down")
    stack.workers = 1
    stack.up("--fresh")
    case.letters.clear()
    case.tell_references(records)
    case.tell([Sent(one.topic, one.partition, None, one.value) for one in found.log])
    case.drain()
    wrong = judge(case).wrong if case.references else []
    return [*wrong, *verdict.against_quiet(found.stands, verdict.told(stack.settings))]


def endured(
    phase: outage.Outage, folder: Path, say: Callable[[str], None] = lambda _: None
) -> tuple[list[str], Figures]:
    """A phase that is one outage: there is nothing to shrink."""
    begun, figures = time.monotonic(), Figures()
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{phase.name}-") as home:
        try:
            wrong, figures.outage = outage.run(phase, Path(home), say)
        except (ChaosError, ExpectedError, OSError, subprocess.SubprocessError) as error:
            wrong = [f"{type(error).__name__}: {error}"]
    figures.seconds = time.monotonic() - begun
    for line in wrong:
        say(f"  WRONG {line}")
    return wrong, figures


def judged(
    phase: Phase, folder: Path, tries: int, say: Callable[[str], None] = lambda _: None
) -> tuple[list[str], Figures]:
    """A phase; where it fails, its seed, its faults, and the fewest found that still fail."""
    faults = phase.faults
    wrong, figures = _tried(phase, faults, folder, say)
    if not wrong:
        return [], figures
    for line in wrong:
        say(f"  WRONG {line}")
    least = shrunk(
        faults, lambda some: bool(_tried(phase, some, folder, lambda _: None)[0]), tries, say
    )
    told = "\n".join(f"    {fault}" for fault in least)
    wrong.append(f"phase {phase.name}, seed {phase.seed}: fails with {len(least)} faults\n{told}")
    return wrong, figures


def _tried(
    phase: Phase, faults: Sequence[Fault], folder: Path, say: Callable[[str], None]
) -> tuple[list[str], Figures]:
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{phase.name}-") as home:
        try:
            return run(phase, faults, Path(home), say)
        except (ChaosError, ExpectedError, OSError, subprocess.SubprocessError) as error:
            return [f"{type(error).__name__}: {error}"], Figures()
