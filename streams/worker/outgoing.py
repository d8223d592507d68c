"""What one flush sends: rows by table, blocks of cells by target partition, dead letters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.blocks import Block, pack
from schemas.cells import NAMES
from schemas.columns import Rejected
from schemas.partitioner import partitions_of
from schemas.rows import Rows, joined
from streams.core.user.rows import ChangedCells
from streams.worker.changes import Source

Kind = TypeVar("Kind", bound=np.generic)

MOST_CELLS = 1_500  # in one message: some 300 kB at the most


@dataclass(frozen=True, slots=True)
class Flush:
    """One flush of one side."""

    rows: Sequence[Rows] = ()  # one per table
    blocks: Sequence[tuple[int, bytes]] = ()  # target partition and message, in order
    letters: Sequence[Rejected] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.blocks or self.letters)


def by_table(parts: Sequence[Rows]) -> list[Rows]:
    """Rows of all lanes, one `Rows` per table."""
    by_table: dict[str, list[Rows]] = {}
    for rows in parts:
        if len(rows):
            by_table.setdefault(rows.table, []).append(rows)
    return [joined(rows) for rows in by_table.values()]


@dataclass(frozen=True, slots=True)
class Cells:
    """Changed cells of several source partitions, without those of reserved names."""

    source: NDArray[np.uint16]
    kols: Sequence[str]
    kol: NDArray[np.int32]
    minute: NDArray[np.int64]
    fields: NDArray[np.int64]
    version: NDArray[np.uint64]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> "Cells":
        """The cells of KOLs; brands (`~brand:…`) stay on the user side."""
        parts = [_of_kols(source) for source in sources]
        some = [(partition, part) for partition, part in parts if len(part)]
        names = list(dict.fromkeys(chain.from_iterable(part.kols for _, part in some)))
        code = dict(zip(names, count(), strict=False)).__getitem__
        codes = [
            np.fromiter(map(code, part.kols), np.int32, len(part.kols))[part.kol]
            for _, part in some
        ]
        return cls(
            _stacked([np.full(len(part), at, np.uint16) for at, part in some], np.uint16),
            names,
            _stacked(codes, np.int32),
            _stacked([part.minute for _, part in some], np.int64),
            np.concatenate([part.fields for _, part in some])
            if some
            else np.zeros((0, len(NAMES)), np.int64),
            _stacked([part.version for _, part in some], np.uint64),
        )


def _of_kols(source: Source) -> tuple[int, ChangedCells]:
    cells = source.cells
    reserved = map(str.startswith, cells.kols, repeat("~"))
    is_kol = ~np.fromiter(reserved, np.bool_, len(cells.kols))
    which = np.flatnonzero(is_kol[cells.kol])
    return source.partition, ChangedCells(
        cells.kols, cells.kol[which], cells.minute[which], cells.fields[which], cells.version[which]
    )


def _stacked(parts: Sequence[NDArray[Kind]], kind: type[Kind]) -> NDArray[Kind]:
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def blocks(sources: Sequence[Source], partitions: int, *, moved: bool) -> list[tuple[int, bytes]]:
    """The messages of a flush for `kol-cells`: target partition and bytes, in order.

    Cells go where the hash of their KOL says; watermarks go everywhere when `moved`, in the
    last message of each target, so that none precedes the cells it closes.
    """
    cells = Cells.of(sources)
    target = partitions_of(list(map(str.encode, cells.kols)), partitions)
    marks = {source.partition: source.watermark for source in sources if source.speaks}
    lives = {source.partition: source.life for source in sources if source.speaks}
    messages = []
    for at in range(partitions):
        which = np.flatnonzero(target[cells.kol] == at) if len(cells.kols) else _NOTHING
        if not moved and not len(which):
            continue
        for part, is_last in _parts(which):
            progress = (marks, lives) if is_last and moved else ({}, {})
            messages.append((at, pack(_block(cells, part, *progress))))
    return messages


def _parts(which: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], bool]]:
    for start in range(0, max(len(which), 1), MOST_CELLS):
        yield which[start : start + MOST_CELLS], start + MOST_CELLS >= len(which)


def _block(
    cells: Cells, which: NDArray[np.intp], marks: Mapping[int, int | None], lives: Mapping[int, int]
) -> Block:
    codes, kol = np.unique(cells.kol[which], return_inverse=True)
    return Block(
        marks,
        lives,
        cells.source[which],
        [cells.kols[code] for code in codes.tolist()],
        kol.astype(np.int32),
        cells.minute[which],
        cells.fields[which],
        cells.version[which],
    )


_NOTHING: NDArray[np.intp] = np.zeros(0, np.intp)
