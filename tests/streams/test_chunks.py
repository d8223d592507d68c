"""Arrays in chunks: what is written is what changed, and what is put together is what was."""

from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.memories.chunks import (
    CHUNK_BYTES,
    Arrays,
    Capture,
    DamagedSnapshotError,
    Described,
    Manifest,
    assemble,
    capture,
    key,
    seal,
    unseal,
)

ROWS = CHUNK_BYTES // 8  # of int64 in one chunk


def manifest(described: dict[str, Described]) -> Manifest:
    return Manifest(1, 0, 1, {}, described)


class Topic:
    """The newest value of each key, as a compacted topic keeps it."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.described: dict[str, Described] = {}

    def write(self, arrays: Arrays) -> Capture:
        taken = capture(arrays, self.described)
        self.values.update(taken.changed)
        for gone in taken.vanished:
            del self.values[gone]
        self.described = taken.arrays
        return taken

    def read(self) -> dict[str, NDArray[Any]]:
        return assemble(manifest(self.described), self.values)


arrays = st.dictionaries(
    st.sampled_from(["touch_at", "user", "seen"]),
    st.builds(
        lambda rows, dtype, seed: np.random.default_rng(seed).integers(0, 100, rows).astype(dtype),
        st.sampled_from([0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS]),
        st.sampled_from(["int64", "uint8", "float32", "bool", "datetime64[ms]"]),
        st.integers(0, 3),
    ),
)


def equal(a: Arrays, b: Arrays) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name]) for name in a
    )


@given(st.lists(arrays, min_size=1, max_size=4))
def test_after_any_history_the_newest_arrays_are_put_together(history: list[Arrays]) -> None:
    topic = Topic()
    for moment in history:
        topic.write(moment)

    assert equal(topic.read(), history[-1])


@given(st.lists(arrays, min_size=1, max_size=4))
def test_no_chunk_of_an_older_snapshot_stays_behind(history: list[Arrays]) -> None:
    topic = Topic()
    for moment in history:
        topic.write(moment)
    fresh = Topic()
    fresh.write(history[-1])

    assert topic.values == fresh.values


def test_what_did_not_change_is_not_written_again() -> None:
    topic = Topic()
    column = np.arange(4 * ROWS)
    topic.write({"a": column})
    column[2 * ROWS] += 1
    taken = topic.write({"a": column})

    assert list(taken.changed) == [key("a", 2)]
    assert taken.changed_bytes == CHUNK_BYTES
    assert taken.size == column.nbytes


def test_appending_writes_only_the_last_chunks() -> None:
    topic = Topic()
    topic.write({"a": np.arange(2 * ROWS + 5)})

    assert list(topic.write({"a": np.arange(2 * ROWS + 6)}).changed) == [key("a", 2)]


def test_a_capture_is_a_copy() -> None:
    column = np.zeros(3, np.int64)
    taken = capture({"a": column}, {})
    column[:] = 7

    assert assemble(manifest(taken.arrays), taken.changed)["a"].tolist() == [0, 0, 0]


def test_zeros_of_another_length_are_another_chunk() -> None:
    """Whatever a checksum says of them."""
    topic = Topic()
    topic.write({"a": np.zeros(5, np.int64)})
    topic.write({"a": np.zeros(4, np.int64)})

    assert topic.read()["a"].shape == (4,)


def test_rows_of_several_columns_keep_their_shape() -> None:
    topic = Topic()
    table = np.arange(12, dtype=np.uint32).reshape(4, 3)
    topic.write({"keys": table})

    assert np.array_equal(topic.read()["keys"], table)


def test_restored_arrays_can_be_changed_in_place() -> None:
    topic = Topic()
    topic.write({"a": np.arange(3)})
    restored = topic.read()["a"]
    restored[0] = 9

    assert restored.tolist() == [9, 1, 2]


@pytest.mark.parametrize("column", [np.array(["a", None]), np.zeros(2, [("x", "i4")])])
def test_arrays_that_are_not_plain_bytes_are_refused(column: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"^names: "):
        capture({"names": column}, {})


def test_a_missing_chunk_is_named() -> None:
    topic = Topic()
    topic.write({"a": np.arange(2 * ROWS)})
    del topic.values[key("a", 1)]

    with pytest.raises(DamagedSnapshotError, match=r"^a: chunk 1 is missing"):
        topic.read()


def test_a_chunk_of_another_snapshot_is_noticed() -> None:
    topic = Topic()
    topic.write({"a": np.arange(2 * ROWS)})
    topic.values[key("a", 1)] = topic.values[key("a", 0)]

    with pytest.raises(DamagedSnapshotError, match="the checksum of chunk 1 is wrong"):
        topic.read()


def test_a_sealed_manifest_opens_as_it_was() -> None:
    described = {"a": Described("<i8", (3,), (2**64 - 1,))}
    written = Manifest(2, 1, 9, {"purchases": 17}, described, {"users": 5})

    assert unseal(seal(written)) == written


@pytest.mark.parametrize("at", [0, 1, 9, -1])
def test_a_manifest_with_a_flipped_bit_is_refused(at: int) -> None:
    raw = bytearray(seal(manifest({})))
    raw[at] ^= 1

    with pytest.raises(DamagedSnapshotError):
        unseal(bytes(raw))


def test_sealed_bytes_that_are_no_manifest_are_refused() -> None:
    body = msgspec.msgpack.encode({"format": "one"})

    with pytest.raises(DamagedSnapshotError, match="cannot be read"):
        unseal(b"\x01" + xxhash.xxh3_64_digest(body) + body)
