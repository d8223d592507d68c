"""The formats of a snapshot's arrays on the KOL side, and how an older one becomes the next.

Every change of what `KolMemory.arrays` gives, or of what it means, is a new format. The function
appended to `CONVERSIONS` makes its arrays from those of the format before: a pure function that
knows names and dtypes of its own two formats and nothing of today's classes.
"""

from collections.abc import Callable
from typing import Final

from streams.core.arrays.arena import Arrays

CONVERSIONS: Final[tuple[Callable[[Arrays], Arrays], ...]] = ()
