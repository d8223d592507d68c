"""The arrays of a snapshot are those of their format: whoever changes them appends a conversion.

`layouts/<side>-<format>.txt` lists what an empty memory's snapshot holds: name, dtype and shape of
each array, then what the columns of wide ones mean.
"""

from pathlib import Path

import numpy as np
import pytest

from schemas import cells
from streams.core.kol import memory as kol_memory
from streams.core.kol.cells import SCORED
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user import door_counts
from streams.core.user.memory import UserMemory
from streams.snapshots import format_number
from streams.worker.formats import CONVERSIONS
from tests.builders import KEY, NAMES

LAYOUTS = Path(__file__).parent / "layouts"


def layout(side: Side) -> list[str]:
    """What a snapshot of an empty memory holds, and the meaning of its numbers by place."""
    if side is Side.USER:
        arrays, places = UserMemory(0, hmac_key=KEY).arrays(), door_counts.SERIES
        fields = cells.NAMES
    else:
        arrays, places = KolMemory(0, 4).arrays(), kol_memory.SERIES
        fields = SCORED
    return [
        *(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()),
        *("door " + " ".join(place) for place in places),
        *(f"cell {name}" for name in fields),
    ]


@pytest.mark.parametrize("side", list(Side))
def test_the_arrays_of_a_format_never_change(side: Side) -> None:
    path = LAYOUTS / f"{side.value}-{format_number(CONVERSIONS[side](NAMES))}.txt"
    found = "".join(f"{line}\n" for line in layout(side))

    assert path.exists(), f"a new format: write what it holds to {path.name}\n{found}"
    assert found == path.read_text(), (
        "the arrays changed: append a conversion to CONVERSIONS in "
        f"streams/core/{side.value}/formats.py, and write what they hold to a new file"
    )


@pytest.mark.parametrize("side", list(Side))
def test_every_older_format_has_its_layout(side: Side) -> None:
    """So that its conversion can be read beside both."""
    first = {Side.USER: 2, Side.KOL: 1}[side]  # the first that was written down
    numbers = range(first, format_number(CONVERSIONS[side](NAMES)) + 1)

    assert {path.name for path in LAYOUTS.glob(f"{side.value}-*")} == {
        f"{side.value}-{number}.txt" for number in numbers
    }


def test_places_of_the_layout_are_as_many_as_numbers() -> None:
    arrays = UserMemory(0, hmac_key=KEY).arrays()

    assert len(arrays["tally.total"]) == len(door_counts.SERIES)
    assert np.shape(KolMemory(0, 4).arrays()["counts"]) == (len(kol_memory.SERIES),)
