"""The formats of the state, by side."""

from collections.abc import Sequence
from typing import Final

from streams.core.kol import formats as kol_formats
from streams.core.sides import Side
from streams.core.user import formats as user_formats
from streams.snapshots import Conversion

CONVERSIONS: Final[dict[Side, Sequence[Conversion]]] = {
    Side.USER: user_formats.CONVERSIONS,
    Side.KOL: kol_formats.CONVERSIONS,
}
