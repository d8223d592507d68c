import importlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioner import murmur2, partition_of, partitions_of

with warnings.catch_warnings(action="ignore"):  # kafka-python reads its own files the old way
    theirs = importlib.import_module("kafka.partitioner.default").murmur2

keys = st.lists(st.binary(max_size=40), max_size=30)


@given(st.binary(max_size=200))
def test_the_hash_is_that_of_kafka_python(key: bytes) -> None:
    assert murmur2(key) == theirs(key) % 2**32


@given(st.binary(max_size=200), st.integers(1, 500))
def test_a_key_goes_where_kafka_python_puts_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (theirs(key) & 0x7FFFFFFF) % partitions


@given(keys, st.integers(1, 500))
def test_many_keys_go_where_each_one_goes(keys: list[bytes], partitions: int) -> None:
    assert partitions_of(keys, partitions).tolist() == [partition_of(k, partitions) for k in keys]


@pytest.mark.parametrize(
    ("key", "java"),
    [  # the cases of Apache Kafka's own UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_java(key: bytes, java: int) -> None:
    assert murmur2(key) == java % 2**32
