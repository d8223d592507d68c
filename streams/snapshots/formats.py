"""The format of a snapshot's arrays: a number, and how arrays of an older format are converted.

A side has one conversion for each format that was replaced: `conversions[0]` makes arrays of
format 2 from those of format 1, and so on. So its format is one more than there are conversions,
and every older one can be read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Conversion = Callable[[Arrays], Arrays]  # from one format to the next; pure

WAY_BACK: Final = (
    "Run the version that wrote it. The way back to this one is a replay with this version: "
    'deploy/operations.md, "Changing the state format"'
)


class NewerFormatError(Exception):
    """The state was written by a newer version."""


def format_number(conversions: Sequence[Conversion]) -> int:
    """The format that these conversions end in."""
    return 1 + len(conversions)


def check_format(number: int, conversions: Sequence[Conversion]) -> None:
    """Make sure that arrays of a format can be converted.

    Raises:
        NewerFormatError: the format is newer than the one that the conversions end in.

    """
    known = format_number(conversions)
    if number > known:
        raise NewerFormatError(
            f"the state has format {number}, this version reads formats up to {known}. {WAY_BACK}"
        )


def converted(arrays: Arrays, number: int, conversions: Sequence[Conversion]) -> Arrays:
    """Arrays of format `number`, in the format that the conversions end in."""
    for conversion in conversions[number - 1 :]:
        arrays = conversion(arrays)
    return arrays
