"""The default partitioner of Kafka's Java client, kafka-python and aiokafka: murmur2.

    partition = (murmur2(key) & 0x7fffffff) mod partitions

Austin Appleby's MurmurHash2, 32 bits, with the seed of Apache Kafka's
`org.apache.kafka.common.utils.Utils.murmur2`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_R: Final = 24
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """The hash, in [0, 2**32).

    >>> hex(murmur2(b"foobar"))
    '0xd0e47bbe'
    """
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _WORD
        k = (k ^ k >> _R) * _M & _WORD
        h = h * _M & _WORD ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, in [0, partitions), where the default partitioner puts a key.

    >>> partition_of(b"u1", 8)
    0
    """
    return (murmur2(key) & _POSITIVE) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> NDArray[np.int64]:
    """`partition_of` of each key, shape (n,)."""
    return hashes_of(keys) % partitions


def hashes_of(keys: Sequence[bytes]) -> NDArray[np.int64]:
    """`murmur2` of each key without its sign, shape (n,): the same word of all keys in a turn."""
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    width = int(lengths.max(initial=0)) // 4 + 1  # words, filled up with zeros
    words = np.array(keys, f"S{4 * width}").view("<u4").reshape(len(keys), width)
    whole = lengths >> 2
    h = lengths.astype(np.uint32) ^ np.uint32(_SEED)
    for i in range(width - 1):
        k = words[:, i] * np.uint32(_M)
        k = (k ^ k >> np.uint32(_R)) * np.uint32(_M)
        h = np.where(whole > i, h * np.uint32(_M) ^ k, h)
    rest = words[np.arange(len(keys)), whole]
    h = np.where(lengths & 3, (h ^ rest) * np.uint32(_M), h)
    h = (h ^ h >> np.uint32(13)) * np.uint32(_M)
    h ^= h >> np.uint32(15)
    return (h & np.uint32(_POSITIVE)).astype(np.int64)
