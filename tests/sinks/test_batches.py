"""Batches say the same compressed or not, and a consumer can read them."""

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from sinks.batches import ATTRIBUTES_AT, HEADER, Batch, Compression, compressed
from tests.sinks.brokers import Read, read

keys = st.none() | st.binary(max_size=20)
values = st.binary(max_size=400) | st.text(alphabet="ab", max_size=2000).map(str.encode)
headers = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.binary(max_size=5)), max_size=2)
records = st.lists(st.tuples(keys, values, headers), min_size=1, max_size=30)


def built(given_records: list[Read], compression: Compression) -> bytes | bytearray:
    batch = Batch(1 << 20, compression)
    for key, value, told in given_records:
        assert batch.append(timestamp=1, key=key, value=value, headers=told)
    return batch._build()


@given(records)
def test_a_compressed_batch_reads_as_the_plain_one(given_records: list[Read]) -> None:
    assert read(built(given_records, "lz4")) == read(built(given_records, None)) == given_records


def test_what_repeats_itself_gets_shorter() -> None:
    plain = built([(b"u1", b"the same again " * 20, [])] * 50, None)
    press = compressed(plain)

    assert len(press) < len(plain) / 10
    assert struct.unpack_from(">h", press, ATTRIBUTES_AT)[0] & 7 == 3


def test_what_would_get_longer_stays_as_it_is() -> None:
    plain = built([(None, bytes(range(40)), [])], None)

    assert compressed(plain) is plain


def test_the_header_stays_but_for_length_checksum_and_attributes() -> None:
    plain = built([(b"u1", b"a" * 999, [])], None)
    press = compressed(plain)
    same = [i for i in range(HEADER) if plain[i] == press[i]]

    assert {*range(HEADER)} - {*same} <= {*range(8, 12), *range(17, 23)}


def test_a_batch_is_built_once() -> None:
    batch = Batch(1 << 20, "lz4")
    batch.append(timestamp=1, key=None, value=b"a" * 999, headers=[])

    assert batch._build() is batch._build()


def test_what_is_too_long_for_lz4_is_packed_tighter() -> None:
    digits = "".join(random.Random(1).choices("0123456789", k=50_000)).encode()
    loose, tight = Batch(100, "lz4"), Batch(100, "lz4", limit=30_000)
    for batch in (loose, tight):
        batch.append(timestamp=1, key=b"k", value=digits, headers=[])

    assert len(loose._build()) > 30_000
    assert len(tight._build()) < 30_000
    assert read(tight._build()) == [(b"k", digits, [])]


def test_what_no_packing_makes_fit_is_as_short_as_it_gets() -> None:
    batch = Batch(100, "lz4", limit=10_000)
    batch.append(timestamp=1, key=None, value=random.Random(1).randbytes(20_000), headers=[])

    assert 20_000 < len(batch._build()) < 20_200


def test_a_full_batch_takes_no_more() -> None:
    batch = Batch(100, "lz4")

    assert batch.append(timestamp=1, key=None, value=b"a" * 999, headers=[])
    assert batch.append(timestamp=1, key=None, value=b"a", headers=[]) is None
