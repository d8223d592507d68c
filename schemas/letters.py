"""Dead letters: the rows of `dead_letter`, what cannot be read or written and why.

A message that is refused is kept as it came, a row that the database refuses as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
import numpy as np

from schemas.columns import Rejected
from schemas.doors import Door, RejectReason
from schemas.rows import Rows

TABLE: Final = "dead_letter"
INPUT: Final = "input"  # `target` of a message; that of a row is the table that refused it
REFUSED: Final = "refused"  # `reason` of a row
DROPPED: Final = (Door.TOO_LATE.label, Door.DUPLICATE.label, Door.DUPLICATE_ORDER.label)
REASONS: Final = (*(reason.label for reason in RejectReason), *DROPPED, REFUSED)
NEW: Final = "new"  # `state` until somebody deals with it

Key = tuple[str, int, int, str, int]  # topic, partition, offset, target, at

FIELDS: Final = (  # of a Letter, to be selected from its table under any name
    "topic, `partition`, `offset`, target, toUnixTimestamp64Milli(at) AS ms, reason, error, state"
)
IS_AMONG: Final = (  # the condition that a row is one of `keys(letters)`
    "(topic, `partition`, `offset`, target, toUnixTimestamp64Milli(at))"
    " IN {keys:Array(Tuple(String, UInt16, UInt64, String, Int64))}"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter without its payload."""

    topic: str  # empty for a row
    partition: int
    offset: int  # for a row a hash of its key
    target: str  # `input`, or the table
    at: int  # record time, milliseconds since the epoch
    reason: str
    error: str
    state: str

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """The letter of a row that was selected by `FIELDS`."""
        return cls(
            row["topic"],
            row["partition"],
            int(row["offset"]),
            row["target"],
            int(row["ms"]),
            row["reason"],
            row["error"],
            row["state"],
        )

    @property
    def id(self) -> str:
        """What `kol dlq` calls it."""
        return f"{self.topic or self.target}/{self.partition}/{self.offset}"

    @property
    def key(self) -> Key:
        """What makes two rows one letter, as in the table."""
        return self.topic, self.partition, self.offset, self.target, self.at

    @property
    def time(self) -> str:
        """Its record time for a person, UTC, e.g. `2026-05-01 12:00:00.000`."""
        return str(np.datetime64(self.at, "ms")).replace("T", " ")

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        names = ("topic", "partition", "offset", "target", "time", "reason", "error", "state")
        return {"id": self.id} | {name: getattr(self, name) for name in names}


def keys(letters: Iterable[Letter]) -> dict[str, Any]:
    """The parameters of `IS_AMONG`."""
    return {"keys": [letter.key for letter in letters]}


def letter_rows(rejected: Sequence[Rejected], version: int, target: str = INPUT) -> Rows:
    """The rows of messages, or of rows for a table, that were refused."""
    payloads = [encoded(one.raw or b"") for one in rejected]
    return Rows(
        TABLE,
        {
            "topic": [one.topic for one in rejected],
            "partition": [one.partition for one in rejected],
            "offset": [one.offset for one in rejected],
            "target": [target] * len(rejected),
            "at": [one.received_at for one in rejected],
            "reason": [one.reason for one in rejected],
            "error": [one.error for one in rejected],
            "encoding": [encoding for encoding, _ in payloads],
            "payload": [payload for _, payload in payloads],
            "state": [NEW] * len(rejected),
            "version": np.full(len(rejected), version, np.uint64),
        },
    )


def encoded(raw: bytes) -> tuple[str, str]:
    r"""Encoding and payload of bytes: text where they are UTF-8, else base64.

    >>> encoded(b"kol"), encoded(b"\xff")
    (('utf8', 'kol'), ('base64', '/w=='))
    """
    try:
        return "utf8", raw.decode()
    except UnicodeDecodeError:
        return "base64", msgspec.to_builtins(raw)


def decoded(encoding: str, payload: str) -> bytes:
    r"""The bytes of a payload.

    >>> decoded("base64", "/w==")
    b'\xff'
    """
    return msgspec.convert(payload, bytes) if encoding == "base64" else payload.encode()
