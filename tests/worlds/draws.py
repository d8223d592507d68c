"""Chance by name: what is drawn of somebody does not depend on who else is drawn, or when.

    word(seed, name, n)  = mix(mix(seed + xxh3(name)) + (n + 1) * GOLDEN)        a counter, hashed
    uniform              = (word / 2^11 + 1/2) / 2^53                            in (0, 1)

*Of somebody* (a user, a KOL, a case) is everything that is true of them: it comes from a hash of
seed, name and number. *Of many events* it comes from a generator with a name of its own, so that
one more part of a world changes no other.

Steele, Lea & Flood, Fast splittable pseudorandom number generators (2014) for the mixer.
"""

from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def uniform(seed: int, name: str, number: Any) -> Floats:  # noqa: ANN401  # integers of any shape
    """A number in (0, 1) for each number, the same whatever else is asked.

    >>> uniform(1, "reach", [5, 6])[1] == uniform(1, "reach", 6)
    np.True_
    """
    with np.errstate(over="ignore"):
        root = _mixed(np.uint64(xxhash.xxh3_64_intdigest(f"{seed}/{name}".encode())))
        word = _mixed(root + (np.asarray(number).astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    found: Floats = ((word >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    return found


def _mixed(word: Any) -> Any:  # noqa: ANN401  # words of any shape
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def normal(seed: int, name: str, number: Any) -> Floats:  # noqa: ANN401  # as above
    """A standard normal number for each number (Box & Muller 1958)."""
    radius = np.sqrt(-2 * np.log(uniform(seed, f"{name}/radius", number)))
    found: Floats = radius * np.cos(2 * np.pi * uniform(seed, f"{name}/angle", number))
    return found


def beta(seed: int, name: str, number: Any, good: int, bad: int) -> Floats:  # noqa: ANN401
    """A Beta(good, bad) number for each number: the `good`-th of good + bad - 1 uniform ones."""
    many = good + bad - 1
    drawn = np.stack([uniform(seed, f"{name}/{i}", number) for i in range(many)])
    found: Floats = np.sort(drawn, axis=0)[good - 1]
    return found


def chosen(seed: int, name: str, many: int, share: float) -> Mask:
    """Which of `many` are among the given share of them: so many exactly, not on average."""
    drawn = uniform(seed, name, np.arange(many))
    are = np.zeros(many, np.bool_)
    are[np.argsort(drawn)[: round(share * many)]] = True
    return are


def generator(seed: int, *names: object) -> np.random.Generator:
    """The generator of this name, for draws of many events."""
    key = xxhash.xxh3_128_intdigest("/".join(map(str, (seed, *names))).encode())
    return np.random.Generator(np.random.Philox(key=key))


def expanded(counts: NDArray[Any]) -> Ints:
    """Each place as often as its count says.

    >>> expanded(np.array([2, 0, 1])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(counts)), counts)
