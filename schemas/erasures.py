"""Erasures: the records of `kol-erasures`, each a user whom all workers forget.

    key    <name>/<at>                                    so that compaction keeps every erasure
    value  {"name": "<name>", "at": <at>, "key": "<key>"}
    name   the user's `keyed_names` name, 32 hex digits
    key    `KeyedNames.check` of the key it was made with, so that nobody takes it for another's

The person who had this user_id is forgotten: all that was appended to the inputs up to `at`
(record time, milliseconds since the epoch). What comes later under the same user_id is a new
person's. The record lies on every partition, because a message on a wrong one is kept there as a
dead letter.

Former versions wrote {"user": "<digest>", "at": <at>} with 32 hex digits of `identity.user_key`,
which everybody who knows the id can compute. Such a record is read, too, and `renewed` is what
it is replaced by.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Moments
from schemas.keyed_names import KeyedNames, What, as_hex, of_hex

NOBODY: Final = "0" * 32  # the user_hash of orders of all who were forgotten

_LAST_MS = 1 << 48  # a moment is below it


_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
_Moment = Annotated[int, msgspec.Meta(ge=0, lt=_LAST_MS)]


class _Erasure(msgspec.Struct, frozen=True):
    name: _Hex
    at: _Moment
    key: _Hex


class _Former(msgspec.Struct, frozen=True):
    user: _Hex  # a digest
    at: _Moment


_decode = msgspec.json.Decoder(_Erasure).decode
_decode_former = msgspec.json.Decoder(_Former).decode


@dataclass(frozen=True, slots=True)
class Erasures:
    """The readable records of a batch, shape `(n,)`, in the order of the log."""

    user: Keys  # their names
    at: Moments
    offset: NDArray[np.int64]
    unreadable: int  # records that are no erasure; tombstones are not counted
    foreign: int = 0  # those of them that have names made with another key


class Renewed(NamedTuple):
    """A record of a former version, as it is written today."""

    former_key: bytes  # to be emptied once the other stands
    key: bytes
    value: bytes


def erasure_record(user_id: str, at: int, names: KeyedNames) -> tuple[bytes, bytes]:
    """Key and value of the record that forgets who had this user_id up to `at`."""
    (name,) = names.users([user_id]).tolist()
    return _record(name, at, names)


def renewed(value: bytes | None, names: KeyedNames) -> Renewed | None:
    """What replaces a record of a former version, None for every other record."""
    former = _read_former(value)
    if former is None:
        return None
    name = names.of(What.USER, np.array([of_hex(former.user)], np.uint64))
    former_key = f"{former.user}/{former.at}".encode()
    return Renewed(former_key, *_record(name[0].tolist(), former.at, names))


def _record(name: Sequence[int], at: int, names: KeyedNames) -> tuple[bytes, bytes]:
    erasure = _Erasure(as_hex(name), at, as_hex(names.check[0].tolist()))
    return f"{erasure.name}/{at}".encode(), msgspec.json.encode(erasure)


def read_erasures(
    values: Sequence[bytes | None], offsets: Iterable[int], names: KeyedNames
) -> Erasures:
    """The erasures among the records at these offsets; other records are counted."""
    own = as_hex(names.check[0].tolist())
    named: list[tuple[_Erasure, int]] = []
    digested: list[tuple[_Former, int]] = []
    foreign = 0
    for value, offset in zip(values, offsets, strict=True):
        if (erasure := _read(value)) is not None:
            if erasure.key == own:
                named.append((erasure, int(offset)))
            else:
                foreign += 1
        elif (former := _read_former(value)) is not None:
            digested.append((former, int(offset)))
    ats = [erasure.at for erasure, _ in named] + [former.at for former, _ in digested]
    places = np.array([place for _, place in [*named, *digested]], np.int64)
    user = np.concatenate(
        [
            _keys([erasure.name for erasure, _ in named]),
            names.of(What.USER, _keys([former.user for former, _ in digested])),
        ]
    )
    in_log = np.argsort(places)
    unreadable = sum(value is not None for value in values) - len(places)
    at = np.array(ats, np.int64)
    return Erasures(user[in_log], at[in_log], places[in_log], unreadable, foreign)


def _keys(texts: Sequence[str]) -> Keys:
    return np.array([of_hex(text) for text in texts], np.uint64).reshape(-1, 2)


def _read(value: bytes | None) -> _Erasure | None:
    try:
        return None if value is None else _decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _read_former(value: bytes | None) -> _Former | None:
    try:
        return None if value is None else _decode_former(value)
    except (msgspec.MsgspecError, RecursionError):
        return None
