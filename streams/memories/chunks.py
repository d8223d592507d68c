"""Arrays cut into chunks: only what changed since the last snapshot is written.

A memory is a handful of named arrays. Each is cut into pieces of 256 kB; a piece whose
checksum is that of the last committed snapshot is not written again. The manifest names
all pieces of all arrays with their checksums, so that a restore knows what it must find.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

CHUNK_BYTES: Final = 256 * 1024
CONTAINER: Final = b"\x01"  # of the manifest's own layout; the memory's format lies inside

Arrays = Mapping[str, NDArray[Any]]


class DamagedSnapshotError(Exception):
    """A snapshot that is not what its manifest says; starting from it would be guessing."""


class Described(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says of one array."""

    dtype: str  # numpy's, with byte order
    shape: tuple[int, ...]
    sums: tuple[int, ...]  # xxh3_64 of each chunk, in order


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds, as written last in its transaction."""

    format: int  # of the memory's arrays
    epoch: int
    life: int
    offsets: dict[str, int]  # topic -> next offset to read; everything before it is inside
    arrays: dict[str, Described]
    meta: dict[str, int | float | str] = {}


class Life(msgspec.Struct, frozen=True):
    """Who has owned a partition last; written before its first statement."""

    epoch: int
    life: int


_decode_manifest = msgspec.msgpack.Decoder(Manifest)


def seal(manifest: Manifest) -> bytes:
    """A manifest as bytes that can be checked."""
    body = msgspec.msgpack.encode(manifest)
    return CONTAINER + xxhash.xxh3_64_digest(body) + body


def unseal(raw: bytes) -> Manifest:
    """The manifest in `raw`.

    Raises:
        DamagedSnapshotError: it is not one, or not whole, or of a newer layout.

    """
    if raw[:1] != CONTAINER:
        raise DamagedSnapshotError(f"a manifest of layout {raw[:1].hex()} was met, not 01")
    body = raw[9:]
    if xxhash.xxh3_64_digest(body) != raw[1:9]:
        raise DamagedSnapshotError("the manifest's checksum is wrong")
    try:
        return _decode_manifest.decode(body)
    except msgspec.MsgspecError as error:
        raise DamagedSnapshotError(f"the manifest cannot be read: {error}") from error


def key(name: str, index: int) -> bytes:
    """The key of a chunk on the state topic, e.g. `a/touch_at/3`."""
    return f"a/{name}/{index}".encode()


@dataclass(frozen=True, slots=True)
class Capture:
    """One moment of a memory: what must be written to make it the newest snapshot."""

    arrays: dict[str, Described]
    changed: Mapping[bytes, bytes]  # key -> the chunk as it stood
    vanished: tuple[bytes, ...]  # keys of the last snapshot that are no more
    size: int  # bytes of all arrays
    seconds: float = 0.0  # what taking it cost

    @property
    def changed_bytes(self) -> int:
        """Bytes to write, before compression."""
        return sum(map(len, self.changed.values()))


def capture(arrays: Arrays, last: Mapping[str, Described]) -> Capture:
    """Take the arrays as they stand; only chunks that differ from `last` are copied.

    The arrays must not change meanwhile, afterwards they may. O(bytes), some 10 ms for
    100 MB, twice that where all of it changed; may run in another thread.

    Raises:
        ValueError: an array is of objects or of structured rows, which are not plain bytes.

    """
    described: dict[str, Described] = {}
    changed: dict[bytes, bytes] = {}
    size = 0
    for name, array in arrays.items():
        if array.dtype.hasobject or array.dtype.fields is not None:
            raise ValueError(f"{name}: arrays of {array.dtype} cannot be kept")
        before = last.get(name)
        known = before.sums if before is not None and before.dtype == array.dtype.str else ()
        sums = []
        for index, chunk in enumerate(_cut(array)):
            sums.append(xxhash.xxh3_64_intdigest(chunk))
            if index >= len(known) or known[index] != sums[-1] or _grew(before, array, index):
                changed[key(name, index)] = chunk.tobytes()
        described[name] = Described(array.dtype.str, array.shape, tuple(sums))
        size += array.nbytes
    return Capture(described, changed, tuple(_vanished(last, described)), size)


def _cut(array: NDArray[Any]) -> Iterator[memoryview]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return (flat[at : at + CHUNK_BYTES] for at in range(0, len(flat), CHUNK_BYTES))


def _grew(before: Described | None, array: NDArray[Any], index: int) -> bool:
    """Whether a chunk has another length than before, whatever its checksum says."""
    if before is None:
        return True
    was = np.dtype(before.dtype).itemsize * int(np.prod(before.shape, dtype=np.int64))
    start = index * CHUNK_BYTES
    return min(was - start, CHUNK_BYTES) != min(array.nbytes - start, CHUNK_BYTES)


def _vanished(last: Mapping[str, Described], now: Mapping[str, Described]) -> Iterator[bytes]:
    for name, before in last.items():
        left = len(now[name].sums) if name in now else 0
        yield from (key(name, index) for index in range(left, len(before.sums)))


def assemble(manifest: Manifest, chunks: Mapping[bytes, bytes]) -> dict[str, NDArray[Any]]:
    """The arrays of a snapshot, each chunk checked; they own their memory and are writable.

    Raises:
        DamagedSnapshotError: a chunk is missing or not what the manifest says.

    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, described in manifest.arrays.items():
        array = np.empty(described.shape, np.dtype(described.dtype))
        flat = array.reshape(-1).view(np.uint8)
        for index, expected in enumerate(described.sums):
            chunk = chunks.get(key(name, index))
            where = flat[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            if chunk is None or len(chunk) != len(where):
                raise DamagedSnapshotError(f"{name}: chunk {index} is missing or cut short")
            if xxhash.xxh3_64_intdigest(chunk) != expected:
                raise DamagedSnapshotError(f"{name}: the checksum of chunk {index} is wrong")
            where[:] = np.frombuffer(chunk, np.uint8)
        arrays[name] = array
    return arrays
