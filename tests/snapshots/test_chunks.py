"""Arrays in chunks: what is written is what changed, and what is put together is what was."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.snapshots.chunks import (
    BASES_PART,
    CHUNK_BYTES,
    DELTA_BYTES,
    FORGET_AFTER,
    LAYOUT,
    LEAST_BASE_BYTES,
    ArrayEntry,
    Base,
    Capture,
    DamagedSnapshotError,
    Manifest,
    assemble,
    capture,
    capturing,
    chunk_key,
    decode_manifest,
    delta_key,
    encode_manifest,
)
from streams.snapshots.formats import Arrays, NewerFormatError
from tests.builders import copied

ROWS = CHUNK_BYTES // 8  # of int64 in one chunk


def manifest(described: dict[str, ArrayEntry]) -> Manifest:
    return Manifest(1, 0, 1, {}, described)


class Topic:
    """The newest value of each key, as a compacted topic keeps it."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.described: dict[str, ArrayEntry] = {}
        self.bases: Mapping[bytes, Base] = {}

    def write(self, arrays: Arrays, *, whole: bool = False) -> Capture:
        taken = capture(arrays, self.described, self.bases, whole=whole)
        self.values.update(taken.changed)
        for gone in taken.vanished:
            del self.values[gone]
        self.described, self.bases = taken.arrays, taken.bases
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


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, NDArray[Any]]]:
    """Moments of a memory: some numbers change, arrays grow, shrink, come and go."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    moment: dict[str, NDArray[Any]] = {}
    history = []
    for _ in range(draw(st.integers(1, 8))):
        moment = copied(moment)
        for name, dtype in (("touch_at", "int64"), ("user", "uint8"), ("seen", "float32")):
            array = moment.get(name, np.zeros(0, dtype))
            match draw(st.sampled_from(["none", "some", "grow", "shrink", "all", "drop"])):
                case "some" if len(array):
                    array[rng.integers(0, len(array), 20)] = rng.integers(0, 100, 20)
                case "grow":
                    more = draw(st.sampled_from([1, 7, ROWS // 9, 2 * ROWS]))
                    array = np.append(array, rng.integers(0, 100, more).astype(dtype))
                case "shrink":
                    array = array[: len(array) // 2]
                case "all":
                    array = rng.integers(0, 100, len(array)).astype(dtype)
            moment[name] = array
        history.append(moment)
    return history


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
    named = {
        made(name, index)
        for name, described in topic.described.items()
        for made, indices in (
            (chunk_key, range(len(described.sums))),
            (delta_key, described.deltas),
        )
        for index in indices
    }

    assert topic.values.keys() == named


@settings(deadline=None)
@given(histories())
def test_deltas_lead_to_what_was_at_every_moment(history: list[Arrays]) -> None:
    topic = Topic()
    for moment in history:
        topic.write(moment)

        assert equal(topic.read(), moment)


@settings(deadline=None)
@given(histories(), st.integers(0, 7))
def test_what_is_remembered_may_be_lost(history: list[Arrays], at: int) -> None:
    """As after a restart."""
    topic = Topic()
    for number, moment in enumerate(history):
        if number == at:
            topic.bases = {}
        topic.write(moment)

    assert equal(topic.read(), history[-1])


def test_what_did_not_change_is_not_written_again() -> None:
    topic = Topic()
    column = np.arange(4 * ROWS)
    topic.write({"a": column})
    column[2 * ROWS] += 1
    taken = topic.write({"a": column})

    assert list(taken.changed) == [chunk_key("a", 2)]
    assert taken.changed_bytes == CHUNK_BYTES
    assert taken.state_bytes == column.nbytes


def test_appending_writes_only_the_last_chunks() -> None:
    topic = Topic()
    topic.write({"a": np.arange(2 * ROWS + 5)})

    assert list(topic.write({"a": np.arange(2 * ROWS + 6)}).changed) == [chunk_key("a", 2)]


def test_a_chunk_that_changes_again_is_written_as_its_delta() -> None:
    topic = Topic()
    column = np.arange(4 * ROWS)
    for _ in range(2):
        column[2 * ROWS] += 1
        topic.write({"a": column})
    column[[2 * ROWS, 2 * ROWS + 9]] += 1
    taken = topic.write({"a": column})

    assert list(taken.changed) == [delta_key("a", 2)]
    assert taken.changed_bytes == 8 + 2 * 10
    assert topic.read()["a"].tolist() == column.tolist()


def test_a_new_base_comes_when_the_delta_has_grown_and_the_delta_goes() -> None:
    topic = Topic()
    column = np.zeros(ROWS, np.int64)
    topic.write({"a": column})
    fits = (DELTA_BYTES - 8) // 10
    written = []
    for changed in (1, fits, fits + 1, fits + 2):
        column[:changed] += 1
        taken = topic.write({"a": column})
        written.append((*taken.changed, *taken.vanished))

    base, delta = chunk_key("a", 0), delta_key("a", 0)
    assert written == [(base,), (delta,), (base, delta), (base,)]


def test_a_base_is_forgotten_once_its_chunk_rests() -> None:
    topic = Topic()
    column = np.zeros(ROWS, np.int64)
    topic.write({"a": column})
    column[0] = 1
    remembered = [len(topic.write({"a": column}).bases) for _ in range(FORGET_AFTER + 1)]
    column[0] = 2

    assert remembered == [1] * FORGET_AFTER + [0]
    assert list(topic.write({"a": column}).changed) == [chunk_key("a", 0)]


def test_a_delta_outlives_the_memory_of_its_base() -> None:
    topic = Topic()
    column = np.zeros(ROWS, np.int64)
    for number in range(3):
        column[0] = number
        topic.write({"a": column})
    for _ in range(FORGET_AFTER):
        topic.write({"a": column})

    assert not topic.bases
    assert topic.values.keys() == {chunk_key("a", 0), delta_key("a", 0)}
    assert topic.read()["a"][0] == 2


def test_remembered_bases_take_a_part_of_memory_at_most() -> None:
    topic = Topic()
    rows = 8 * LEAST_BASE_BYTES // 8
    most = rows * 8 // BASES_PART
    column = np.zeros(rows, np.int64)
    topic.write({"a": column})
    for number in range(1, 4):
        column[:] = number
        taken = topic.write({"a": column})

        assert sum(len(base.chunk) for base in taken.bases.values()) == most


def test_a_first_snapshot_remembers_nothing() -> None:
    assert not capture({"a": np.arange(ROWS)}, {}).bases


def test_no_step_of_a_capture_looks_through_more_than_a_chunk() -> None:
    steps = list(capturing({"a": np.arange(2 * ROWS + 1), "b": np.arange(ROWS)}, {}))

    assert len(steps) == 3 + 1


def test_a_whole_capture_leaves_nothing_of_what_was_before() -> None:
    topic = Topic()
    secret = 0x5EC2E7_5EC2E7_5EC2
    for first in (secret, secret, 1):
        column = np.arange(2 * ROWS)
        column[:2] = first, len(topic.values)
        topic.write({"a": column})
    sign = secret.to_bytes(8, "little")
    assert any(sign in chunk for chunk in topic.values.values())
    taken = topic.write({"a": column}, whole=True)

    assert list(taken.changed) == [chunk_key("a", 0)]
    assert not any(sign in chunk for chunk in topic.values.values())
    assert np.array_equal(topic.read()["a"], column)


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
    del topic.values[chunk_key("a", 1)]

    with pytest.raises(DamagedSnapshotError, match=r"^a: chunk 1 is missing"):
        topic.read()


def test_a_chunk_of_another_snapshot_is_noticed() -> None:
    topic = Topic()
    topic.write({"a": np.arange(2 * ROWS)})
    topic.values[chunk_key("a", 1)] = topic.values[chunk_key("a", 0)]

    with pytest.raises(DamagedSnapshotError, match="the checksum of chunk 1 is wrong"):
        topic.read()


def test_a_missing_or_wrong_delta_is_named() -> None:
    topic = Topic()
    for number in range(3):
        topic.write({"a": np.full(ROWS, 7) + number * (np.arange(ROWS) < 3)})
    for wrong in ({}, {delta_key("a", 0): b"\0" * 38}):
        values = {chunk_key("a", 0): topic.values[chunk_key("a", 0)], **wrong}

        with pytest.raises(DamagedSnapshotError, match=r"^a: the delta of chunk 0 is missing"):
            assemble(manifest(topic.described), values)


def test_a_delta_on_another_base_is_noticed() -> None:
    topic = Topic()
    for number in range(3):
        topic.write({"a": np.full(ROWS, 7) + number * (np.arange(ROWS) < 3)})
    topic.values[chunk_key("a", 0)] = np.zeros(ROWS, np.int64).tobytes()

    with pytest.raises(DamagedSnapshotError, match="the checksum of chunk 0 is wrong"):
        topic.read()


def test_a_manifest_from_before_deltas_opens() -> None:
    described = {"a": ArrayEntry("<i8", (3,), (17,))}
    old = {**msgspec.to_builtins(manifest({})), "arrays": {"a": ("<i8", (3,), (17,))}}
    body = msgspec.msgpack.encode(old)

    assert decode_manifest(b"\x01" + xxhash.xxh3_64_digest(body) + body) == manifest(described)


def test_a_manifest_of_a_newer_layout_is_refused() -> None:
    raw = bytes([LAYOUT + 1]) + encode_manifest(manifest({}))[1:]

    with pytest.raises(NewerFormatError, match=f"layout {LAYOUT + 1} was met"):
        decode_manifest(raw)


def test_a_sealed_manifest_opens_as_it_was() -> None:
    described = {"a": ArrayEntry("<i8", (3,), (2**64 - 1, 5), {1: 2**64 - 1})}
    written = Manifest(2, 1, 9, {"purchases": 17}, described, {"users": 5})

    assert decode_manifest(encode_manifest(written)) == written


@pytest.mark.parametrize("at", [0, 1, 9, -1])
def test_a_manifest_with_a_flipped_bit_is_refused(at: int) -> None:
    raw = bytearray(encode_manifest(manifest({})))
    raw[at] ^= 2  # of layout 2 that makes 0

    with pytest.raises(DamagedSnapshotError):
        decode_manifest(bytes(raw))


def test_sealed_bytes_that_are_no_manifest_are_refused() -> None:
    body = msgspec.msgpack.encode({"format": "one"})

    with pytest.raises(DamagedSnapshotError, match="cannot be read"):
        decode_manifest(b"\x01" + xxhash.xxh3_64_digest(body) + body)
