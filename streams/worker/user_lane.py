"""A partition of the user side: events into orders and cells, and how far its inputs are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.consents import read_consents
from schemas.erasures import Renewed, read_erasures, renewed
from schemas.events import INPUTS
from schemas.messages import Scanner
from schemas.placeholders import DEFAULT, Placeholders
from schemas.reference_types import CONSENTS
from schemas.topics import ERASURES
from streams.clients.kafka_reader import PartitionRecords
from streams.core.kernels import SCANNER
from streams.core.sides import Side
from streams.core.user import door_counts
from streams.core.user.event_rows import EventPart
from streams.core.user.memory import UserMemory
from streams.snapshots import OtherKeyError, Pace, StateLog, Steps
from streams.transport import ReadPosition
from streams.worker.lanes import Lane, Mute, PendingSnapshot
from streams.worker.read_ahead import Progress, ReachedEnd

FIRST_SECONDS = 2.0  # after its first message a partition holds its watermark: others begin, too
SKEW_MS = 1_000  # between our clock and the brokers'


@dataclass(frozen=True, slots=True)
class InputEnd:
    """An input that was delivered to its end; what of it is folded, memory knows.

    While a transaction is open behind what can be read, that is not its end: its events are older.
    """

    offset: int  # behind its last records: transactions may end beyond it
    at: int  # this was its end then or later, milliseconds since the epoch
    quiet_s: float  # since the last records were delivered


@dataclass(frozen=True, slots=True)
class Reading:
    """How messages are read."""

    placeholders: Placeholders = DEFAULT  # ids that mean nobody
    scanner: Scanner | None = SCANNER  # reads most of them, where it is compiled
    in_full: bool = False  # events become rows of `event`, too


class UserLane(Lane):
    """One partition of the user side.

    Args:
        partition, memory, log, pace, mute: as of every lane.
        begun_at: when its first message came, or long ago; None: nothing yet.
        reading: how its messages are read.

    """

    side = Side.USER
    places = door_counts.SERIES

    def __init__(  # those of a lane and two more
        self,
        partition: int,
        memory: UserMemory,
        log: StateLog,
        pace: Pace,
        mute: Mute,
        begun_at: float | None = None,
        reading: Reading = Reading(),  # a frozen value
    ) -> None:
        super().__init__(partition, memory, log, pace, mute)
        self.memory = memory
        self.begun_at = begun_at
        self.event_bytes = 0  # of messages whose rows of `event` nobody has taken
        self._reading = reading
        self._exported_seconds = dict(memory.step_seconds)
        self.consents = ReachedEnd()  # of kol-consents
        self.is_empty = False  # no message yet, and idle: it holds back nobody's watermark

    def fold(self, batch: RecordBatch, now: float) -> None:
        """Fold events, who is to be forgotten, or what users allow."""
        self.is_dirty, self.idle_since = True, now
        if batch.topic == ERASURES:
            erasures = read_erasures(batch.values, batch.offsets, self.memory.keyed_names)
            self.memory.fold_erasures(erasures, batch.next_offset)
            return  # it is no event: the partition has not begun by it
        how, names = self._reading, self.memory.keyed_names
        if batch.topic == CONSENTS:
            consents = read_consents(batch, names, how.placeholders)
            self.memory.fold_consents(consents, batch.next_offset)
            return
        waiting = self.memory.waiting_events
        self.memory.fold(
            self.memory.steps.run(
                "decode", decode, batch, names, how.placeholders, how.scanner, in_full=how.in_full
            )
        )
        self._note_folded(batch)
        if self.memory.waiting_events > waiting:
            self.event_bytes += batch.size
        self.is_empty = False
        if self.begun_at is None:
            self.begun_at = now

    def learn_erasures(self, erasures: PartitionRecords) -> None:
        """Take in all of a partition of `kol-erasures`; the same again changes nothing.

        Raises:
            OtherKeyError: it names users whom this worker could not recognise.

        """
        values = [record.value for record in erasures.records]
        offsets = [record.offset for record in erasures.records]
        found = read_erasures(values, offsets, self.memory.keyed_names)
        if found.foreign:
            raise OtherKeyError(self.partition, ERASURES)
        self.memory.fold_erasures(found, erasures.end)

    def former_erasures(self, erasures: PartitionRecords) -> Iterator[Renewed]:
        """What is to be written to the partition instead of records of former versions."""
        names = self.memory.keyed_names
        newest = {record.key: record.value for record in erasures.records}
        for value in newest.values():
            if (one := renewed(value, names)) is not None:
                yield one

    @property
    def read_to(self) -> int:
        """Record time before which everything is folded that was appended to any input."""
        return min(self.memory.state.read_to.values())

    def progress(self, topic: str, at: ReadPosition) -> Progress:
        """How far a topic is folded; what was delivered may wait to be, or be thrown away."""
        is_folded = at.delivered is not None and self.offsets[topic] >= at.delivered
        read = at.position if is_folded and at.position is not None else self.offsets[topic]
        return Progress(read, at.end, at.end_at)

    def take_events(self) -> list[EventPart]:
        """The rows of `event` of what was folded since the last call, for `rows_of`."""
        self.event_bytes = 0
        return self.memory.take_event_parts()

    def watermark(self, now: float) -> int | None:
        """The least event time still open; None while something older may still begin."""
        if self.begun_at is None or self.holds_watermark(now):
            return None
        return self.memory.watermark(INPUTS)

    def holds_watermark(self, now: float) -> bool:
        """Whether its first message came just now."""
        return self.begun_at is not None and now - self.begun_at < FIRST_SECONDS

    def prune(self, now: float) -> None:
        """Drop what no accepted event can change any more."""
        self.memory.prune(self.watermark(now))

    def take_step_seconds(self) -> Iterator[tuple[str, float]]:
        """Each step of folding, and the seconds spent in it since the last call."""
        for step, seconds in self.memory.step_seconds.items():
            yield step, seconds - self._exported_seconds[step]
            self._exported_seconds[step] = seconds

    def greatest_times(self) -> dict[str, int | None]:
        """The greatest accepted event time of each input, None where there is none."""
        return {topic: self.memory.greatest_time(topic) for topic in INPUTS}

    def counted(self, topic: str, counter: str) -> int:
        """One total since the partition's beginning."""
        return self.memory.door_counts[topic, counter]

    @property
    def durable_offsets(self) -> dict[str, int]:
        """As of every lane, but an erasure is read again until nothing is left of the person."""
        return self.memory.durable_offsets

    def capturing(self) -> Steps[PendingSnapshot]:
        """Copy memory without those who are to be forgotten."""
        self.is_purging |= self.memory.erase()
        return (yield from super().capturing())

    def mark_read_to(self, ends: Mapping[str, InputEnd]) -> None:
        """Note where inputs ended, and when: once that is folded, nothing older is to come.

        Beyond an end there may be markers of transactions: a muted lane does not wait for those.
        While memory is being copied nothing is noted: it is told again soon.
        """
        if not self.is_copied.is_set():
            return
        for topic, end in ends.items():
            if self.offsets[topic] >= end.offset:
                self.mute.until.pop(topic, None)
                self.memory.mark_read_to(topic, end.at - SKEW_MS)
                self.is_dirty |= self.memory.has_erasures_due

    def advance_idle_inputs(self, ends: Mapping[str, InputEnd], idle_s: float, now: float) -> None:
        """Let inputs that are folded to their end and idle stop holding back the watermark.

        An input that never had an event holds it until the others have had some for so long.
        While memory is being copied nothing changes, as above.
        """
        if not self.is_copied.is_set():
            return
        topics = [  # what was delivered may wait to be folded, or be thrown away
            topic
            for topic, end in ends.items()
            if end.quiet_s >= idle_s and self.offsets[topic] >= end.offset
        ]
        if self.begun_at is None:
            self.is_empty = set(topics) == set(INPUTS)
        elif now - self.begun_at >= idle_s:
            self.is_dirty |= self.memory.advance_idle(topics)  # their own from now on: to be kept
