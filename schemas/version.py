"""The version of a row: of all rows with the same key the one with the greatest version stands.

    version = epoch << 56 | life << 32 | folded

Versions are ordered by epoch, then by life, then by the number of the statement:

    epoch   0 to 254: raised for a deliberate recomputation; 255 marks dead letters
    life    below 2^24: one more whenever a worker takes the partition over
    folded  below 2^32: statements of this life
"""

from typing import Final

_FOLDED_BITS: Final = 32
_LIFE_BITS: Final = 24

ONE_EPOCH: Final = 1 << (_LIFE_BITS + _FOLDED_BITS)  # version // ONE_EPOCH is its epoch
MARKS: Final = 255 * ONE_EPOCH  # marks of `kol dlq` begin here, above the rows of every worker


def epoch_and_life(epoch: int, life: int) -> int:
    """The two as one number, as blocks of `kol-cells` carry it: `epoch << 24 | life`.

    >>> epoch_and_life(1, 7) == 2**24 + 7
    True
    """
    return epoch << _LIFE_BITS | life


def version_of(epoch: int, life: int, folded: int) -> int:
    """The version of the rows in one statement.

    >>> version_of(0, 1, 5) < version_of(0, 2, 1) < version_of(1, 1, 1)
    True
    """
    return epoch_and_life(epoch, life) << _FOLDED_BITS | folded
