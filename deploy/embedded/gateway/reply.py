"""The way out: headers, pieces, and an error that comes after the first byte."""

import json
import secrets
import string
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from deploy.embedded.gateway.answer import Answer
from deploy.embedded.gateway.encodings import Encoder
from deploy.embedded.gateway.errors import Refusal

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
    accepted: str,
    headers: dict[str, str],
    following: Callable[[], Awaitable[bytes | None]],
) -> web.StreamResponse:
    """Send an answer; `following` gives the next piece of one that is longer, then None.

    Raises:
        ConnectionError: the client has gone.

    """
    encoder = Encoder(accepted if any(found.pieces) else "")
    if found.format is not None:
        headers["X-ClickHouse-Format"] = found.format
        headers["Content-Type"] = _TYPES.get(found.format.lower(), _TEXT)
    if encoder.name:
        headers["Content-Encoding"] = encoder.name
    first = b"".join(encoder.push(piece) for piece in found.pieces)
    if found.more is None:
        return web.Response(body=first + encoder.end(), headers=headers)
    tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
    headers["X-ClickHouse-Exception-Tag"] = tag
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(first)
    try:
        while (piece := await following()) is not None:
            await response.write(encoder.push(piece))
    except Refusal as refused:
        await response.write(encoder.push(trailer(tag, refused.text)))
    await response.write(encoder.end())
    await response.write_eof()
    return response


def trailer(tag: str, text: str) -> bytes:
    """An error behind rows that were already sent, as clients look for it."""
    message = text.encode() + b"\n"
    ends = f"{len(message)} {tag}\r\n__exception__\r\n".encode()
    return b"\r\n__exception__\r\n" + f"{tag}\r\n".encode() + message + ends
