"""The branching processes have their reproduction number and their generation time."""

import json
from functools import cache

import numpy as np
import pytest

from tests.worlds.chance import is_within
from tests.worlds.messages import Events
from tests.worlds.spiral import IMPORT, LONG, MOST_CHAIN, SHORT, Births, Spiral
from tests.worlds.world import BEGIN_MS, DAY

RUNS = LONG.varied(kols=60, days=180)
EARLY_D = RUNS.days - 60  # who is born before has brought all whom they bring


@cache
def runs() -> tuple[Births, ...]:
    world = Spiral(RUNS)
    return tuple(world.births(kol) for kol in range(RUNS.kols))


@cache
def events() -> tuple[Spiral, Events]:
    world = Spiral(SHORT)
    return world, Events.joined([world.day(day) for day in range(SHORT.days)])


@pytest.mark.parametrize("place", range(3))
def test_every_buyer_brings_as_many_as_the_reproduction_number(place: int) -> None:
    """The number of children is Poisson(R): mean and variance R."""
    r = RUNS.reproduction[place]
    children = []
    for births in runs()[place::3]:
        counts = np.bincount(births.parent[births.parent != IMPORT], minlength=len(births.parent))
        children.append(counts[births.at_d < EARLY_D])
    counts = np.concatenate(children)
    n = len(counts)

    assert is_within(counts.mean(), r, r / n)
    # the variance of a sample variance of Poisson(R) is (R + 2 R^2) / n
    assert is_within(counts.var(), r, (r + 2 * r * r) / n)


def test_generation_times_are_gamma() -> None:
    """Gamma(4, 2.5 d): mean 10, variance 25, that of a sample variance 25^2 (2 + 6 / 4) / n."""
    times = np.concatenate(
        [
            births.at_d[is_local] - births.at_d[births.parent[is_local]]
            for births in runs()
            for is_local in [(births.parent != IMPORT) & (births.at_d[births.parent] < EARLY_D)]
        ]
    )
    n = len(times)

    assert 0 < times.min() < times.max() <= 60
    assert is_within(times.mean(), 10, 25 / n)
    assert is_within(times.var(), 25, 25**2 * 3.5 / n)


def test_imports_come_evenly_at_their_rate() -> None:
    imports = [births.at_d[births.parent == IMPORT] for births in runs()]
    n, expected = sum(map(len, imports)), 5 * RUNS.days * RUNS.kols
    halves = sum(int((at < RUNS.days / 2).sum()) for at in imports)

    assert is_within(n, expected, expected)
    assert is_within(halves, n / 2, n / 4)


def test_a_generation_is_one_more_than_that_of_the_parent() -> None:
    for births in runs():
        local = births.parent != IMPORT
        assert (births.generation[~local] == 0).all()
        assert (births.generation[local] == births.generation[births.parent[local]] + 1).all()


def test_the_births_of_a_kol_do_not_depend_on_how_many_there_are() -> None:
    few, many = Spiral(RUNS.varied(kols=2)), Spiral(RUNS)

    for one, other in zip(few.births(1), many.births(1), strict=True):
        assert one.tolist() == other.tolist()


def test_kols_have_the_reproduction_numbers_in_turn() -> None:
    world = Spiral(SHORT)

    assert [world.reproduction(kol) for kol in range(4)] == [0.6, 0.9, 1.1, 0.6]


def test_every_buyer_clicks_buys_and_shares() -> None:
    world, came = events()
    births = sum(len(world.births(kol).at_d) for kol in range(SHORT.kols))
    paid = came.take(came["form"] == 2)

    assert world.accounts == births
    assert len(paid) == births == len(np.unique(paid["user"]))
    # who shares ten minutes after the end is not seen
    assert 3 * births - len(came) <= (paid["at"] > BEGIN_MS + SHORT.days * DAY - 600_000).sum()


def test_messages_tell_who_came_by_whose_share() -> None:
    world, came = events()
    parent_of, generation_of = {}, {}
    for kol in range(SHORT.kols):
        births, first = world.births(kol), int(world.first[kol])
        for row, (parent, generation) in enumerate(
            zip(births.parent.tolist(), births.generation.tolist(), strict=True)
        ):
            parent_of[first + row] = None if parent == IMPORT else first + parent
            generation_of[first + row] = generation

    shares = set[str]()
    for value in came.messages(Spiral.forms).tolist():
        said = json.loads(value)
        user = int(said["user_id"][1:])
        parent, generation = parent_of[user], generation_of[user]
        by = None if parent is None else f"s{parent:07}"
        if said.get("event") == "click":
            assert said.get("share_id") == by
            assert said.get("share_depth", 0) == generation
        if said.get("event") == "share":
            shares.add(said["share_id"])
            chain = list[str]()
            ancestor = parent
            while ancestor is not None and len(chain) < MOST_CHAIN:
                chain.append(f"s{ancestor:07}")
                ancestor = parent_of[ancestor]
            assert said["share_id"] == f"s{user:07}"
            assert said.get("parent_share_id") == by
            assert said["chain"] == chain
            assert said["share_depth"] == generation + 1
    assert max(generation_of.values()) > MOST_CHAIN
    assert len(shares) > len(parent_of) - 10
