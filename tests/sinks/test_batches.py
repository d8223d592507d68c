"""Batches hold the same records compressed or not, and a consumer can read them."""

import random
import struct

from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from sinks.batches import ATTRIBUTES_AT, HEADER, Batch, compressed
from tests.sinks.brokers import Read, read

keys = st.none() | st.binary(max_size=20)
values = st.binary(max_size=400) | st.text(alphabet="ab", max_size=2000).map(str.encode)
header_lists = st.lists(
    st.tuples(st.text(min_size=1, max_size=5), st.binary(max_size=5)), max_size=2
)
records = st.lists(st.tuples(keys, values, header_lists), min_size=1, max_size=30)


def built(batch: BatchBuilder, given_records: list[Read]) -> bytes:
    for key, value, headers in given_records:
        assert batch.append(timestamp=1, key=key, value=value, headers=headers)
    return bytes(batch._build())


def plain_batch(given_records: list[Read]) -> bytes:
    return built(BatchBuilder(1 << 20, 0), given_records)


@given(records)
def test_a_compressed_batch_reads_as_the_plain_one(given_records: list[Read]) -> None:
    batch = built(Batch(1 << 20), given_records)

    assert read(batch) == read(plain_batch(given_records)) == given_records


def test_what_repeats_itself_gets_shorter() -> None:
    plain = plain_batch([(b"u1", b"the same again " * 20, [])] * 50)
    small = compressed(plain)

    assert len(small) < len(plain) / 10
    assert struct.unpack_from(">h", small, ATTRIBUTES_AT)[0] & 7 == 3


def test_what_would_get_longer_stays_as_it_is() -> None:
    plain = plain_batch([(None, bytes(range(40)), [])])

    assert compressed(plain) is plain


def test_the_header_stays_but_for_length_checksum_and_attributes() -> None:
    plain = plain_batch([(b"u1", b"a" * 999, [])])
    small = compressed(plain)
    same = [i for i in range(HEADER) if plain[i] == small[i]]

    assert {*range(HEADER)} - {*same} <= {*range(8, 12), *range(17, 23)}


def test_a_batch_is_built_once() -> None:
    batch = Batch(1 << 20)
    batch.append(timestamp=1, key=None, value=b"a" * 999, headers=[])

    assert batch._build() is batch._build()


def test_what_is_too_long_for_lz4_is_packed_tighter() -> None:
    digits = "".join(random.Random(1).choices("0123456789", k=50_000)).encode()
    loose, tight = Batch(100), Batch(100, limit=30_000)
    for batch in (loose, tight):
        batch.append(timestamp=1, key=b"k", value=digits, headers=[])

    assert len(loose._build()) > 30_000
    assert len(tight._build()) < 30_000
    assert read(tight._build()) == [(b"k", digits, [])]


def test_what_no_packing_makes_fit_is_as_short_as_it_gets() -> None:
    batch = Batch(100, limit=10_000)
    batch.append(timestamp=1, key=None, value=random.Random(1).randbytes(20_000), headers=[])

    assert 20_000 < len(batch._build()) < 20_200


def test_a_full_batch_takes_no_more() -> None:
    batch = Batch(100)

    assert batch.append(timestamp=1, key=None, value=b"a" * 999, headers=[])
    assert batch.append(timestamp=1, key=None, value=b"a", headers=[]) is None
