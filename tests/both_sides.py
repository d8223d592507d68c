"""The product's core beside any broker: all partitions of both sides, batches in, rows out."""

from collections.abc import Collection
from copy import copy
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.blocks import unpack
from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.rows import Rows
from streams.core.kernels import SCANNER
from streams.core.kol.memory import KolMemory
from streams.core.user.known_values import KnownValues
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.worker.changes import Source
from streams.worker.outgoing import blocks


class BothSides:
    """What both sides know, from the beginning on.

    Args:
        partitions: of the inputs, and of `kol-cells`.
        places: topics and partitions that have events; others hold back no watermark.
        hmac_key: of names.
        in_full: whether events become rows of `event`, too.

    """

    def __init__(
        self,
        partitions: int,
        places: Collection[tuple[str, int]],
        hmac_key: bytes,
        *,
        in_full: bool = False,
    ) -> None:
        self._counted: Final = [[t for t in INPUTS if (t, p) in places] for p in range(partitions)]
        self._in_full: Final = in_full
        self._hmac_key: Final = hmac_key
        self.known = KnownValues()
        self.users = [UserMemory(p, hmac_key=hmac_key) for p in range(partitions)]
        self.kols = [KolMemory(p, partitions) for p in range(partitions)]
        self._ask()

    def again(self) -> Self:
        """Another one that goes on from here, from what snapshots hold; it knows no numbers."""
        other = copy(self)
        other.known = KnownValues()
        other.users = [
            UserMemory.restored(_taken(one.arrays()), one.partition, hmac_key=self._hmac_key)
            for one in self.users
        ]
        other.kols = [KolMemory.restored(_taken(one.arrays()), one.partition) for one in self.kols]
        for mine, its in zip(self.users, other.users, strict=True):
            its.epoch, its.life = mine.epoch, mine.life + 1
        for one, another in zip(self.kols, other.kols, strict=True):
            another.epoch, another.life = one.epoch, one.life + 1
        other._ask()
        return other

    def know_to(self, minute: int) -> None:
        """Write no minute after this one: numbers may still come that hold for it."""
        for kol in self.kols:
            kol.know_to(minute)

    def _ask(self) -> None:
        for user in self.users:
            user.ask(self.known)
        for kol in self.kols:
            kol.ask(self.known)

    def fold(self, batch: RecordBatch) -> None:
        """Take one record batch in."""
        user = self.users[batch.partition]
        user.fold(decode(batch, user.keyed_names, scanner=SCANNER, in_full=self._in_full))

    def collect(self) -> list[Rows]:
        """What changed on the user side, and through blocks of cells on the KOL side."""
        rows: list[Rows] = []
        sources: list[Source] = []
        for memory, topics in zip(self.users, self._counted, strict=True):
            updates = collect_updates(memory)
            rows += updates.rows
            mark = memory.watermark(topics)
            has_watermark = mark is not None or not topics
            sources.append(Source(memory.partition, 0, updates.cells, has_watermark, mark))
            memory.prune(mark)
        for target, block in blocks(sources, len(self.kols), moved=True):
            self.kols[target].fold(unpack(block))
        rows += [part for memory in self.kols for part in memory.collect_updates()]
        events = [memory.take_events() for memory in self.users]
        return rows + [part for part in events if part is not None]


def _taken(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What a snapshot holds, apart from the memory it is taken of."""
    return {name: np.array(one) for name, one in arrays.items()}
