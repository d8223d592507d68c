"""The user side: one partition of the three input topics, folded into orders and cells.

`fold` takes one record batch in, in the order of its topic's log, and changes memory in
place (`pipeline` shows the steps); `updates` collects what changed, whole values with a
version. Results depend only on which events were accepted, never on the order in which the
topics were read, nor on how they were cut into batches.
"""

from collections.abc import Collection, Mapping
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Decoded
from schemas.consents import Consents
from schemas.erasures import Erasures
from schemas.keyed_names import KeyedNames
from schemas.rows import Rows
from streams.core.arrays.arena import Arrays
from streams.core.arrays.names import Names
from streams.core.moments import NEVER
from streams.core.user import consents, erasures
from streams.core.user.door_counts import DoorCounts
from streams.core.user.event_rows import EventPart, rows_of
from streams.core.user.known_values import KnownValues
from streams.core.user.pipeline import Pipeline
from streams.core.user.retention import Retention
from streams.core.user.snapshot import Run, arrays_of, in_turn, restore
from streams.core.user.state import SLACK, Limits, UserState
from streams.core.user.steps import Clock, Step, StepTimer, no_clock


class UserMemory:
    """What a partition of the user side knows; changed in place."""

    def __init__(
        self,
        partition: int,
        *,
        hmac_key: bytes,
        clock: Clock = no_clock,
        **limits: Unpack[Limits],
    ) -> None:
        """Begin with nothing; `clock` gives seconds, to measure the steps of `fold`."""
        self.partition = partition
        self.epoch = 0
        self.life = 0
        self.steps = StepTimer(clock)
        self.state = UserState(hmac_key, **limits)
        self._pipeline = Pipeline(self.state, self.steps)
        self._retention = Retention(self.state, limits.get("slack", SLACK))

    @property
    def step_seconds(self) -> Mapping[Step, float]:
        """Seconds spent in each step of `steps.STEPS` since the beginning."""
        return self.steps.seconds

    @property
    def offsets(self) -> dict[str, int]:
        """Where reading goes on, by topic."""
        return self.state.offsets

    @property
    def door_counts(self) -> DoorCounts:
        """How many messages left by which door."""
        self._pipeline.count()
        return self.state.door_counts

    @property
    def totals(self) -> NDArray[np.int64]:
        """What was counted since the partition's beginning, in order of `door_counts.SERIES`."""
        return self.door_counts.totals

    @property
    def keyed_names(self) -> KeyedNames:
        """Who gives users, events and orders their names: the decoder of its events, too."""
        return self.state.keyed

    @property
    def names(self) -> Names:
        """The KOLs and brands that something is remembered of."""
        return self.state.names

    def fold(self, decoded: Decoded) -> None:
        """Take in one record batch of one topic, in the order of the log."""
        self._pipeline.fold(decoded)

    def count(self) -> None:
        """Bring cells up to date with all that was folded; others here do so by themselves."""
        self._pipeline.count()

    @property
    def waiting_events(self) -> int:
        """How many rows of `event` nobody has taken yet."""
        return len(self.state.events)

    def take_events(self) -> Rows | None:
        """The rows of `event` of what was folded since the last call; None where there are none."""
        return rows_of(self.take_event_parts())

    def take_event_parts(self) -> list[EventPart]:
        """The same, for `rows_of`, which takes those of several partitions at once."""
        return self.state.events.take(self.epoch, self.life)

    def fold_erasures(self, records: Erasures, next_offset: int) -> None:
        """Take in records of `kol-erasures`; the same ones again change nothing.

        From now on orders of these persons are written under NOBODY; what else is known of
        them goes with `erase`.
        """
        erasures.fold_erasures(self.state, records, next_offset)

    def fold_consents(self, records: Consents, next_offset: int) -> None:
        """Take in records of `kol-consents`, in the order of the log."""
        consents.fold_consents(self.state, records, next_offset)

    def ask(self, known: KnownValues) -> None:
        """Ask these numbered values from now on, which all partitions of a process share."""
        self.state.known = known

    def mark_read_to(self, topic: str, at: int) -> None:
        """Take in that all which was appended to an input before `at` is folded."""
        self.state.mark_read_to(topic, at)

    @property
    def has_erasures_due(self) -> bool:
        """Whether `erase` has something to do."""
        return erasures.has_erasures_due(self.state)

    @property
    def durable_offsets(self) -> dict[str, int]:
        """Where reading goes on after a snapshot taken now.

        An erasure is read again until all is dropped that is known of the person, so who
        sees its offset committed knows that.
        """
        return self.state.durable_offsets

    def erase(self) -> bool:
        """Drop all that is known of erased persons whose every event is read.

        When that happens does not show in any row. O(memory) where there is anybody.

        Returns:
            Whether anybody was erased: former snapshots may know of them.

        """
        self._pipeline.count()
        return erasures.erase(self.state)

    def prune(self, watermark: int | None) -> None:
        """Drop what no accepted event can change any more; cheap when there is little."""
        self._pipeline.count()
        self._retention.prune(watermark)

    def greatest_time(self, topic: str) -> int | None:
        """The greatest accepted time of a topic, None where there is none."""
        greatest = self.state.gates[topic].greatest
        return None if greatest == NEVER else greatest

    def watermark(self, topics: Collection[str]) -> int | None:
        """The least of the greatest times of these topics, None while one has none."""
        gates = self.state.gates
        least = min((gates[topic].greatest for topic in topics), default=NEVER)
        return None if least == NEVER else least

    def advance_idle(self, topics: Collection[str]) -> bool:
        """Let topics that are read to their end and idle come as far as the least of the others.

        Idle topics hold back each other only where no other topic has an event.

        Returns:
            Whether one was behind.

        """
        gates = self.state.gates
        before = [gates[topic].greatest for topic in topics]
        for topic in topics:
            least = self._least_time(gates.keys() - topics) or self._least_time(
                gates.keys() - {topic}
            )
            gates[topic].greatest = max(gates[topic].greatest, least or NEVER)
        return before != [gates[topic].greatest for topic in topics]

    def _least_time(self, topics: Collection[str]) -> int | None:
        """The least of the greatest times of those of these topics that have one."""
        times = [at for topic in topics if (at := self.greatest_time(topic)) is not None]
        return min(times, default=None)

    def resend_totals(self) -> None:
        """Let the next updates hold every total: a former life may have written greater ones.

        Behind its snapshot it may have read more: refunds whose order it read later, or the
        longer log of a former epoch. Other keys are written again by the events that are
        read again.
        """
        self.state.door_counts.resend_totals()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything a snapshot holds, as views: what is not yet written is in it, too."""
        self._pipeline.count()
        return arrays_of(self.state)

    @classmethod
    def restored(
        cls,
        arrays: Arrays,
        partition: int,
        *,
        hmac_key: bytes,
        clock: Clock = no_clock,
        run: Run = in_turn,
        **limits: Unpack[Limits],
    ) -> Self:
        """A memory that goes on where `arrays` was taken; epoch and life are the caller's to set.

        `run` may call the functions that restore parts at the same time.
        """
        memory = cls(partition, hmac_key=hmac_key, clock=clock, **limits)
        restore(memory.state, arrays, run)
        return memory
