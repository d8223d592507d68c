"""How a compiled scanner is told what messages look like, and what it gives.

All that it goes by is made here of the types in `schemas.events`: fields, what each may hold, what
is kept of it. It takes a message only where it is certain what the decoder reads in it, and leaves
every other to that decoder.
"""

from collections.abc import Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypedDict

import numpy as np
from msgspec import inspect
from numpy.typing import NDArray

from schemas.columns import RecordBatch
from schemas.events import MAX_EVENT_BYTES
from schemas.identity import EMPTY
from schemas.messages import Digests, Rows
from schemas.placeholders import Placeholders
from schemas.readers import READERS, Reader

_ANY_LENGTH: Final = MAX_EVENT_BYTES
_ROLES: Final = ("ts", "user_id", "event_id")


class Field(NamedTuple):
    """A field of a message. Lengths of texts are in bytes, which are no fewer than characters."""

    name: str
    needed: bool
    shape: str  # text, tag (a text or a number), int, float, bool, texts
    least: float  # of a number, or of the length of a text
    most: float
    items: int = 0  # of texts at most
    keep: str = ""  # int, float, flag, number, digest, text; nothing
    absent: int = 0  # what stands for an absent int


class Scanned(TypedDict):
    """What the scanner gives; digests stand one after the other."""

    taken: NDArray[np.int64]  # places of messages
    left: NDArray[np.int64]  # of the others
    at: NDArray[np.int64]
    identities: NDArray[np.uint8]  # digests
    users: NDArray[np.uint8]  # digests
    murmurs: NDArray[np.uint32]  # hashes that partitions are chosen by
    near: Sequence[tuple[int, str]]  # rows whose user_ids have only letters of placeholders
    fields: Mapping[str, Any]  # columns of fields that are kept


class Scan(Protocol):
    """The compiled functions that read messages."""

    version: str

    def layout(
        self, fields: Sequence[Field], roles: tuple[str, str, str], most_bytes: int, /
    ) -> Any:  # noqa: ANN401  # `scan` alone looks inside
        """What messages look like; `roles` are the names of time, user and event."""
        ...

    def scan(
        self,
        messages: list[bytes | None],
        layout: Any,  # noqa: ANN401  # as above
        topic: str,
        letters: bytes,
        /,
    ) -> Scanned:
        """The columns of the messages that are certain."""
        ...


class Hot(Scan, Protocol):
    """The compiled functions, of `streams/native`."""

    def crc32c(self, data: bytes, begin: int, end: int, /) -> int:
        """The checksum of some of these bytes."""
        ...

    def records(
        self,
        data: bytes,
        count: int,
        base_offset: int,
        first_stamp: int,
        with_keys: bool,  # noqa: FBT001  # as compiled
        /,
    ) -> tuple[list[bytes | None], list[bytes | None], NDArray[np.int64], NDArray[np.int64]]:
        """Values, keys, offsets and times of the records in these bytes.

        Raises:
            ValueError: they are not so many records, and nothing else.

        """
        ...


class CompiledScanner:
    """Reads messages by compiled functions, without the interpreter's lock."""

    def __init__(self, hot: Scan) -> None:
        self._hot: Final = hot
        self._layouts: Final = {
            place: hot.layout(fields_of(reader), _ROLES, MAX_EVENT_BYTES)
            for place, reader in READERS.items()
        }

    def rows(
        self, batch: RecordBatch, placeholders: Placeholders, *, in_full: bool
    ) -> tuple[Rows, NDArray[np.int64]]:
        """The rows of messages that are certain, and the places of those that are left."""
        place = batch.topic, in_full
        reader = READERS[place]
        found = self._hot.scan(
            list(batch.values), self._layouts[place], batch.topic, placeholders.letters
        )
        taken = found["taken"]
        is_nobody = np.zeros(len(taken), np.bool_)
        is_nobody[[row for row, user in found["near"] if user in placeholders]] = True
        fields = found["fields"]
        numbered = {name: fields[name] for name in reader.numbered}
        rows = Rows(
            taken,
            found["at"],
            _digests(found["identities"]),
            _digests(found["users"]),
            found["murmurs"].astype(np.int64),
            is_nobody,
            {
                **{name: fields[name] for name in (*reader.ints, *reader.floats)},
                **{name: np.array(fields[name], np.object_) for name in reader.texts},
                **{name: fields[name].view(np.bool_) for name in reader.flags},
                **{name: _digests(fields[name]) for name in reader.hashed},
            },
            {name: number for name, (number, _) in numbered.items()},
            {name: values for name, (_, values) in numbered.items()},
        )
        return rows, found["left"]


def _digests(hashes: Digests) -> Digests:
    return hashes.reshape(-1, len(EMPTY))


def fields_of(reader: Reader) -> list[Field]:
    """The fields of a topic's messages, as the scanner wants them."""
    event = inspect.type_info(reader.event)
    if not isinstance(event, inspect.StructType):
        raise TypeError("no columns are made of these messages")
    return [_field(one, reader) for one in event.fields]


def _field(one: inspect.Field, reader: Reader) -> Field:
    name, keep = one.encode_name, ""
    for group, kind in _KEPT.items():
        if name in getattr(reader, group):
            keep = kind
    return Field(name, one.required, *_shape(one.type), keep=keep, absent=reader.ints.get(name, 0))


_KEPT: Final = MappingProxyType(  # group of a reader -> what is kept
    {
        "ints": "int",
        "floats": "float",
        "texts": "text",
        "flags": "flag",
        "numbered": "number",
        "hashed": "digest",
    }
)


def _shape(kind: inspect.Type) -> tuple[str, float, float, int]:
    """Shape, least, most and items of a type; null is nothing of its own."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    match kind:
        case inspect.UnionType(types):
            some = [one for one in types if not isinstance(one, inspect.NoneType)]
            if len(some) == 1:
                return _shape(some[0])
            (text,) = (one for one in some if isinstance(one, inspect.StrType))
            return "tag", 0, text.max_length or _ANY_LENGTH, 0
        case inspect.StrType():
            return "text", kind.min_length or 0, kind.max_length or _ANY_LENGTH, 0
        case inspect.IntType():
            return "int", _or(kind.ge, -(2**63)), _or(kind.le, 2**63 - 1), 0
        case inspect.FloatType():
            return "float", float(_or(kind.ge, -inf)), float(_or(kind.le, inf)), 0
        case inspect.BoolType():
            return "bool", 0, 1, 0
        case inspect.VarTupleType():
            _, _, most, _ = _shape(kind.item_type)
            return "texts", 0, most, kind.max_length or 0
    raise TypeError(f"the scanner knows no {kind}")


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
