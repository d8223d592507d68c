"""Arrays cut into chunks: only what changed since the last snapshot is written.

A snapshot holds named arrays. Each is cut into chunks of 256 kB; a chunk whose checksum is
that of the last committed snapshot is not written again. One that changed is written whole,
as a *base*; while it keeps changing, its *delta* against that base is written instead, until
the delta has grown to a quarter of a chunk: then a new base is written. So bases are replaced
one by one, those that change most most often. The manifest names every chunk and every delta
of all arrays with their checksums, so that a restore knows what it must find.

To find what changed, bases are remembered while their chunks keep changing (`Base`): at most
a quarter of what the arrays hold.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from streams.snapshots.deltas import apply_delta, encode_delta
from streams.snapshots.formats import WAY_BACK, Arrays, NewerFormatError

Kind = TypeVar("Kind")

CHUNK_BYTES: Final = 256 * 1024
DELTA_BYTES: Final = CHUNK_BYTES // 4  # of a delta; where it would be longer, a base is written
FORGET_AFTER: Final = 4  # captures without a change after which a base is remembered no longer
BASES_PART: Final = 4  # bases take at most one of so many parts of the arrays' bytes,
NO_SUM: Final = -1  # the checksum of no chunk
LEAST_BASE_BYTES: Final = 16 << 20  # or so many bytes

LAYOUT: Final = 2  # of the manifest itself; the arrays' format stands in it
READS: Final = (1, LAYOUT)  # 1: no deltas


class DamagedSnapshotError(Exception):
    """A snapshot that is not what its manifest says; starting from it would be guessing."""


class ArrayEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says of one array."""

    dtype: str  # numpy's, with byte order
    shape: tuple[int, ...]
    sums: tuple[int, ...]  # xxh3_64 of each chunk as it stands, in order
    deltas: dict[int, int] = {}  # chunk that is a base and a delta -> xxh3_64 of the delta


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds, as written last in its transaction."""

    format: int  # of the arrays
    epoch: int
    life: int
    offsets: dict[str, int]  # topic -> next offset to read; everything before it is inside
    arrays: dict[str, ArrayEntry]
    meta: dict[str, int | float | str] = {}


class Life(msgspec.Struct, frozen=True):
    """Who owned a partition last; written before its first row."""

    epoch: int
    life: int


_decode_manifest = msgspec.msgpack.Decoder(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    """A manifest as bytes that can be checked."""
    body = msgspec.msgpack.encode(manifest)
    return bytes([LAYOUT]) + xxhash.xxh3_64_digest(body) + body


def decode_manifest(raw: bytes) -> Manifest:
    """The manifest in `raw`.

    Raises:
        DamagedSnapshotError: it is not one, or not whole.
        NewerFormatError: it has a layout of a newer version.

    """
    layout, body = int.from_bytes(raw[:1]), raw[9:]
    if layout > LAYOUT:
        raise NewerFormatError(
            f"a manifest of layout {layout} was met, this version reads {READS}. {WAY_BACK}"
        )
    if layout not in READS:
        raise DamagedSnapshotError(f"what stands as the manifest has no layout of {READS}")
    if xxhash.xxh3_64_digest(body) != raw[1:9]:
        raise DamagedSnapshotError("the manifest's checksum is wrong")
    try:
        return _decode_manifest.decode(body)
    except msgspec.MsgspecError as error:
        raise DamagedSnapshotError(f"the manifest cannot be read: {error}") from error


def chunk_key(name: str, index: int) -> bytes:
    """The key of a chunk's base on the state topic, e.g. `a/touch_at/3`."""
    return f"a/{name}/{index}".encode()


def delta_key(name: str, index: int) -> bytes:
    """The key of a chunk's delta on the state topic, e.g. `d/touch_at/3`."""
    return f"d/{name}/{index}".encode()


class Base(NamedTuple):
    """A chunk as it was last written whole."""

    chunk: bytes
    unchanged: int  # captures since it changed


Bases = Mapping[bytes, Base]  # by key


@dataclass(frozen=True, slots=True)
class Capture:
    """The arrays of one moment: what must be written to make them the newest snapshot."""

    arrays: dict[str, ArrayEntry]
    changed: Mapping[bytes, bytes]  # key -> base or delta
    vanished: tuple[bytes, ...]  # keys of the last snapshot that are no more
    state_bytes: int  # of all arrays
    seconds: float = 0.0  # of a core, what it cost
    bases: Bases = field(default_factory=dict)  # to be remembered once it is written

    @property
    def changed_bytes(self) -> int:
        """Bytes to write, before compression."""
        return sum(map(len, self.changed.values()))


def capture(
    arrays: Arrays,
    last: Mapping[str, ArrayEntry],
    bases: Bases = MappingProxyType({}),
    *,
    whole: bool = False,
) -> Capture:
    """Capture the arrays as they are; only what differs from `last` is copied.

    The arrays must not change meanwhile, afterwards they may. O(bytes): 25 ms for the 300 MB
    of a million users, 0.12 s where all of it changed; `capturing` does it in steps.

    Args:
        arrays: by name.
        last: what the last snapshot's manifest says.
        bases: those remembered with it; any part of them will do, also none.
        whole: write no delta, so that nothing from before stays in a base.

    Raises:
        ValueError: an array is of objects or of structured rows, which are not plain bytes.

    """
    return run(capturing(arrays, last, bases, whole=whole))


Steps = Generator[None, None, Kind]  # whoever runs them may do something else between two


