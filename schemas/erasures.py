"""Erasures: the records of `kol-erasures`, each a user whom all workers forget.

    key    <user>/<at>                      so that compaction keeps every erasure
    value  {"user": "<user>", "at": <at>}   user: 32 hex digits of `identity.user_key`

The person who had this user_id is forgotten: all that was appended to the inputs up to `at`
(record time, milliseconds since the epoch). What comes later under the same user_id is a new
person's. The record lies on every partition, because a message on a wrong one is kept there as a
dead letter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Moments
from schemas.identity import user_key

NOBODY: Final = "0" * 32  # the user_hash of orders of all who were forgotten

_LAST_MS = 1 << 48  # a moment is below it


class _Erasure(msgspec.Struct, frozen=True):
    user: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    at: Annotated[int, msgspec.Meta(ge=0, lt=_LAST_MS)]


_decode = msgspec.json.Decoder(_Erasure).decode


@dataclass(frozen=True, slots=True)
class Erasures:
    """The readable records of a batch, shape `(n,)`, in the order of the log."""

    user: Keys
    at: Moments
    offset: NDArray[np.int64]
    unreadable: int  # records that are no erasure; tombstones are not counted


def user_hex(user_id: str) -> str:
    """The user of a user_id as the topic names it: 32 hex digits.

    >>> user_hex("u1")
    '794ce9f2bf410d7d9dc02546854d5df1'
    """
    low, high = user_key(user_id)
    return f"{high:016x}{low:016x}"


def erasure_record(user_id: str, at: int) -> tuple[bytes, bytes]:
    """Key and value of the record that forgets who had this user_id up to `at`."""
    erasure = _Erasure(user_hex(user_id), at)
    return f"{erasure.user}/{at}".encode(), msgspec.json.encode(erasure)


def read_erasures(values: Sequence[bytes | None], offsets: Iterable[int]) -> Erasures:
    """The erasures among the records at these offsets; other records are counted."""
    found = [
        (erasure, int(at))
        for raw, at in zip(values, offsets, strict=True)
        if (erasure := _read(raw))
    ]
    unreadable = sum(value is not None for value in values) - len(found)
    user = [(int(erasure.user[16:], 16), int(erasure.user[:16], 16)) for erasure, _ in found]
    return Erasures(
        np.array(user, np.uint64).reshape(-1, 2),
        np.array([erasure.at for erasure, _ in found], np.int64),
        np.array([at for _, at in found], np.int64),
        unreadable,
    )


def _read(value: bytes | None) -> _Erasure | None:
    try:
        return None if value is None else _decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return None
