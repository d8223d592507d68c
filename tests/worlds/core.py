"""A world through the product's core: messages in, rows out, nothing beside it.

Messages in the wire schema become record batches, which both sides fold as workers do. A flush
comes after some thousand messages; an input that had nothing since the last one is idle, and is
raised as `UserLane.advance_idle_inputs` raises it. In the end all of them are idle.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import product
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import RecordBatch
from schemas.doors import OF_EVENTS, Door
from schemas.events import INPUTS
from schemas.partitioner import partitions_of
from schemas.rows import Rows
from schemas.values import Coded, Values, plain
from tests.both_sides import BothSides
from tests.worlds.draws import Ints
from tests.worlds.messages import Events
from tests.worlds.world import World

PARTITIONS: Final = 2
AT_ONCE: Final = 20_000  # messages from one flush to the next
KEY: Final = b"the key of the worlds"


class Passage:
    """A world on its way through the core; `core` and `messages` say how far it is.

    Args:
        world: whose messages come.
        partitions: of the inputs, and of `kol-cells`.
        at_once: messages from one flush to the next.
        topics: the inputs, in the order in which a flush has them.
        core: that goes on; None: one that knows nothing.

    """

    def __init__(
        self,
        world: World,
        partitions: int = PARTITIONS,
        *,
        at_once: int = AT_ONCE,
        topics: Sequence[str] = INPUTS,
        core: BothSides | None = None,
    ) -> None:
        places = list(product(topics, range(partitions)))
        self.core = core or BothSides(partitions, places, KEY)
        self.messages = 0
        self._world, self._partitions, self._at_once = world, partitions, at_once
        self._topics: Final = tuple(topics)
        self._ends = dict.fromkeys(places, 0)
        self._topic_of: Final = np.array([topics.index(form.topic) for form in world.all_forms])
        self._partition_of: Final = partitions_of(world.keys(), partitions)

    def again(self) -> Self:
        """Another one that goes on from here by itself; it knows no numbers yet."""
        other = copy(self)
        other.core, other._ends = self.core.again(), dict(self._ends)
        return other

    def rows(self) -> Iterator[list[Rows]]:
        """What each flush says, rows of all tables."""
        yield from self.fold(self._world.days())
        yield self.end()

    def fold(self, days: Iterable[Events]) -> Iterator[list[Rows]]:
        """What each flush says of some of the world's days, which come in their order."""
        for part in portions(days, self._at_once):
            yield self._flush(part)

    def end(self) -> list[Rows]:
        """What is said once nothing comes any more."""
        self._advance_idle(np.zeros(len(self._ends), np.int64))
        return self.core.collect()

    def _flush(self, part: Events) -> list[Rows]:
        place = self._topic_of[part["form"]] * self._partitions + self._partition_of[part["user"]]
        values = part.messages(self._world.all_forms)
        for number, (topic, partition) in enumerate(self._ends):
            here = np.flatnonzero(place == number)
            begin = self._ends[topic, partition]
            self._ends[topic, partition] += len(here)
            if len(here):
                self.core.fold(
                    RecordBatch(
                        topic=topic,
                        partition=partition,
                        partitions=self._partitions,
                        first_offset=begin,
                        next_offset=begin + len(here),
                        values=values[here].tolist(),
                        offsets=np.arange(begin, begin + len(here)),
                        received_at=part["arrives"][here],
                    )
                )
        self._advance_idle(np.bincount(place, minlength=len(self._ends)))
        self.messages += len(part)
        return self.core.collect()

    def doors(self) -> Counter[str]:
        """How many messages left by which door, and were rejected for which reason."""
        counts = Counter[str]()
        for memory in self.core.users:
            for topic, left in product(INPUTS, (*Door, *OF_EVENTS)):
                counts[left.label] += memory.door_counts[topic, left.label]
        return +counts

    def _advance_idle(self, counts: Ints) -> None:
        for partition, memory in enumerate(self.core.users):
            came = counts[partition :: self._partitions]
            idle = [t for t, many in zip(self._topics, came, strict=True) if not many]
            memory.advance_idle(idle)


def portions(days: Iterable[Events], size: int) -> Iterator[Events]:
    """The same events, in their order, so many at once; the last are fewer."""
    waiting, many = list[Events](), 0
    for day in days:
        waiting.append(day)
        many += len(day)
        if many >= size:
            all_ = Events.joined(waiting)
            whole = many // size * size
            for begin in range(0, whole, size):
                yield all_.take(np.arange(begin, begin + size))
            waiting, many = [all_.take(np.arange(whole, many))], many - whole
    if many:
        yield Events.joined(waiting)


def standing(parts: Iterable[Rows], table: str, key: Sequence[str]) -> dict[str, Values]:
    """The columns of a table as they stand in the end: of a key the row of the greatest version."""
    some = [part for part in parts if part.table == table]
    if not some:
        return {}
    columns = {name: [part.columns[name] for part in some] for name in some[0].columns}
    ids = [_ids(columns[name]) for name in key]
    order = np.lexsort((_joined(columns["version"]), *ids))
    last = np.ones(len(order), np.bool_)
    last[:-1] = np.logical_or.reduce([one[order][1:] != one[order][:-1] for one in ids])
    rows = order[last]
    return {name: _joined(of)[rows] for name, of in columns.items()}


def _joined(columns: Sequence[Values]) -> NDArray[Any]:
    arrays = [one for one in columns if isinstance(one, np.ndarray)]
    if len(arrays) == len(columns):
        return np.concatenate(arrays)
    return np.array([value for one in columns for value in plain(one)], np.object_)


def _ids(columns: Sequence[Values]) -> Ints:
    """A number for each value, equal ones alike."""
    number: dict[str, int] = {}
    found = []
    for one in columns:
        if isinstance(one, Coded):
            used, place = np.unique(one.code, return_inverse=True)
            known = [number.setdefault(one.names[code], len(number)) for code in used.tolist()]
            found.append(np.array(known, np.int64)[place])
        elif isinstance(one, np.ndarray):
            found.append(one.astype(np.int64))
        else:
            known = [number.setdefault(text, len(number)) for text in plain(one)]
            found.append(np.array(known, np.int64))
    return np.concatenate(found)
