"""Unpackers give what aiokafka's own give, as far as the limit, and nothing beyond it."""

import struct
from collections.abc import Callable

import cramjam
import pytest
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from streams.transport import decompression
from streams.transport.decompression import (
    DECOMPRESSORS,
    MAX_DECOMPRESSED_BYTES,
    DecompressedSizeError,
)

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip_decode": codec.gzip_encode,
    "lz4_decode": codec.lz4_encode,
    "snappy_decode": codec.snappy_encode,
    "zstd_decode": codec.zstd_encode,
}
NAMES = sorted(PACKERS)


@pytest.mark.parametrize("name", NAMES)
@given(st.binary(min_size=1, max_size=100_000))
def test_what_fits_is_unpacked_as_by_aiokafka(name: str, data: bytes) -> None:
    packed = PACKERS[name](data)

    assert DECOMPRESSORS[name](packed) == getattr(codec, name)(packed) == data


@given(st.binary(max_size=100_000))
def test_snappy_is_read_without_the_framing_of_xerial(data: bytes) -> None:
    assert (
        DECOMPRESSORS["snappy_decode"](codec.snappy_encode(data, xerial_compatible=False)) == data
    )


def test_several_gzip_members_are_one_text() -> None:
    packed = codec.gzip_encode(b"one, ") + codec.gzip_encode(b"two")

    assert DECOMPRESSORS["gzip_decode"](packed) == b"one, two"


@pytest.mark.parametrize("name", NAMES)
def test_the_limit_is_still_unpacked_and_one_byte_more_is_not(name: str) -> None:
    data = bytes(MAX_DECOMPRESSED_BYTES + 1)

    assert len(DECOMPRESSORS[name](PACKERS[name](data[:-1]))) == MAX_DECOMPRESSED_BYTES
    with pytest.raises(DecompressedSizeError, match="more than 64 MiB"):
        DECOMPRESSORS[name](PACKERS[name](data))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_unpacked_stays_when_more_is_unpacked(name: str) -> None:
    first = DECOMPRESSORS[name](PACKERS[name](b"first" * 1_000))
    DECOMPRESSORS[name](PACKERS[name](b"second" * 1_000))

    assert first == b"first" * 1_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", [-4, 20, 3])
def test_what_was_cut_short_is_not_taken_for_too_large(name: str, cut: int) -> None:
    packed = PACKERS[name](b"".join(struct.pack(">i", n * n) for n in range(1_000)))

    with pytest.raises((cramjam.DecompressionError, ValueError)) as error:
        DECOMPRESSORS[name](packed[:cut])
    assert not isinstance(error.value, DecompressedSizeError)


def test_a_snappy_block_that_lies_about_its_size_is_refused_before_it_is_unpacked() -> None:
    packed = bytes(cramjam.snappy.compress_raw(bytes(MAX_DECOMPRESSED_BYTES * 4)))

    with pytest.raises(DecompressedSizeError):
        DECOMPRESSORS["snappy_decode"](packed)


def test_another_aiokafka_that_unpacks_elsewhere_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DECOMPRESSORS, "brotli_decode", DECOMPRESSORS["zstd_decode"])

    with pytest.raises(AttributeError, match="brotli_decode"):
        decompression.limit_decompression()


def test_aiokafkas_batches_unpack_with_these() -> None:
    module = __import__(DefaultRecordBatch.__module__, fromlist=["x"])

    assert {name: getattr(module, name) for name in DECOMPRESSORS} == DECOMPRESSORS
