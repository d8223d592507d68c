"""A snapshot of an older format is converted step by step; one of a newer format is refused."""

from collections.abc import Sequence

import numpy as np
import pytest

from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.snapshots import Conversion, NewerFormatError, format_number
from streams.snapshots.chunks import Manifest, capture, encode_manifest
from streams.snapshots.formats import Arrays, check_format, converted
from streams.snapshots.history import MANIFEST, History, restore
from streams.worker.formats import CONVERSIONS
from tests.builders import NAMES


def with_ends(arrays: Arrays) -> Arrays:
    """A made-up next format of the user side: a touch has a middle moment, too."""
    return {**arrays, "touches.middle": arrays["touches.last"]}


def in_millis(arrays: Arrays) -> Arrays:
    """A made-up next format of the KOL side: another unit, and an array that goes."""
    kept = {name: array for name, array in arrays.items() if name != "counts"}
    return {**kept, "progress": 60_000 * arrays["progress"]}


WITHOUT_CHUNKS = capture({"b": np.ones(3)}, {}).arrays  # of a snapshot that is damaged
NEXT: dict[Side, Conversion] = {Side.USER: with_ends, Side.KOL: in_millis}


def arrays_of(side: Side) -> Arrays:
    if side is Side.USER:
        return UserMemory(0, hmac_key=b"k" * 16).arrays()
    return KolMemory(0, 4).arrays()


def history(arrays: Arrays, *formats: int) -> History:
    """A state topic with one snapshot of each format, all of the same arrays."""
    made = History()
    taken = capture(arrays, {})
    for number in formats:
        for key, value in taken.changed.items():
            made.add(key, value)
        manifest = Manifest(number, 0, 1, {"purchases": 7}, taken.arrays)
        made.add(MANIFEST, encode_manifest(manifest))
    return made


def is_same(found: Arrays, expected: Arrays) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


@pytest.mark.parametrize("side", list(Side))
def test_the_format_of_today_becomes_the_next_one(side: Side) -> None:
    today = format_number(CONVERSIONS[side](NAMES))
    restored = restore(history(arrays_of(side), today), (*CONVERSIONS[side](NAMES), NEXT[side]))

    assert restored is not None
    assert restored.manifest.format == today
    assert is_same(restored.arrays, NEXT[side](arrays_of(side)))


@pytest.mark.parametrize("side", list(Side))
def test_the_next_format_is_refused_today_with_the_way_back(side: Side) -> None:
    today = format_number(CONVERSIONS[side](NAMES))

    with pytest.raises(NewerFormatError, match=rf"format {today + 1}, .* up to {today}.* replay"):
        restore(history(arrays_of(side), today, today + 1), CONVERSIONS[side](NAMES))


def test_a_newer_format_is_refused_before_a_damaged_snapshot_gives_way_to_an_older_one() -> None:
    made = history({"a": np.arange(3)}, 1)
    made.add(
        MANIFEST, encode_manifest(Manifest(2, 0, 1, {}, capture({"b": np.ones(3)}, {}).arrays))
    )

    with pytest.raises(NewerFormatError):
        restore(made, ())


def test_where_the_newest_is_damaged_the_older_one_is_converted_from_its_own_format() -> None:
    made = history({"a": np.arange(3)}, 1)
    made.add(
        MANIFEST, encode_manifest(Manifest(2, 0, 1, {}, capture({"b": np.ones(3)}, {}).arrays))
    )
    restored = restore(made, (lambda arrays: {"b": arrays["a"] + 1},))

    assert restored is not None
    assert restored.damage
    assert restored.arrays["b"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("number", "expected"), [(1, 11.0), (2, 10.0), (3, 1.0)])
def test_only_the_steps_behind_a_format_are_applied_in_their_order(
    number: int, expected: float
) -> None:
    steps: Sequence[Conversion] = (
        lambda arrays: {"a": arrays["a"] + 0.1},
        lambda arrays: {"a": arrays["a"] * 10},
    )

    assert converted({"a": np.ones(1)}, number, steps)["a"].tolist() == [pytest.approx(expected)]


def test_a_format_is_one_more_than_its_conversions() -> None:
    assert format_number(()) == 1
    check_format(3, (with_ends, with_ends))
    with pytest.raises(NewerFormatError):
        check_format(4, (with_ends, with_ends))
