"""The body of a request: decoded piece by piece, under one cap, with bounded patience."""

import asyncio

from aiohttp import BodyPartReader, StreamReader, web

from deploy.embedded.gateway.blocks import BlockDecoder
from deploy.embedded.gateway.encodings import Decoder
from deploy.embedded.gateway.errors import Code, refusal

PATIENCE = 30.0  # seconds without a byte until a body is given up; a server's receive timeout
_PART = 64 * 1024  # bytes of a form read at once


class Body:
    """What a client sends, as it was before it was compressed."""

    def __init__(
        self, content: StreamReader, encoding: str, cap: int, *, in_blocks: bool = False
    ) -> None:
        """Take the stream, its Content-Encoding, and the most bytes it may have when decoded.

        In blocks it is ClickHouse's own compression, inside any Content-Encoding.

        Raises:
            Refusal: an unknown encoding.

        """
        self._content = content
        self._decoder = Decoder(encoding)
        self._blocks = BlockDecoder() if in_blocks else None
        self._cap = cap
        self._ready = bytearray()
        self._ended = False
        self.received = 0  # bytes on the wire
        self._decoded = 0

    async def read(self, size: int) -> bytes:
        """The next bytes: as many as asked for, fewer only at the end, none after it.

        Raises:
            Refusal: broken or cut off, over the cap, or too slow.

        """
        while len(self._ready) < size and not self._ended:
            await self._more()
        piece = bytes(self._ready[:size])
        del self._ready[:size]
        return piece

    async def rest(self) -> bytes:
        """Everything that is left."""
        return await self.read(self._cap)

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                piece = await self._content.readany()
        except TimeoutError as error:
            why = f"the body stood still for {PATIENCE:g} seconds"
            raise refusal(Code.SOCKET_TIMEOUT, why) from error
        if not piece:
            self._decoder.done()
            if self._blocks is not None:
                self._blocks.done()
            self._ended = True
            return
        self.received += len(piece)
        for decoded in self._decoder.feed(piece):
            if self._blocks is None:
                self._keep(decoded)
            else:
                await asyncio.to_thread(self._unpack, self._blocks, decoded)

    def _unpack(self, blocks: BlockDecoder, piece: bytes) -> None:
        """Keep the data of the blocks that are complete; a checksum takes long."""
        for data in blocks.feed(piece):
            self._keep(data)

    def _keep(self, decoded: bytes) -> None:
        self._decoded += len(decoded)
        check(self._decoded, self._cap)
        self._ready += decoded


async def form(request: web.Request, cap: int) -> tuple[bytes, dict[str, str]]:
    """The statement and the query parameters of a multipart form.

    Raises:
        Refusal: external data, an unknown field, or more bytes than the cap.

    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await _form(request, cap)
    except TimeoutError as error:
        raise refusal(Code.SOCKET_TIMEOUT, "the form takes too long") from error
    except ValueError as error:
        raise refusal(Code.BAD_ARGUMENTS, "this is not a form") from error


async def _form(request: web.Request, cap: int) -> tuple[bytes, dict[str, str]]:
    query, params, size = b"", {}, 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise refusal(Code.BAD_ARGUMENTS, "a part of the form has no name")
        value = bytearray()
        while piece := await part.read_chunk(_PART):
            size += len(piece)
            check(size, cap)
            value += piece
        if part.name == "query":
            query = bytes(value)
        elif part.name.startswith("param_"):
            params[part.name.removeprefix("param_")] = value.decode(errors="replace")
        else:
            raise refusal(Code.NOT_IMPLEMENTED, f"external data ({part.name}) is not supported")
    return query, params


def check(size: int, cap: int) -> None:
    """Stop what is too big.

    Raises:
        Refusal: more bytes than the cap.

    """
    if size > cap:
        raise refusal(Code.TOO_MANY_BYTES, f"the body is bigger than {cap} bytes")
