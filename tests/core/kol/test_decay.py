import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY, SPAN, Fade, moved

FADE = Fade(14 * DAY)
NOW = 28_603_440  # 2024-05-20 12:00 UTC in minutes
MINUTES = st.integers(NOW - 2_000 * DAY, NOW)
PARTS = st.lists(st.tuples(MINUTES, st.integers(1, 10**9)), min_size=1, max_size=60)


def minutes(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def faded(parts: Sequence[tuple[int, int]], landmark: int) -> float:
    """The sum of the parts in their order, at the landmark."""
    at = minutes(*(minute for minute, _ in parts))
    weights = FADE.weight(at, np.full(len(at), landmark))
    return math.fsum(w * x for w, (_, x) in zip(weights.tolist(), parts, strict=True))


def read(total: float, landmark: int, minute: int) -> float:
    return total * float(FADE.reading(minutes(minute), minutes(landmark))[0])


@given(PARTS)
def test_a_forward_decayed_sum_is_what_decaying_each_part_gives(
    parts: list[tuple[int, int]],
) -> None:
    landmark = int(FADE.landmark(minutes(NOW))[0])
    ages = [(NOW + 1 - (minute + 0.5)) / FADE.half_life for minute, _ in parts]
    plain = sum(x * 2.0**-age for age, (_, x) in zip(ages, parts, strict=True))

    assert read(faded(parts, landmark), landmark, NOW) == pytest.approx(plain, rel=1e-12)


@given(PARTS, st.randoms(use_true_random=False), st.integers(1, 7))
def test_shuffled_shards_add_up_to_the_single_stream(
    parts: list[tuple[int, int]], random: Random, shards: int
) -> None:
    landmark = int(FADE.landmark(minutes(NOW))[0])
    shuffled = random.sample(parts, len(parts))
    sums = [faded(shuffled[shard::shards], landmark) for shard in range(shards)]

    assert sum(sums) == pytest.approx(faded(sorted(parts), landmark), rel=1e-14)


@given(MINUTES, st.integers(0, 5), st.integers(0, 5))
def test_moving_to_another_landmark_changes_no_bit(minute: int, one: int, other: int) -> None:
    at, first = minutes(minute), FADE.landmark(minutes(minute)) + one
    second = first + other
    weight = FADE.weight(at, first)

    assert weight * moved(first, second) == FADE.weight(at, second)


@given(MINUTES)
def test_weights_stay_between_one_and_the_span_of_a_landmark(minute: int) -> None:
    at = minutes(minute)
    (weight,) = FADE.weight(at, FADE.landmark(at)).tolist()

    assert 1.0 <= weight < 2.0**SPAN


@given(MINUTES)
def test_a_half_life_later_a_reading_is_half(minute: int) -> None:
    landmark = FADE.landmark(minutes(minute))
    now, later = (FADE.reading(minutes(at), landmark) for at in (minute, minute + FADE.half_life))

    assert later == now / 2


@given(MINUTES)
def test_evidence_of_the_minute_itself_has_faded_by_half_a_minute(minute: int) -> None:
    at, landmark = minutes(minute), FADE.landmark(minutes(minute))
    seen = float((FADE.weight(at, landmark) * FADE.reading(at, landmark))[0])

    assert seen == pytest.approx(2.0 ** (-0.5 / FADE.half_life), rel=1e-15)


def test_landmarks_are_multiples_of_64_half_lives() -> None:
    span = SPAN * FADE.half_life

    assert FADE.landmark(minutes(0, span - 1, span, 23 * span)).tolist() == [0, 0, 1, 23]


def test_one_weight_is_the_same_alone_and_among_many() -> None:
    many = np.arange(NOW - 1_000, NOW)
    landmark = FADE.landmark(many)
    weights: Floats = FADE.weight(many, landmark)
    alone = [FADE.weight(many[i : i + 1], landmark[i : i + 1])[0] for i in range(len(many))]

    assert weights.tolist() == alone
