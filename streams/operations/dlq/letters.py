"""Finding dead letters, and showing what one holds.

A letter is a row of `dead_letter` and a record of `kol-dead-letters`: the row names its place
and the reason, the record keeps the bytes. A retry delivers at least once: the events' own ids
make a second copy a `duplicate`. A letter is marked as retried once Kafka has its bytes; the
mark's version is above every worker's, so a replay that writes the letter again changes nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.letters import FIELDS, REASONS, Letter, decoded
from streams.clients.clickhouse import query
from streams.errors import ExpectedError

MAX_SHOWN: Final = 8_000  # bytes or characters, to a person


class LetterError(ExpectedError):
    """No such letter, or a selection that is not valid."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters; an empty field selects by nothing."""

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
        """A selection as typed on a command line.

        Raises:
            LetterError: no such reason, or no id.

        """
        chosen = cls(tuple(reasons), tuple(topics), tuple(ids), tuple(states))
        for reason in chosen.reasons:
            if reason not in REASONS:
                raise LetterError(f"no reason {reason!r}: one of {', '.join(REASONS)}")
        for one in chosen.ids:
            parse_id(one)
        return chosen

    @property
    def sql(self) -> str:
        """The condition, for a WHERE; its values are `parameters`."""
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


def parse_id(letter: str) -> tuple[str, int, int]:
    """Topic, partition and offset of an id.

    >>> parse_id("purchases/3/17")
    ('purchases', 3, 17)

    Raises:
        LetterError: it is none.

    """
    parts = letter.split("/")
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():  # noqa: PLR2004  # of a place
        return parts[0], int(parts[1]), int(parts[2])
    raise LetterError(f"no letter {letter!r}: TOPIC/PARTITION/OFFSET, as `kol dlq list` says")


# ---------------------------------------------------------------- what there is


def count_by_reason(client: Client, selection: Selection) -> list[dict[str, Any]]:
    """How many letters each topic, reason and state has, and the time of the newest."""
    return query(
        client,
        "SELECT topic, target, reason, state, count() AS letters, toString(max(at)) AS newest"  # noqa: S608  # a condition of ours
        f" FROM v_dead_letter WHERE {selection.sql}"
        " GROUP BY topic, target, reason, state ORDER BY letters DESC, topic, reason, state",
        selection.parameters,
    )


def find_letters(
    client: Client, selection: Selection, limit: int, *, newest: bool = True
) -> list[Letter]:
    """At most `limit` of the selected letters, the newest or the oldest first; without bytes."""
    order = "DESC" if newest else "ASC"
    found = query(
        client,
        f"SELECT {FIELDS} FROM v_dead_letter WHERE {selection.sql}"  # noqa: S608  # as above
        f" ORDER BY at {order}, topic, partition, offset LIMIT {limit}",
        selection.parameters,
    )
    return [Letter.read(row) for row in found]


def letter_with_bytes(client: Client, letter: str) -> tuple[Letter, bytes]:
    """One letter and its bytes, from `v_dead_letter`.

    Raises:
        LetterError: there is none of that id.

    """
    selection = Selection.of(ids=[letter])
    found = find_letters(client, selection, 1)
    if not found:
        raise LetterError(f"no letter {letter}: `kol dlq list` says which there are")
    row = query(
        client,
        "SELECT encoding, payload FROM v_dead_letter"  # noqa: S608  # as above
        f" WHERE {selection.sql} ORDER BY at DESC LIMIT 1",
        selection.parameters,
    )[0]
    return found[0], decoded(row["encoding"], row["payload"])


def as_text(raw: bytes, most: int = MAX_SHOWN) -> str:
    r"""The bytes of a letter as text: JSON indented, other text as it is, or a hex dump.

    >>> print(as_text(b'{"a":1}'))
    {
      "a": 1
    }
    >>> print(as_text(b"\xffkol"))
    00000000  ff 6b 6f 6c                                      .kol
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "\n".join(_hex_dump(raw[:most])) + _omitted(len(raw) - most, "bytes")
    with suppress(ValueError, RecursionError):
        text = msgspec.json.format(raw, indent=2).decode()
    safe = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text[:most])
    return safe + _omitted(len(text) - most, "characters")


def _omitted(count: int, what: str) -> str:
    return f"\n… and {count:,} {what} more: --json has all" if count > 0 else ""


def _hex_dump(raw: bytes, width: int = 16) -> Iterable[str]:
    for at in range(0, len(raw), width):
        part = raw[at : at + width]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)  # noqa: PLR2004  # ASCII
        yield f"{at:08x}  {part.hex(' '):<{3 * width}} {seen}"
