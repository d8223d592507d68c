"""CityHash128 in version 1.0.2, the checksum of ClickHouse's compressed blocks.

Later versions of CityHash give other values. Geoff Pike, Jyrki Alakuijala, CityHash (2011).
Some MB/s: it is computed of compressed bytes only.
"""

import struct
from typing import Final

_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F
_K3: Final = 0xC949D7C7509E6557
_MULTIPLIER: Final = 0x9DDFEA08EB382D69
_MASK: Final = (1 << 64) - 1
_ROUND: Final = struct.Struct("<8Q")  # 64 bytes, one round of the loop
_LONG: Final = 128  # bytes from which on the loop runs
_WORD: Final = 8

Pair = tuple[int, int]


def cityhash128(data: bytes) -> bytes:
    """The checksum of some bytes, 16 bytes: two little-endian numbers, the lower one first.

    >>> cityhash128(b"").hex()
    '2b9ac064fc9df03d291ee592c340b53c'
    """
    if len(data) >= 2 * _WORD:
        low, high = _seeded(data[16:], _word(data, 0) ^ _K3, _word(data, 8))
    elif len(data) >= _WORD:
        ends = _word(data, 0) ^ len(data) * _K0 & _MASK, _word(data, len(data) - 8) ^ _K1
        low, high = _seeded(b"", *ends)
    else:
        low, high = _seeded(data, _K0, _K1)
    return struct.pack("<2Q", low, high)


def _seeded(data: bytes, low: int, high: int) -> Pair:
    return _long(data, low, high) if len(data) >= _LONG else _short(data, low, high)


def _short(data: bytes, a: int, b: int) -> Pair:
    """The hash of fewer than 128 bytes."""
    size = len(data)
    if size <= 2 * _WORD:
        a = _shifted(a * _K1) * _K1 & _MASK
        c = b * _K1 + _tiny(data) & _MASK
        d = _shifted(a + (_word(data, 0) if size >= _WORD else c))
    else:
        c = _mixed(_word(data, size - 8) + _K1, a)
        d = _mixed(b + size, c + _word(data, size - 16))
        a += d
        for at in range(0, size - 16, 16):
            a = (a ^ _shifted(_word(data, at) * _K1) * _K1) * _K1 & _MASK
            b ^= a
            c = (c ^ _shifted(_word(data, at + 8) * _K1) * _K1) * _K1 & _MASK
            d ^= c
    a, b = _mixed(a, c), _mixed(d, b)
    return a ^ b, _mixed(b, a)


def _tiny(data: bytes) -> int:
    """A number of at most 16 bytes."""
    size = len(data)
    if size > _WORD:
        a, b = _word(data, 0), _word(data, size - 8)
        return _mixed(a, _turned(b + size, size)) ^ b
    if size >= _WORD // 2:
        first, last = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, size - 4)[0]
        return _mixed(size + (first << 3), last)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _shifted(y * _K2 ^ z * _K3) * _K2 & _MASK
    return _K2


def _long(data: bytes, x: int, y: int) -> Pair:
    """The hash of 128 bytes or more: rounds of 64 bytes, two at a time, then what is left."""
    size = len(data)
    z = size * _K1 & _MASK
    v0 = _turned(y ^ _K1, 49) * _K1 + _word(data, 0) & _MASK
    v1 = _turned(v0, 42) * _K1 + _word(data, 8) & _MASK
    w0 = _turned(y + z, 35) * _K1 + x & _MASK
    w1 = _turned(x + _word(data, 88), 53) * _K1 & _MASK
    whole = size - size % _LONG
    for a, b, c, d, e, f, g, h in _ROUND.iter_unpack(memoryview(data)[:whole]):
        x = x + y + v0 + c & _MASK
        x = (x >> 37 | x << 27) * _K1 & _MASK ^ w1
        y = y + v1 + g & _MASK
        y = (y >> 42 | y << 22) * _K1 & _MASK ^ v0
        z ^= w0
        z = (z >> 33 | z << 31) & _MASK
        # two times `_weak`, written out: calls would cost a third more
        first = a + v1 * _K1
        v1 = x + w0 + first + d & _MASK
        v0 = first + b + c & _MASK
        v1 = (v1 >> 21 | v1 << 43) + (v0 >> 44 | v0 << 20 & _MASK) + first & _MASK
        v0 = v0 + d & _MASK
        first = e + z + w1
        w1 = y + first + h & _MASK
        w0 = first + f + g & _MASK
        w1 = (w1 >> 21 | w1 << 43) + (w0 >> 44 | w0 << 20 & _MASK) + first & _MASK
        w0 = w0 + h & _MASK
        z, x = x, z
    y += _turned(w0, 37) * _K0 + z
    x += _turned(v0 + z, 49) * _K0
    for at in range(size - 32, size - 32 - (size - whole), -32):
        y = _turned(y - x, 42) * _K0 + v1
        w0 += _word(data, at + 16)
        x = _turned(x, 49) * _K0 + w0
        w0 += v0
        v0, v1 = _weak(data, at, v0, v1)
    x, y = _mixed(x, v0), _mixed(y, w0)
    return _mixed(x + v1, w1) + y & _MASK, _mixed(x + w1, y + v1)


def _weak(data: bytes, at: int, a: int, b: int) -> Pair:
    """A weak hash of 32 bytes and two seeds."""
    first, *middle, last = struct.unpack_from("<4Q", data, at)
    a += first
    c = a
    b = _turned(b + a + last, 21)
    a += sum(middle)
    b += _turned(a, 44)
    return a + last & _MASK, b + c & _MASK


def _mixed(low: int, high: int) -> int:
    """128 bits made 64."""
    low, high = low & _MASK, high & _MASK
    a = _shifted((low ^ high) * _MULTIPLIER)
    b = _shifted((high ^ a) * _MULTIPLIER)
    return b * _MULTIPLIER & _MASK


def _shifted(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _turned(value: int, by: int) -> int:
    """64 bits rotated to the right."""
    value &= _MASK
    return (value >> by | value << 64 - by) & _MASK


def _word(data: bytes, at: int) -> int:
    """The eight bytes from there on as a little-endian number."""
    return int.from_bytes(data[at : at + 8], "little")
