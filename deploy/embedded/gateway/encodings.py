"""Compressed bodies, both ways, piece by piece: lz4, zstd, gzip, deflate.

Clients send one frame per block, one after another. A decoder that stops after the first frame
would write a part of the rows and report success, so these go on until the last byte.
"""

import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

import lz4.frame
import zstandard

from deploy.embedded.gateway.blocks import BlockEncoder
from deploy.embedded.gateway.errors import Code, refusal

STEP = 4096  # bytes decoded at once: one step grows to 128 MiB at the very most, then caps apply


class _Frame(Protocol):
    """One frame being decoded, as lz4, zstandard and zlib have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_FRAMES: dict[str, Callable[[], _Frame]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(15),
}
_BROKEN = (RuntimeError, EOFError, zlib.error, zstandard.ZstdError)  # lz4 raises the first two


class Decoder:
    """Turns the pieces of a body into what they were before they were compressed."""

    def __init__(self, encoding: str) -> None:
        """Take the value of Content-Encoding; "" and "identity" mean none.

        Raises:
            Refusal: an encoding nobody here speaks.

        """
        self._encoding = encoding
        self._open: Callable[[], _Frame] | None = None
        if encoding not in {"", "identity"}:
            self._open = _FRAMES.get(encoding)
            if self._open is None:
                raise refusal(Code.NOT_IMPLEMENTED, f"Content-Encoding {encoding} is not spoken")
        self._frame: _Frame | None = None

    def feed(self, piece: bytes) -> Iterable[bytes]:
        """The decoded bytes of a piece, in steps, so that a cap can stop them.

        Raises:
            Refusal: these bytes are no such frame.

        """
        if self._open is None:
            yield piece
            return
        for at in range(0, len(piece), STEP):
            yield self._step(self._open, piece[at : at + STEP])

    def _step(self, new: Callable[[], _Frame], rest: bytes) -> bytes:
        out = []
        while rest:
            self._frame = self._frame or new()
            try:
                out.append(self._frame.decompress(rest))
            except _BROKEN as error:
                why = f"this is not {self._encoding}: {error}"
                raise refusal(Code.CANNOT_READ_ALL_DATA, why) from error
            rest = b""
            if self._frame.eof:
                rest = self._frame.unused_data or b""
                self._frame = None
        return b"".join(out)

    def done(self) -> None:
        """Say that there is no more.

        Raises:
            Refusal: the last frame is not complete.

        """
        if self._frame is not None:
            raise refusal(Code.CANNOT_READ_ALL_DATA, f"the {self._encoding} body is cut off")


class _Stream(Protocol):
    """A running compression, as zstandard and zlib have it."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Lz4:
    """The same for lz4, whose frame has to be begun."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, data: bytes, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._frame.flush())


class _Plain:
    """No compression."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


_STREAMS: dict[str, Callable[[], _Stream]] = {  # the first one a client accepts is taken
    "lz4": _Lz4,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(1, zlib.DEFLATED, 31),
    "deflate": lambda: zlib.compressobj(1, zlib.DEFLATED, 15),
}


class Encoder:
    """Compresses an answer: into blocks if its client asks for them, then with the best encoding.

    >>> Encoder("gzip, lz4").name, Encoder("br").name
    ('lz4', '')
    """

    def __init__(self, accepted: str, blocks: str = "") -> None:
        """Take the value of Accept-Encoding, and the method of ClickHouse's own blocks."""
        names = {name.split(";")[0].strip() for name in accepted.split(",")}
        self.name = next((name for name in _STREAMS if name in names), "")
        self.is_plain = not (self.name or blocks)
        self._blocks: _Stream = BlockEncoder(blocks) if blocks else _Plain()
        self._stream = _STREAMS.get(self.name, _Plain)()

    def push(self, piece: bytes) -> bytes:
        """Compress a piece; what comes out may be empty."""
        return self._stream.compress(self._blocks.compress(piece))

    def end(self) -> bytes:
        """The last bytes."""
        return self._stream.flush()
