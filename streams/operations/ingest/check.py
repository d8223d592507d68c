"""What would become of files of events if they were sent now: refused or too late lines.

A reference record is read as the trainer reads it. Every other line is decoded as a worker decodes
it, and passes the gate of its topic partition in the order in which it would be sent. Memory does
not grow with the files: only what a gate knows of the last two hours of event time is kept.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.doors import Door
from schemas.events import INPUTS
from schemas.keyed_names import KeyedNames
from schemas.reference import Refused, read_reference
from streams.clients.kafka_reader import Place, record_reader
from streams.core.kernels import SCANNER
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.content import contents
from streams.core.user.dedup import Gate
from streams.operations.dlq.retry import TAIL, greatest_times
from streams.operations.ingest.files import merge_by_time
from streams.operations.ingest.lines import Message, Unusable
from streams.settings import Settings

_ANY: Final = KeyedNames(b"")  # of the key nothing depends here: no name is kept
BATCH_MESSAGES: Final = 2_000  # decoded at a time
BATCH_BYTES: Final = 8 << 20
SLACK: Final = 2_000  # identities beyond those that count, before a gate drops them


@dataclass(frozen=True, slots=True)
class LateLine:
    """A line that would be too late."""

    path: Path
    line: int
    place: Place
    below_ms: int  # below the greatest time of its topic partition


@dataclass(slots=True)
class Forecast:
    """How many lines of files would leave by which door."""

    messages: int = 0
    unusable: int = 0  # lines that are no message
    refused: Counter[str] = field(default_factory=Counter)  # reason -> lines
    differing: int = 0  # lines with the event_id of another one that says something else
    late: Counter[str] = field(default_factory=Counter)  # topic/partition -> lines
    late_beside_topics: int = 0  # of them those that are late by what the topics hold already
    first_late: LateLine | None = None

    @property
    def is_newest_first(self) -> bool:
        """Whether most lines would be too late beside others in the files, whatever topics hold."""
        return 2 * (self.late.total() - self.late_beside_topics) > self.messages

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "messages": self.messages,
            "unusable": self.unusable,
            "refused": dict(self.refused),
            "duplicate_differs": self.differing,
            "too_late": self.late.total(),
            "too_late_by_partition": dict(self.late),
            "too_late_beside_topics": self.late_beside_topics,
        }


async def known_greatest_times(
    settings: Settings, reported: Mapping[Place, int]
) -> dict[Place, int]:
    """The greatest time of each input partition: as workers report, and of the newest records.

    Raises:
        BrokerError: no broker answers.

    """
    partitions = settings.kafka.partitions
    places = [(topic, at) for topic in INPUTS for at in range(partitions)]
    async with record_reader(settings.kafka) as records:
        newest = await records.newest(places, TAIL)
    task = asyncio.current_task()
    if task is not None and task.cancelling():  # aiokafka may have caught it
        raise asyncio.CancelledError
    return greatest_times(newest, partitions, reported, settings.placeholders)


def check_files(
    files: Sequence[Path],
    settings: Settings,
    greatest: Mapping[Place, int],
    now: int,
    on_checked: Callable[[int], None],
) -> Forecast:
    """What would become of every line of these files.

    Args:
        files: plain or packed.
        settings: how many partitions there are, which ids mean nobody, the shop's currency.
        greatest: event times that the topic partitions hold already.
        now: milliseconds; the record time they would get.
        on_checked: called with the number of lines checked so far.

    Raises:
        FileError: a file cannot be read to its end.

    """
    check = _Check(settings, greatest, now)
    for batch in _batches(merge_by_time(files, now), check.forecast):
        check.add(batch)
        on_checked(check.forecast.messages)
    return check.forecast


def _batches(
    messages: Iterable[Message | Unusable], forecast: Forecast
) -> Iterator[Sequence[Message]]:
    """The messages in batches of bounded size; others are counted."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        if isinstance(message, Unusable):
            forecast.unusable += 1
            continue
        batch.append(message)
        size += len(message.value or b"")
        if len(batch) == BATCH_MESSAGES or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


class _Check:
    """The gates of all topic partitions, and what passed through them."""

    def __init__(self, settings: Settings, greatest: Mapping[Place, int], now: int) -> None:
        self.forecast = Forecast()
        self._partitions = settings.kafka.partitions
        self._known = greatest
        self._now = now
        self._placeholders = settings.placeholders
        self._currency = settings.currency
        self._gates: dict[Place, Gate] = {}

    def add(self, batch: Sequence[Message]) -> None:
        """Decode messages, in the order of sending, and count what becomes of them."""
        self.forecast.messages += len(batch)
        by_place: defaultdict[Place, list[Message]] = defaultdict(list)
        for message in batch:
            if message.is_reference:
                self._read_reference(message)
                continue
            by_place[message.topic, message.partition(self._partitions)].append(message)
        for place, messages in by_place.items():
            self._decide(place, messages)

    def _read_reference(self, message: Message) -> None:
        nobody = self._placeholders
        read = read_reference(
            message.topic, message.key, message.value, self._now, placeholders=nobody
        )
        if isinstance(read, Refused):
            self.forecast.refused[read.reason.label] += 1

    def _decide(self, place: Place, messages: Sequence[Message]) -> None:
        n = len(messages)
        values = [message.value for message in messages]
        received_at = np.full(n, self._now)
        records = RecordBatch(*place, self._partitions, 0, n, values, np.arange(n), received_at)
        read = decode(records, _ANY, self._placeholders, SCANNER)
        self.forecast.refused.update(rejected.reason for rejected in read.rejected)
        gate = self._gate(place)
        facts = read.facts
        content = contents(facts, self._currency)
        door, before, differs = gate.decide(facts.at, facts.identity, content)
        gate.prune()
        self.forecast.differing += int(np.count_nonzero(differs))
        late = np.flatnonzero(door == Door.TOO_LATE)
        if late.size:
            at = facts.at[late]
            first = messages[int(facts.offset[late[0]])]
            self._count_late(place, at < self._greatest(place) - HORIZON_MS)
            below = int(before[late[0]] - at[0])
            self.forecast.first_late = self.forecast.first_late or LateLine(
                first.path, first.line, place, below
            )

    def _count_late(self, place: Place, is_beside_topics: Any) -> None:  # noqa: ANN401
        self.forecast.late[f"{place[0]}/{place[1]}"] += len(is_beside_topics)
        self.forecast.late_beside_topics += int(is_beside_topics.sum())

    def _gate(self, place: Place) -> Gate:
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(SLACK)
            gate.greatest = self._greatest(place)
        return gate

    def _greatest(self, place: Place) -> int:
        return self._known.get(place, NEVER)
