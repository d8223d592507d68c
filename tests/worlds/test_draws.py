"""Chance by name is chance, and nobody else's draw moves it."""

import numpy as np
import pytest

from tests.worlds.draws import beta, chosen, expanded, generator, normal, uniform

N = 200_000
MANY = np.arange(N)


def test_what_is_drawn_of_somebody_does_not_depend_on_who_else_is() -> None:
    some = np.array([7, 3, 199_999])

    assert uniform(1, "age", some).tolist() == uniform(1, "age", MANY)[some].tolist()
    assert normal(1, "age", some).tolist() == normal(1, "age", MANY)[some].tolist()
    assert beta(1, "age", some, 14, 6).tolist() == beta(1, "age", MANY, 14, 6)[some].tolist()


def test_another_seed_or_name_draws_anew() -> None:
    one, *others = (uniform(seed, name, MANY) for seed, name in ((1, "a"), (1, "b"), (2, "a")))

    for other in others:  # the correlation of n independent pairs has the sd 1 / sqrt(n)
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(N)


def test_uniform_numbers_fill_the_interval_evenly() -> None:
    drawn = uniform(3, "even", MANY)
    counts = np.bincount((drawn * 64).astype(int), minlength=64)
    chi2 = ((counts - N / 64) ** 2 / (N / 64)).sum()

    assert 0 < drawn.min() < drawn.max() < 1
    assert abs(chi2 - 63) < 4 * np.sqrt(2 * 63)  # chi-square of 63 degrees: mean 63, variance 126


def test_neighbours_are_independent() -> None:
    drawn = uniform(3, "row", MANY)

    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 4 / np.sqrt(N)


def test_normal_numbers_have_the_moments_of_a_normal_distribution() -> None:
    drawn = normal(5, "height", MANY)

    assert abs(drawn.mean()) < 4 / np.sqrt(N)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / N)  # the variance of z^2 is 2
    assert abs((drawn**4).mean() - 3) < 4 * np.sqrt(96 / N)  # of z^4: 105 - 9


def test_beta_numbers_have_the_moments_of_a_beta_distribution() -> None:
    drawn = beta(5, "trust", MANY, 14, 6)
    variance = 14 * 6 / (20**2 * 21)  # a b / ((a + b)^2 (a + b + 1)) = .01

    assert abs(drawn.mean() - 14 / 20) < 4 * np.sqrt(variance / N)
    assert drawn.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / N))  # flatter than a normal


def test_a_chosen_share_is_exact() -> None:
    assert chosen(1, "placebo", 40, 0.35).sum() == 14
    assert chosen(1, "placebo", 40, 0.0).sum() == 0


def test_a_generator_goes_by_its_whole_name() -> None:
    one, same, other = (generator(1, *name).random() for name in (("a", 1), ("a", 1), ("a", 2)))

    assert one == same != other


def test_places_are_repeated_as_often_as_they_count() -> None:
    assert expanded(np.array([0, 2, 1])).tolist() == [1, 1, 2]
