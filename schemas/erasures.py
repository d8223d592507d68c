"""Users to forget: what a record of `kol-erasures` says, and the name of nobody.

    key    <user>/<at>                      so that compaction keeps every erasure
    value  {"user": "<user>", "at": <at>}   user: 32 hex digits of `identity.user_key`

The person who had this user_id is forgotten: all that was appended to the inputs up to `at`
(record time, milliseconds since the epoch). What comes later under the same user_id is a new
person's. The record lies on every partition: a message on a wrong one is refused there.
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


class _Said(msgspec.Struct, frozen=True):
    user: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    at: Annotated[int, msgspec.Meta(ge=0, lt=_LAST_MS)]


_said = msgspec.json.Decoder(_Said).decode


@dataclass(frozen=True, slots=True)
class Erasures:
    """The readable records of a batch, shape `(n,)`, in the order of the log."""

    user: Keys
    at: Moments
    offset: NDArray[np.int64]
    unreadable: int  # records that say no erasure; one without a value says nothing and is fine


def named(user_id: str) -> str:
    """The name of a user on the topic.

    >>> named("u1")
    '794ce9f2bf410d7d9dc02546854d5df1'
    """
    low, high = user_key(user_id)
    return f"{high:016x}{low:016x}"


def record(user_id: str, at: int) -> tuple[bytes, bytes]:
    """Key and value of the record that forgets who had this user_id up to `at`."""
    said = _Said(named(user_id), at)
    return f"{said.user}/{at}".encode(), msgspec.json.encode(said)


def read(values: Sequence[bytes | None], offsets: Iterable[int]) -> Erasures:
    """What records say that lie at these offsets; any other bytes are counted."""
    told = [
        (said, int(at)) for raw, at in zip(values, offsets, strict=True) if (said := _read(raw))
    ]
    unreadable = sum(value is not None for value in values) - len(told)
    user = [(int(said.user[16:], 16), int(said.user[:16], 16)) for said, _ in told]
    return Erasures(
        np.array(user, np.uint64).reshape(-1, 2),
        np.array([said.at for said, _ in told], np.int64),
        np.array([at for _, at in told], np.int64),
        unreadable,
    )


def _read(value: bytes | None) -> _Said | None:
    try:
        return None if value is None else _said(value)
    except (msgspec.MsgspecError, RecursionError):
        return None
