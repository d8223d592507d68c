"""A chunk as its difference from an older one, its base: which words differ, and what they are.

    delta = length of the chunk (4 bytes), n (4), places of n words (2 each), n words (8 each)

Words are of 8 bytes, so a count or a minute of a random user costs 10 bytes of a chunk of
256 kB. A delta is always against the base, never against another delta: a restore needs one
of each, and the newer one replaces the older one where topics are compacted.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_WORD: Final = np.dtype("<u8")
_PLACE: Final = np.dtype("<u2")  # enough for the words of half a megabyte
_HEAD: Final = np.dtype("<u4")
_HEAD_BYTES: Final = 2 * _HEAD.itemsize


def encode_delta(base: bytes, chunk: bytes | memoryview, longest: int) -> bytes | None:
    """How a chunk differs from its base; None if that is longer than `longest` bytes."""
    was, now = _words(base), _words(chunk)
    both = min(len(was), len(now))
    place = np.append(np.flatnonzero(was[:both] != now[:both]), np.arange(both, len(now)))
    if _HEAD_BYTES + len(place) * (_PLACE.itemsize + _WORD.itemsize) > longest:
        return None
    head = np.array([len(chunk), len(place)], _HEAD)
    return head.tobytes() + place.astype(_PLACE).tobytes() + now[place].tobytes()


def apply_delta(base: bytes, delta: bytes) -> NDArray[np.uint8]:
    """The chunk whose difference from `base` is `delta`."""
    length, count = (int(number) for number in np.frombuffer(delta, _HEAD, 2))
    place = np.frombuffer(delta, _PLACE, count, _HEAD_BYTES)
    word = np.frombuffer(delta, _WORD, count, _HEAD_BYTES + place.nbytes)
    words = np.zeros(-(-length // _WORD.itemsize), _WORD)
    chunk = words.view(np.uint8)
    same = min(len(base), length)
    chunk[:same] = np.frombuffer(base, np.uint8, same)
    words[place] = word
    return chunk[:length]


def _words(chunk: bytes | memoryview) -> NDArray[np.uint64]:
    """A chunk as words, the last one filled up with zeros."""
    missing = -len(chunk) % _WORD.itemsize
    return np.frombuffer(bytes(chunk) + bytes(missing) if missing else chunk, _WORD)
