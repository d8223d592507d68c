"""Consents as workers hear of them: what of a user may be kept of stage, place and age.

The newest record of a user (the last in the log of its partition) stands. It holds for events whose
record time is `HOLDS_AFTER_MS` after its own or later, and it begins anew: of events appended
before it holds nothing may be kept any more, whatever former records said. So whoever reads the
log after compaction, which keeps the newest record only, ends where its first reader did. A
tombstone allows nothing, and so does a record that is refused (`reference`): compaction has it
replace the one before.

A record without a key, or on another partition than the user's events, says nothing of anybody.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.columns import Keys, Mask, Moments, RecordBatch
from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What
from schemas.partitioner import partitions_of
from schemas.placeholders import DEFAULT, Placeholders
from schemas.reference import Tombstone, read_reference
from schemas.reference_types import CONSENTS, Consent

HOLDS_AFTER_MS: Final = 5_000  # so that whoever reads events need not wait for consents
ALLOWED: Final = ("stage", "geo", "age_band")  # what each consent is about, in order of columns

Flags = tuple[bool, bool, bool]

_NOTHING: Final[Flags] = (False, False, False)


@dataclass(frozen=True, slots=True)
class Consents:
    """The records of a batch that say something of somebody, shape `(n,)`, in order of the log."""

    user: Keys  # keyed names of the user_ids
    at: Moments  # record time
    allowed: Mask  # shape (n, 3), in order of `ALLOWED`
    unreadable: int  # without a key, or refused
    misplaced: int  # on the partition of other users


def read_consents(
    batch: RecordBatch, names: KeyedNames, placeholders: Placeholders = DEFAULT
) -> Consents:
    """The consents of a batch of `kol-consents`, whose records have their keys."""
    keys = [key or b"" for key in batch.keys]
    has_key = np.array([bool(key) for key in keys], np.bool_)
    is_here = partitions_of(keys, batch.partitions) == batch.partition
    which = np.flatnonzero(has_key & is_here)
    rows = zip(which.tolist(), batch.received_at[which].tolist(), strict=True)
    said = [_read(keys[row], batch.values[row], at, placeholders) for row, at in rows]
    return Consents(
        names.of_hashes(What.USER, hashed([keys[row] for row in which.tolist()])),
        batch.received_at[which],
        np.array([flags or _NOTHING for flags in said], np.bool_).reshape(-1, len(ALLOWED)),
        unreadable=int(np.count_nonzero(~has_key)) + said.count(None),
        misplaced=int(np.count_nonzero(has_key & ~is_here)),
    )


def _read(key: bytes, value: bytes | None, at: int, placeholders: Placeholders) -> Flags | None:
    """What a record allows; None if it is refused."""
    read = read_reference(CONSENTS, key, value, at, placeholders=placeholders)
    if isinstance(read, Consent):
        return read.allowed
    return _NOTHING if isinstance(read, Tombstone) else None
