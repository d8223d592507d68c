"""Dead letters for a person: which there are, what one holds, and the way back for the mended.

A letter is a row of `dead_letter` and a record of `kol-dead-letters`: the row says where and
why, the record keeps the bytes. Putting back is at least once: the events' own ids make a
second copy a `duplicate`. A letter that was put back is marked once Kafka has its bytes; the
mark's version lies above every worker's, so a replay that says the letter again says nothing
new.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.doors import Door, RejectReason
from streams.clients.clickhouse import query
from streams.errors import ExpectedError

REASONS: Final = (*(reason.label for reason in RejectReason), Door.TOO_LATE.label, "refused")
NEW, INPUT = "new", "input"
SHOWN: Final = 8_000  # bytes or characters, to a person


class LetterError(ExpectedError):
    """A letter that is not there, or a choice of letters that makes no sense."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that could not be taken, or one row that could not be written."""

    topic: str  # empty for a row
    partition: int
    offset: int
    target: str  # `input`, or the table
    at: int  # record time, milliseconds since the epoch
    time: str  # the same for a person, UTC
    reason: str
    error: str
    state: str

    @property
    def id(self) -> str:
        """How `kol dlq` names it."""
        return f"{self.topic or self.target}/{self.partition}/{self.offset}"

    def as_dict(self) -> dict[str, Any]:
        """All of it, for a machine."""
        names = ("topic", "partition", "offset", "target", "time", "reason", "error", "state")
        return {"id": self.id} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters; what is empty does not choose."""

    reasons: Sequence[str] = ()
    topics: Sequence[str] = ()
    ids: Sequence[str] = ()
    states: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        reasons: Iterable[str] = (),
        topics: Iterable[str] = (),
        ids: Iterable[str] = (),
        states: Iterable[str] = (),
    ) -> Self:
        """A choice as a person types it.

        Raises:
            LetterError: no such reason, or no id.

        """
        chosen = cls(tuple(reasons), tuple(topics), tuple(ids), tuple(states))
        for reason in chosen.reasons:
            if reason not in REASONS:
                raise LetterError(f"no reason {reason!r}: one of {', '.join(REASONS)}")
        for one in chosen.ids:
            place(one)
        return chosen

    @property
    def sql(self) -> str:
        """The condition; see `parameters`."""
        parts = ["1"]
        if self.reasons:
            parts.append("reason IN {reasons:Array(String)}")
        if self.topics:
            parts.append("topic IN {topics:Array(String)}")
        if self.states:
            parts.append("state IN {states:Array(String)}")
        if self.ids:
            parts.append(
                "concat(if(topic = '', target, topic), '/', toString(partition), '/',"
                " toString(offset)) IN {ids:Array(String)}"
            )
        return " AND ".join(parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the condition."""
        given = {"reasons": self.reasons, "topics": self.topics, "states": self.states}
        return {name: list(value) for name, value in given.items()} | {"ids": list(self.ids)}


def place(letter: str) -> tuple[str, int, int]:
    """Topic, partition and offset of an id.

    >>> place("purchases/3/17")
    ('purchases', 3, 17)

    Raises:
        LetterError: it is none.

    """
    parts = letter.split("/")
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():  # noqa: PLR2004  # of a place
        return parts[0], int(parts[1]), int(parts[2])
    raise LetterError(f"no letter {letter!r}: TOPIC/PARTITION/OFFSET, as `kol dlq list` says")


# ---------------------------------------------------------------- what there is


def groups(client: Client, choice: Choice) -> list[dict[str, Any]]:
    """Letters by topic, reason and state: how many, and when the newest came."""
    return query(
        client,
        "SELECT topic, target, reason, state, count() AS letters, toString(max(at)) AS newest"  # noqa: S608  # a condition of ours
        f" FROM v_dead_letter WHERE {choice.sql}"
        " GROUP BY topic, target, reason, state ORDER BY letters DESC, topic, reason, state",
        choice.parameters,
    )


def letters(client: Client, choice: Choice, most: int, *, newest: bool = True) -> list[Letter]:
    """The letters chosen, without what they hold; at most so many, the newest or oldest ones."""
    order = "DESC" if newest else "ASC"
    found = query(
        client,
        "SELECT topic, partition, offset, target, toUnixTimestamp64Milli(v_dead_letter.at) AS at,"  # noqa: S608  # as above
        " toString(v_dead_letter.at) AS time, reason, error, state"
        f" FROM v_dead_letter WHERE {choice.sql}"
        f" ORDER BY v_dead_letter.at {order}, topic, partition, offset LIMIT {most}",
        choice.parameters,
    )
    return [Letter(**{**row, "at": int(row["at"]), "offset": int(row["offset"])}) for row in found]


def opened(client: Client, letter: str) -> tuple[Letter, bytes]:
    """One letter and its bytes, from the rows of record.

    Raises:
        LetterError: there is none of that id.

    """
    choice = Choice.of(ids=[letter])
    found = letters(client, choice, 1)
    if not found:
        raise LetterError(f"no letter {letter}: `kol dlq list` says which there are")
    told = query(
        client,
        "SELECT encoding, payload FROM v_dead_letter"  # noqa: S608  # as above
        f" WHERE {choice.sql} ORDER BY v_dead_letter.at DESC LIMIT 1",
        choice.parameters,
    )[0]
    payload = str(told["payload"])
    if told["encoding"] == "base64":
        return found[0], msgspec.convert(payload, bytes)
    return found[0], payload.encode()


def readable(raw: bytes, most: int = SHOWN) -> str:
    r"""What a letter holds, for a person: JSON laid out, text as it is, other bytes as a dump.

    >>> print(readable(b'{"a":1}'))
    {
      "a": 1
    }
    >>> print(readable(b"\xffkol"))
    00000000  ff 6b 6f 6c                                      .kol
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "\n".join(_dumped(raw[:most])) + _rest(len(raw) - most, "bytes")
    with suppress(ValueError, RecursionError):
        text = msgspec.json.format(raw, indent=2).decode()
    safe = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text[:most])
    return safe + _rest(len(text) - most, "characters")


def _rest(count: int, what: str) -> str:
    return f"\n… and {count:,} {what} more: --json has all" if count > 0 else ""


def _dumped(raw: bytes, width: int = 16) -> Iterable[str]:
    for at in range(0, len(raw), width):
        part = raw[at : at + width]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)  # noqa: PLR2004  # ASCII
        yield f"{at:08x}  {part.hex(' '):<{3 * width}} {seen}"
