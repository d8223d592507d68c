"""Whether a trainer is alive and ready, and how its turns stand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from schemas.numbered import KINDS
from streams.runtime.metrics import MetricSet
from streams.trainer.report import Report
from streams.trainer.standing import LATE_SECONDS, Notes
from streams.trainer.telemetry import METRICS
from streams.trainer.turns import MINUTES, NUMBERS


@dataclass(slots=True)
class LastTurn:
    """How a kind of turn went last."""

    succeeded_at: float | None = None  # seconds since the epoch; of whichever process
    seconds: float | None = None
    report: Report = field(default_factory=Report)
    failure: str = ""  # of the last one, empty if it succeeded


class Health:
    """Answers of one trainer.

    Args:
        turns: kind -> seconds from one to the next.
        stuck_seconds: a turn is stuck in a statement that takes longer.
        clock: seconds since the epoch.

    """

    def __init__(
        self, turns: Mapping[str, float], stuck_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._every = turns
        self._stuck_seconds = stuck_seconds
        self.metrics = MetricSet(METRICS)
        self.generation = 0  # 0: another process holds the lock, or none does
        self.notes: Notes | None = None  # of the holder
        self.broker_fault = ""
        self.under_way: tuple[str, float] | None = None  # a turn, since its last statement
        self.last = {name: LastTurn() for name in turns}
        self._version = version("kol-streams")
        self.metrics.set("kol_trainer_info", 1, self._version)
        self.metrics.set("kol_trainer_is_holder", 0)
        self.metrics.set("kol_trainer_generation", 0)
        self.metrics.set("kol_trainer_waiting_rollups", 0)
        for name in turns:
            self.metrics.set("kol_trainer_last_success_timestamp_seconds", self._began, name)

    def hold(self, generation: int, notes: Notes | None) -> None:
        """The lock is held with a generation, 0: not held."""
        self.generation, self.notes, self.broker_fault = generation, notes, ""
        self.metrics.set("kol_trainer_is_holder", float(generation > 0))
        self.metrics.set("kol_trainer_generation", generation)

    def take_over(self, succeeded: Mapping[str, int]) -> None:
        """The former holder's turns have succeeded at these times, ms."""
        for name, at in succeeded.items():
            if name in self.last and self.last[name].succeeded_at is None:
                self.last[name].succeeded_at = at / 1000
                self.metrics.set("kol_trainer_last_success_timestamp_seconds", at / 1000, name)

    def begin(self, turn: str) -> None:
        """A turn begins."""
        self.under_way = turn, self._clock()

    def move(self) -> None:
        """A statement of it begins."""
        if self.under_way is not None:
            self.under_way = self.under_way[0], self._clock()

    def end(self) -> None:
        """It has ended, however."""
        self.under_way = None

    def succeed(self, turn: str, seconds: float, report: Report) -> None:
        """It succeeded."""
        now = self._clock()
        self.last[turn] = LastTurn(now, seconds, report)
        self.metrics.observe("kol_trainer_turn_seconds", seconds, turn)
        self.metrics.set("kol_trainer_last_success_timestamp_seconds", now, turn)
        if turn == MINUTES:
            self.metrics.set("kol_trainer_waiting_rollups", len(report.waiting))
        if turn == NUMBERS:
            self._show_numbers(report)
        for topic, n in report.behind.items():
            self.metrics.set("kol_trainer_behind", n, topic)
            self.metrics.set("kol_trainer_is_absent", float(topic in report.absent), topic)
        for table, n in report.found.items():
            self.metrics.add("kol_trainer_found_total", n, table)
        for reason, n in report.rejected.items():
            self.metrics.add("kol_trainer_rejected_total", n, reason)
        for table, n in report.buckets.items():
            self.metrics.add("kol_trainer_buckets_total", n, table)
        for table, n in report.rows.items():
            self.metrics.add("kol_trainer_rows_total", n, table)

    def _show_numbers(self, report: Report) -> None:
        for kind, one in report.newest.items():
            self.metrics.set("kol_trainer_newest_number", one.number, kind)
            self.metrics.set("kol_trainer_number_rows", one.rows, kind)
            self.metrics.set("kol_trainer_number_timestamp_seconds", one.sealed_at / 1000, kind)
        for kind in KINDS:
            self.metrics.set("kol_trainer_number_refused", float(kind in report.refused), kind)

    def fail(self, turn: str, why: str) -> None:
        """It failed."""
        self.last[turn].failure = why
        self.metrics.add("kol_trainer_failures_total", 1, turn)

    def exposition(self) -> bytes:
        """What `/metrics` says."""
        return self.metrics.exposition()

    def live(self) -> list[str]:
        """Why this process should be restarted; [] while it moves or waits for a good reason."""
        if self.under_way is None:
            return []
        turn, since = self.under_way
        seconds = self._clock() - since
        stuck = f"{turn}: under way for {seconds:.0f} s without an answer"
        return [stuck] if seconds > self._stuck_seconds else []

    def ready(self) -> list[str]:
        """Why roll-ups do not follow; [] also for one that stands by for another."""
        if self.broker_fault:
            return [self.broker_fault]
        if not self.generation:
            return []
        now = self._clock()
        return [
            f"{name}: {one.failure or 'no turn succeeded'} ({now - since:.0f} s ago)"
            for name, one in self.last.items()
            if (since := one.succeeded_at or self._began) < now - LATE_SECONDS - self._every[name]
            or one.failure
        ] + [
            f"{name}: {one.report.complaint}"
            for name, one in self.last.items()
            if one.report.complaint
        ]

    def status(self) -> dict[str, Any]:
        """All of it, for `kol status`."""
        return {
            "name": "trainer",
            "version": self._version,
            "holds": self.generation > 0,
            "generation": self.generation,
            "ready": self.ready(),
            "live": self.live(),
            "turns": {
                name: {
                    "last_success": one.succeeded_at,
                    "failure": one.failure,
                    **one.report.as_dict(),
                    "seconds": one.seconds,
                }
                for name, one in self.last.items()
            },
        }
