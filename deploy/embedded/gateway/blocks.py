"""ClickHouse's own compressed blocks: bodies with `decompress=1`, answers with `compress=1`.

    16 bytes  CityHash128 of all that follows
     1 byte   method: 0x82 LZ4, 0x90 ZSTD, 0x02 none
     4 bytes  length of these nine bytes and the data
     4 bytes  length of the data before it was compressed

clickhouse-go and the JDBC driver speak them; in them HTTP's own encodings are not used.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import lz4.block
import zstandard

from deploy.embedded.gateway.cityhash import cityhash128
from deploy.embedded.gateway.errors import Code, refusal

LARGEST: Final = 128 << 20  # bytes of a block, before and after; clickhouse-go's limit, too
PIECE: Final = 1 << 20  # bytes of an answer in one block, as a server cuts them
METHODS: Final = ("LZ4", "ZSTD", "NONE")  # values of network_compression_method
_SUM: Final = 16  # bytes of the checksum
_HEAD: Final = struct.Struct("<BII")  # method, length with this header, length decompressed
_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90


class BlockDecoder:
    """Turns the pieces of a body of blocks into what they were before."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterable[bytes]:
        """The data of each block that is complete.

        Raises:
            Refusal: a checksum or a length is wrong, or a method is not spoken.

        """
        self._bytes += piece
        while (size := self._size()) is not None and len(self._bytes) >= size:
            block = bytes(self._bytes[:size])
            del self._bytes[:size]
            yield _data(block)

    def done(self) -> None:
        """Say that there is no more.

        Raises:
            Refusal: the last block is not complete.

        """
        if self._bytes:
            raise refusal(Code.CANNOT_READ_ALL_DATA, "the last compressed block is cut off")

    def _size(self) -> int | None:
        """The length of the next block; None while its header is not there."""
        if len(self._bytes) < _SUM + _HEAD.size:
            return None
        _, compressed, plain = _HEAD.unpack_from(self._bytes, _SUM)
        if not _HEAD.size <= compressed <= LARGEST or plain > LARGEST:
            raise refusal(Code.CANNOT_DECOMPRESS, "this is no compressed block, or too big")
        return _SUM + int(compressed)


def _data(block: bytes) -> bytes:
    """The data of a block."""
    if cityhash128(block[_SUM:]) != block[:_SUM]:
        raise refusal(Code.CHECKSUM_DOESNT_MATCH, "the checksum of a compressed block is wrong")
    method, _, size = _HEAD.unpack_from(block, _SUM)
    decompress = _DECOMPRESS.get(method)
    if decompress is None:
        raise refusal(Code.UNKNOWN_COMPRESSION_METHOD, f"compression {method:#x} is not spoken")
    try:
        data = decompress(block[_SUM + _HEAD.size :], size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, ValueError) as error:
        raise refusal(Code.CANNOT_DECOMPRESS, f"a compressed block is broken: {error}") from error
    if len(data) != size:
        raise refusal(Code.CANNOT_DECOMPRESS, "a compressed block is not as long as it says")
    return data


def _from_lz4(data: bytes, size: int) -> bytes:
    return bytes(lz4.block.decompress(data, uncompressed_size=size))


def _from_zstd(data: bytes, size: int) -> bytes:
    told = zstandard.get_frame_parameters(data).content_size
    if told not in {size, zstandard.CONTENTSIZE_UNKNOWN}:
        raise ValueError("another length in its frame")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)


_DECOMPRESS: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    _NONE: lambda data, _: data,
    _LZ4: _from_lz4,
    _ZSTD: _from_zstd,
}


class BlockEncoder:
    """Turns the pieces of an answer into blocks."""

    def __init__(self, method: str) -> None:
        """Take one of `METHODS`."""
        self._method, self._compress = _COMPRESS[method]

    def compress(self, data: bytes, /) -> bytes:
        """The blocks of a piece; none for no bytes."""
        return b"".join(self._blocks(data))

    def flush(self) -> bytes:
        """The last bytes: none, every block is complete."""
        return b""

    def _blocks(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PIECE):
            plain = data[at : at + PIECE]
            packed = self._compress(plain)
            told = _HEAD.pack(self._method, len(packed) + _HEAD.size, len(plain)) + packed
            yield cityhash128(told) + told


_COMPRESS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "LZ4": (_LZ4, lambda data: bytes(lz4.block.compress(data, store_size=False))),
    "ZSTD": (_ZSTD, lambda data: zstandard.ZstdCompressor(level=1).compress(data)),
    "NONE": (_NONE, bytes),
}
