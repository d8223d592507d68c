"""The way out: headers, pieces, and an error that comes after the first byte."""

import asyncio
import json
import secrets
import string
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web

from deploy.embedded.gateway.answer import Answer
from deploy.embedded.gateway.encodings import Encoder
from deploy.embedded.gateway.engine import Chunks
from deploy.embedded.gateway.errors import Refusal

PATIENCE = 300.0  # seconds a client may take to read a piece until it is given up
_TEXT = "text/tab-separated-values; charset=UTF-8"
_TYPES = {
    "csv": "text/csv; charset=UTF-8",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
}


def summary(seconds: float, counts: Mapping[str, int]) -> str:
    """The value of X-ClickHouse-Summary: numbers as strings, as a server writes them."""
    zero = {"read_rows": 0, "read_bytes": 0, "written_rows": 0, "written_bytes": 0}
    told = {**zero, **counts, "elapsed_ns": int(seconds * 1e9)}
    return json.dumps({name: str(value) for name, value in told.items()})


async def send(
    request: web.Request,
    found: Answer,
    encoder: Encoder,
    headers: dict[str, str],
    run: Callable[[Callable[[], bytes | None]], Awaitable[bytes | None]],
) -> web.StreamResponse:
    """Send an answer; `run` lets a thread do what blocks, compression included.

    Raises:
        ConnectionError: the client has gone, or has read nothing for too long.

    """
    if found.format is not None:
        headers["X-ClickHouse-Format"] = found.format
        headers["Content-Type"] = _TYPES.get(found.format.lower(), _TEXT)
    if encoder.name:
        headers["Content-Encoding"] = encoder.name
    begin = partial(_first, found, encoder)
    first = begin() if encoder.is_plain else await run(begin)
    if found.more is None:
        return web.Response(body=first, headers=headers)
    tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
    headers["X-ClickHouse-Exception-Tag"] = tag
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    piece = first
    while piece is not None:
        await _write(request, response, piece)
        piece = await run(partial(_next, found.more, encoder, tag, found))
    await _write(request, response, encoder.end())
    await response.write_eof()
    return response


def _first(found: Answer, encoder: Encoder) -> bytes:
    """The pieces there are; all of the answer, if no more is to come."""
    out = b"".join(encoder.push(piece) for piece in found.pieces)
    return out if found.more is not None else out + encoder.end()


def _next(more: Chunks, encoder: Encoder, tag: str, found: Answer) -> bytes | None:
    """The next piece, which may be the error that ends them."""
    if found.failed:
        return None
    try:
        piece = more.next()
    except Refusal as refused:
        found.failed = refused.code
        return encoder.push(trailer(tag, refused.text))
    return None if piece is None else encoder.push(piece)


async def _write(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Write a piece; a client that does not read is cut off."""
    try:
        async with asyncio.timeout(PATIENCE):
            if piece:
                await response.write(piece)
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError from error


def trailer(tag: str, text: str) -> bytes:
    """An error behind rows that were already sent, as clients look for it."""
    message = text.encode() + b"\n"
    ends = f"{len(message)} {tag}\r\n__exception__\r\n".encode()
    return b"\r\n__exception__\r\n" + f"{tag}\r\n".encode() + message + ends