def run(steps: "Steps[Kind]") -> Kind:
    """What steps give that are done at once."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast("Kind", done.value)


def capturing(
    arrays: Arrays,
    last: Mapping[str, ArrayEntry],
    bases: Bases = MappingProxyType({}),
    *,
    whole: bool = False,
) -> "Steps[Capture]":
    """As `capture`, a chunk a step; the arrays must not change before the last one."""
    if whole:
        bases, last = {}, {name: _without_deltas(described) for name, described in last.items()}
    size = sum(array.nbytes for array in arrays.values())
    builder = _CaptureBuilder(bases, max(size // BASES_PART, LEAST_BASE_BYTES))
    described: dict[str, ArrayEntry] = {}
    for name, array in arrays.items():
        if array.dtype.hasobject or array.dtype.fields is not None:
            raise ValueError(f"{name}: arrays of {array.dtype} cannot be kept")
        described[name] = yield from builder.add(name, array, last.get(name))
    vanished = tuple(_vanished(last, described))
    return Capture(described, builder.changed, vanished, size, bases=builder.remembered)


def _without_deltas(described: ArrayEntry) -> ArrayEntry:
    """Let every chunk that has a delta look changed."""
    sums = [NO_SUM if i in described.deltas else one for i, one in enumerate(described.sums)]
    return msgspec.structs.replace(described, sums=tuple(sums))


class _CaptureBuilder:
    """A capture in the making."""

    def __init__(self, bases: Bases, limit: int) -> None:
        self.changed: dict[bytes, bytes] = {}
        self.remembered: dict[bytes, Base] = {}
        self._bases = bases
        self._spare_bytes = limit - sum(len(base.chunk) for base in bases.values())

    def add(self, name: str, array: NDArray[Any], before: ArrayEntry | None) -> "Steps[ArrayEntry]":
        """Capture one array, a chunk a step."""
        dtype = array.dtype.str
        if before is not None and before.dtype != dtype:
            before = None
        sums: list[int] = []
        deltas: dict[int, int] = {}
        for index, chunk in enumerate(_chunks_of(array)):
            sums.append(xxhash.xxh3_64_intdigest(chunk))
            if before is None or _differs(before, array, index, sums[-1]):
                delta = self._add_chunk(chunk_key(name, index), chunk, is_known=before is not None)
                if delta is not None:
                    self.changed[delta_key(name, index)] = delta
                    deltas[index] = xxhash.xxh3_64_intdigest(delta)
            else:
                self._keep_base(chunk_key(name, index))
                if index in before.deltas:
                    deltas[index] = before.deltas[index]
            yield
        return ArrayEntry(dtype, array.shape, tuple(sums), deltas)

    def _add_chunk(self, name: bytes, chunk: memoryview, *, is_known: bool) -> bytes | None:
        """Capture a chunk that changed: gives its delta, or None where it becomes a base."""
        base = self._bases.get(name)
        delta = None if base is None else encode_delta(base.chunk, chunk, DELTA_BYTES)
        if base is not None and delta is not None:
            self.remembered[name] = Base(base.chunk, 0)
            return delta
        whole = self.changed[name] = chunk.tobytes()
        spare_bytes = self._spare_bytes + (0 if base is None else len(base.chunk)) - len(whole)
        if is_known and spare_bytes >= 0:  # all of a new array would be much, and may never change
            self.remembered[name] = Base(whole, 0)
            self._spare_bytes = spare_bytes
        return None

    def _keep_base(self, name: bytes) -> None:
        """A chunk did not change; its base is remembered for some time."""
        base = self._bases.get(name)
        if base is not None and base.unchanged + 1 < FORGET_AFTER:
            self.remembered[name] = Base(base.chunk, base.unchanged + 1)


def _chunks_of(array: NDArray[Any]) -> Iterator[memoryview]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return (flat[at : at + CHUNK_BYTES] for at in range(0, len(flat), CHUNK_BYTES))


def _differs(before: ArrayEntry, array: NDArray[Any], index: int, now: int) -> bool:
    """Whether a chunk is another one than before: by its checksum, or its length at least."""
    if index >= len(before.sums) or before.sums[index] != now:
        return True
    was = np.dtype(before.dtype).itemsize * int(np.prod(before.shape, dtype=np.int64))
    start = index * CHUNK_BYTES
    return min(was - start, CHUNK_BYTES) != min(array.nbytes - start, CHUNK_BYTES)


def _vanished(last: Mapping[str, ArrayEntry], now: Mapping[str, ArrayEntry]) -> Iterator[bytes]:
    """The keys that the last manifest names and this one does not."""
    for name, was in last.items():
        stays = now.get(name, _NOTHING)
        yield from (chunk_key(name, i) for i in range(len(stays.sums), len(was.sums)))
        yield from (delta_key(name, i) for i in was.deltas if i not in stays.deltas)


_NOTHING: Final = ArrayEntry("", (), ())


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
            chunk = _restored_chunk(name, index, described, chunks)
            where = flat[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            if len(chunk) != len(where):
                raise DamagedSnapshotError(f"{name}: chunk {index} has another length")
            if xxhash.xxh3_64_intdigest(chunk) != expected:
                raise DamagedSnapshotError(f"{name}: the checksum of chunk {index} is wrong")
            where[:] = np.frombuffer(chunk, np.uint8)
        arrays[name] = array
    return arrays


def _restored_chunk(
    name: str, index: int, described: ArrayEntry, chunks: Mapping[bytes, bytes]
) -> memoryview:
    """One chunk, its delta applied where it has one."""
    base = chunks.get(chunk_key(name, index))
    if base is None:
        raise DamagedSnapshotError(f"{name}: chunk {index} is missing")
    expected = described.deltas.get(index)
    if expected is None:
        return memoryview(base)
    delta = chunks.get(delta_key(name, index))
    if delta is None or xxhash.xxh3_64_intdigest(delta) != expected:
        raise DamagedSnapshotError(f"{name}: the delta of chunk {index} is missing or damaged")
    return apply_delta(base, delta).data
