"""The answer to a statement, before it is sent. Everything here blocks and runs in a thread."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.embedded.gateway import native
from deploy.embedded.gateway.ask import Ask
from deploy.embedded.gateway.engine import Chunks, Handle
from deploy.embedded.gateway.errors import Refusal
from deploy.embedded.gateway.statement import formatted, opening
from deploy.embedded.gateway.turn import Turn

# Formats whose pieces can be put one behind the other: they have no head and no tail.
STREAMED = frozenset(
    {
        "csv", "jsoneachrow", "jsoncompacteachrow", "jsonlines", "native", "ndjson", "rowbinary",
        "tabseparated", "tabseparatedraw", "tsv", "tsvraw",
    }
)  # fmt: skip
_STREAMABLE = ("SELECT", "WITH", "FROM")
_HELLO = re.compile(
    r"\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)"
    r"\s*(?:FORMAT\s+Native)?\s*;?\s*",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Answer:
    """What goes out: the pieces there are, and perhaps more to come."""

    format: str | None  # None when the statement has no result
    pieces: list[bytes]
    more: Chunks | None = None
    summary: dict[str, int] = field(default_factory=dict)
    failed: int = 0  # code of the error that came after the first byte


def answer(turn: Turn, text: bytes, asked: Ask, *, by_get: bool) -> Answer:
    """Run a statement without rows behind it, up to its first pieces.

    Raises:
        Refusal: it is not allowed, or it failed before the second piece.

    """
    handle = turn.begin()
    verdict = turn.check(text, by_get=by_get)
    named, bare = formatted(text)
    form = named or asked.format
    if verdict.reads_only and not asked.whole and _streams(text, form):
        return _streamed(handle, text, bare, form, asked.params)
    result = handle.run(text, form, asked.params)
    data = result.data
    if not data and verdict.reads_only and form.lower() == "native":
        data = _empty(handle, bare, asked.params)
    shown = form if data or verdict.reads_only else None
    counts = {"read_rows": result.rows, "read_bytes": result.bytes}
    return Answer(shown, [data], None, {**counts, "result_rows": result.result_rows})


def is_hello(text: bytes) -> bool:
    """Whether this is clickhouse-go's first question."""
    return _HELLO.fullmatch(text.decode("latin-1")) is not None


def _streams(text: bytes, form: str) -> bool:
    return form.lower() in STREAMED and opening(text).word in _STREAMABLE


def _streamed(
    handle: Handle, sql: bytes, bare: bytes, form: str, params: Mapping[str, str]
) -> Answer:
    """Read two pieces ahead: a small answer is complete, an early error gets its own status."""
    chunks = handle.stream(sql, form, params)
    pieces: list[bytes] = []
    while len(pieces) < 2 and (piece := chunks.next()) is not None:  # noqa: PLR2004  # see above
        pieces.append(piece)
    if pieces:
        return Answer(form, pieces, chunks if len(pieces) > 1 else None)
    empty = _empty(handle, bare, params) if form.lower() == "native" else b""
    return Answer(form, [empty])


def _empty(handle: Handle, bare: bytes, params: Mapping[str, str]) -> bytes:
    """The Native header of an empty result, which the engine leaves out and clients need."""
    query = bare.rstrip(b"; \t\r\n")
    try:
        described = handle.run(b"DESCRIBE TABLE (" + query + b"\n)", "JSONCompact", params)
        columns = [(row[0], row[1]) for row in json.loads(described.data)["data"]]
    except Refusal:  # SHOW and its like cannot be described; run again they name their columns
        named = handle.run(query, "JSONCompact", params)
        columns = [(one["name"], one["type"]) for one in json.loads(named.data)["meta"]]
    return native.header(columns)
