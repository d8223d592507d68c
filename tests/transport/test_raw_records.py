"""The bytes of a fetch, read by compiled functions; `test_records.py` says what they say."""

import pytest
from aiokafka.consumer import fetcher

from schemas.scanning import Hot
from streams.core.kernels import HOT
from streams.transport.raw_records import RawBatch, RawRecords, read_raw
from tests.transport.test_records import kafka_batch

CHECK = 0xE3069283  # of "123456789", as published for CRC-32C


@pytest.fixture
def hot() -> Hot:
    if HOT is None:
        pytest.skip("nothing is compiled here: make setup, where cargo is")
    return HOT


def test_the_checksum_is_the_published_one(hot: Hot) -> None:
    assert hot.crc32c(b"..123456789..", 2, 11) == CHECK
    with pytest.raises(ValueError, match="beyond the end"):
        hot.crc32c(b"123456789", 0, 10)


def test_a_batch_that_is_cut_short_is_not_there(hot: Hot) -> None:
    whole, cut = kafka_batch(0, [(0, b"a")]), kafka_batch(1, [(0, b"b")])[:-3]
    some = RawRecords(hot, whole + cut)
    batch = some.next_batch()

    assert isinstance(batch, RawBatch)
    assert (batch.base_offset, batch.next_offset, some.has_next()) == (0, 1, False)
    assert some.next_batch() is None
    assert some.size_in_bytes() == len(whole + cut)


def test_every_fetch_of_the_process_is_read_raw(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)  # restored at the end
    read_raw(hot)

    [record] = fetcher.MemoryRecords(bytearray(kafka_batch(7, [(0, b"a")]))).next_batch()
    assert (record.offset, record.value) == (7, b"a")
