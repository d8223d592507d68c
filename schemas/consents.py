"""Consents: the records of `kol-consents`, what of a user may be kept of stage, place and age.

    key    the user_id; partitioned by it, as the inputs
    value  {"user_id": …, "ts": …, "stage": bool, "geo": bool, "age_band": bool}, absent = no

The newest record of a user (the last in the log of its partition) stands. It holds for events whose
record time is `HOLDS_AFTER_MS` after its own or later, and it begins anew: of events appended
before, nothing may be kept any more, whatever former records said. So whoever reads the log after
compaction, which keeps the newest record only, ends where its first reader did. A tombstone
allows nothing, and so does a record that cannot be read: compaction has it replace the one before.

A record without a key, or on another partition than the user's events, says nothing of anybody.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from schemas.columns import Keys, Mask, Moments, RecordBatch
from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What
from schemas.partitioner import partitions_of

HOLDS_AFTER_MS: Final = 5_000  # so that whoever reads events need not wait for consents
ALLOWED: Final = ("stage", "geo", "age_band")  # what each consent is about, in order of columns


class _Consent(msgspec.Struct, frozen=True):
    user_id: str
    ts: int
    stage: bool = False
    geo: bool = False
    age_band: bool = False


_decode = msgspec.json.Decoder(_Consent).decode


@dataclass(frozen=True, slots=True)
class Consents:
    """The records of a batch that say something of somebody, shape `(n,)`, in order of the log."""

    user: Keys  # keyed names of the user_ids
    at: Moments  # record time
    allowed: Mask  # shape (n, 3), in order of `ALLOWED`
    unreadable: int  # without a key, or with a value that is no consent of that user
    misplaced: int  # on the partition of other users


def read_consents(batch: RecordBatch, names: KeyedNames) -> Consents:
    """The consents of a batch of `kol-consents`, whose records have their keys."""
    keys = [key or b"" for key in batch.keys]
    has_key = np.array([bool(key) for key in keys], np.bool_)
    is_here = partitions_of(keys, batch.partitions) == batch.partition
    which = np.flatnonzero(has_key & is_here).tolist()
    found = [_read(keys[at], batch.values[at]) for at in which]
    said = [consent or _NOTHING for consent in found]
    return Consents(
        names.of_hashes(What.USER, hashed([keys[at] for at in which])),
        batch.received_at[which],
        np.array([(one.stage, one.geo, one.age_band) for one in said], np.bool_).reshape(-1, 3),
        unreadable=int(np.count_nonzero(~has_key)) + found.count(None),
        misplaced=int(np.count_nonzero(has_key & ~is_here)),
    )


_NOTHING: Final = _Consent("", 0)


def _read(key: bytes, value: bytes | None) -> _Consent | None:
    """What a record says; None if that cannot be read."""
    if value is None:
        return _NOTHING
    try:
        consent = _decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return consent if consent.user_id.encode() == key else None
