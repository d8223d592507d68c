from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import blocks
from schemas.blocks import Block, pack, unpack
from schemas.cells import AT, NAMES
from schemas.version import epoch_and_life

INT64 = st.integers(-(2**63), 2**63 - 1)
PARTITIONS = st.integers(0, 2**16 - 1)


def made(cells: list[tuple[int, int, int, int, dict[str, int]]], kols: list[str]) -> Block:
    """A block of cells (source, kol, minute, version, fields by name)."""
    fields = np.zeros((len(cells), len(NAMES)), np.int64)
    for row, (*_, values) in enumerate(cells):
        for name, value in values.items():
            fields[row, AT[name]] = value
    return Block(
        watermarks={0: 1_716_206_400_000, 3: None},
        lives={0: epoch_and_life(1, 7), 3: 1},
        source=np.array([source for source, *_ in cells], np.uint16),
        kols=kols,
        kol=np.array([kol for _, kol, *_ in cells], np.int32),
        minute=np.array([minute for _, _, minute, *_ in cells], np.int64),
        fields=fields,
        version=np.array([version for *_, version, _ in cells], np.uint64),
    )


ONE = made([(3, 0, 28_603_440, 2**63, {"views": 2, "depth": -5})], ["k1"])


@st.composite
def blocks_of_cells(draw: st.DrawFn) -> Block:
    kols = draw(st.lists(st.text(), max_size=4))
    cell = st.tuples(
        PARTITIONS,
        st.integers(0, len(kols) - 1),
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**64 - 1),
        st.dictionaries(st.sampled_from(NAMES), INT64),
    )
    block = made(draw(st.lists(cell, max_size=5)) if kols else [], kols)
    moments = st.integers(0, 2**63 - 1)
    return replace(
        block,
        watermarks=draw(st.dictionaries(PARTITIONS, st.none() | moments)),
        lives=draw(st.dictionaries(PARTITIONS, moments)),
    )


def same(one: Block, other: Block) -> bool:
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(Block)]
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
        for a, b in pairs
    )


def changed(**parts: object) -> bytes:
    """The message of ONE with parts of the wire array replaced."""
    wire = blocks._decoder.decode(pack(ONE))
    return msgspec.msgpack.encode(msgspec.structs.replace(wire, **parts))


@given(blocks_of_cells())
def test_a_block_comes_back_as_it_was_packed(block: Block) -> None:
    assert same(unpack(pack(block)), block)


@given(st.binary())
def test_bytes_that_are_no_block_raise_nothing_but_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a block"):
        unpack(raw)


@given(blocks_of_cells(), st.data())
def test_a_damaged_block_raises_nothing_but_value_error(block: Block, data: st.DataObject) -> None:
    raw = bytearray(pack(block))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            read = unpack(damaged)
        except ValueError:
            continue

        assert len(read) == len(read.kol) == len(read.fields)


def test_a_block_may_carry_watermarks_alone() -> None:
    block = unpack(pack(made([], [])))

    assert len(block) == 0
    assert block.watermarks == {0: 1_716_206_400_000, 3: None}


def test_fields_that_are_zero_everywhere_take_no_room() -> None:
    assert blocks._decoder.decode(pack(ONE)).codes == [AT["views"], AT["depth"]]


def test_a_field_this_version_does_not_know_is_passed_over() -> None:
    newer = changed(
        codes=[AT["views"], len(NAMES), AT["depth"]], fields=np.array([2, 9, -5], "<i8").tobytes()
    )

    assert same(unpack(newer), ONE)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"source": b"\0"}, "1 cells with 1 bytes of source"),
        ({"kol": b""}, "1 cells with 0 bytes of kol"),
        ({"minute": b"\0" * 16}, "1 cells with 16 bytes of minute"),
        ({"version": b"\0" * 9}, "1 cells with 9 bytes of version"),
        ({"version": b"\0" * 16}, "2 cells with 8 bytes of minute"),
        ({"fields": b"\0" * 8}, "8 bytes of fields"),
        ({"codes": [1, 1]}, "a field twice"),
        ({"kols": []}, "a kol outside 0 to -1"),
        ({"kol": b"\xff" * 4}, "a kol outside 0 to 0"),
        ({"minute": b"\0" * 4 + b"\1\0\0\0"}, "a minute outside"),
        ({"watermarks": {70_000: 1}}, "<= 65535"),
        ({"watermarks": {0: -1}}, ">= 0"),
        ({"lives": {0: None}}, "got `None`"),
        ({"kols": [1]}, "got `int`"),
    ],
)
def test_a_block_whose_parts_do_not_fit_is_refused_with_the_reason(
    parts: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        unpack(changed(**parts))


def test_a_block_of_another_format_is_refused() -> None:
    newer = bytearray(pack(ONE))
    newer[1] = blocks.FORMAT + 1

    with pytest.raises(ValueError, match=f"not a block of format {blocks.FORMAT}"):
        unpack(bytes(newer))


def test_a_block_with_more_parts_is_refused() -> None:
    wire = msgspec.msgpack.decode(pack(ONE))

    with pytest.raises(ValueError, match="not a block"):
        unpack(msgspec.msgpack.encode([*wire, 1]))
