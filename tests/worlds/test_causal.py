"""The causal world is what its card says, and its truths are those of its own model."""

import json
from collections import Counter
from functools import cache
from itertools import combinations
from math import exp, log

import numpy as np
import pytest

from schemas.reference_types import IDENTITIES
from tests.worlds.causal import (
    A_SEARCH,
    BEFORE_D,
    FAMILIES,
    LIKED,
    MOST_SEARCHES,
    SHORT,
    UNTIL_D,
    Causal,
    CausalCard,
)
from tests.worlds.chance import is_within
from tests.worlds.messages import Events
from tests.worlds.world import BEGIN_MS, DAY

FEW = SHORT.varied(users=300)  # small enough for loops


@cache
def world(card: CausalCard = SHORT) -> Causal:
    return Causal(card)


@cache
def events(card: CausalCard = SHORT) -> Events:
    return Events.joined([world(card).day(day) for day in range(card.days)])


# ---------------------------------------------------------------- KOLs and users


def test_fourteen_of_forty_kols_have_no_effect_and_eight_harvest() -> None:
    assert world().is_placebo.sum() == 14
    assert world().is_harvester.sum() == 8
    assert ((world().effect == 0) == world().is_placebo).all()


def test_effects_are_lognormal() -> None:
    many = Causal(FEW.varied(kols=4_000, placebo=0.0))
    logs = np.log(many.effect)

    assert is_within(logs.mean(), log(0.4), 0.5**2 / 4_000)
    assert logs.var() == pytest.approx(0.25, rel=4 * np.sqrt(2 / 4_000))


def test_searches_say_of_intent_what_the_proxy_should() -> None:
    """Searches are rounded and cut: R^2 of the same by another generator, and near .65."""
    rng = np.random.default_rng(7)
    n = 1_000_000
    z = rng.standard_normal(n)
    noise = A_SEARCH**2 * (1 / 0.65 - 1) - 1 / 12
    many = 3 + A_SEARCH * z + np.sqrt(noise) * rng.standard_normal(n)
    expected = np.corrcoef(z, np.clip(np.rint(many), 0, MOST_SEARCHES))[0, 1]
    seen = np.corrcoef(world().intent, world().searches)[0, 1]

    assert expected**2 == pytest.approx(0.65, abs=0.02)
    # the variance of a correlation r of n pairs is (1 - r^2)^2 / n
    assert is_within(seen, expected, (1 - expected**2) ** 2 / SHORT.users)


def test_kols_reach_as_many_as_their_reach_says_and_harvesters_those_of_high_intent() -> None:
    seen = world().reached
    counts = np.bincount(seen.kol, minlength=SHORT.kols)
    intent = np.bincount(seen.kol, world().intent[seen.user], SHORT.kols) / counts
    reach, users = world().reach, SHORT.users
    steady = ~world().is_harvester

    assert is_within(reach.sum(), 2.5, 1e-12)
    assert is_within(
        (counts[steady] - users * reach[steady]).sum(), 0, (users * reach * (1 - reach)).sum()
    )
    assert (np.abs(intent[steady]) < 4 / np.sqrt(counts[steady])).all()
    # of small reach the intent of who is reached is about N(pull, 1)
    small = world().is_harvester & (reach < 0.03)
    assert small.any()
    assert intent[small] == pytest.approx(1.1, abs=0.25)


def test_exposures_lie_between_searches_and_orders() -> None:
    seen, came = world().exposures, events()
    searched = came["at"][came["form"] == 0]

    assert searched.max() < BEGIN_MS + BEFORE_D * DAY
    assert seen.at_d.min() >= BEFORE_D
    assert seen.at_d[seen.depth == 0].max() <= UNTIL_D
    assert len(searched) == world().searches.sum()


def test_shares_are_followed_by_friends_hop_by_hop() -> None:
    seen = world().exposures
    hops = np.bincount(seen.depth, minlength=SHORT.depth + 1)
    shared = np.bincount(seen.depth, seen.is_shared, SHORT.depth + 1)
    own = hops[0]

    assert is_within(shared[0], own * 0.05, own * 0.05 * 0.95)
    for depth in range(1, SHORT.depth + 1):
        # Poisson(1) friends of each share
        assert is_within(hops[depth], shared[depth - 1], max(shared[depth - 1], 1)), depth
    parents = dict(zip(seen.number.tolist(), range(len(seen.number)), strict=True))
    for row in np.flatnonzero(seen.depth > 0).tolist():
        parent = parents[int(seen.parent[row])]
        assert seen.is_shared[parent]
        assert seen.kol[parent] == seen.kol[row]
        assert seen.depth[parent] == seen.depth[row] - 1
        assert seen.at_d[parent] < seen.at_d[row] <= seen.at_d[parent] + 1


# ---------------------------------------------------------------- the families, by loops


def chance_of(one: Causal, user: int, without: frozenset[int] = frozenset()) -> float:
    """How probable an order of a user is where some KOLs reach nobody: the formulas as written."""
    card = one.card
    own = one.base + card.intent * float(one.intent[user])
    met: dict[int, tuple[float, float]] = {}
    seen = one.exposures
    for row in np.flatnonzero(seen.user == user).tolist():
        kol = int(seen.kol[row])
        if kol not in without:
            strength = card.peer if seen.depth[row] else 1.0
            known, first = met.get(kol, (0.0, np.inf))
            met[kol] = max(known, strength), min(first, float(seen.at_d[row]))
    effect = {kol: float(one.effect[kol]) * strength for kol, (strength, _) in met.items()}
    if card.family == "logit":
        return 1 / (1 + exp(-own - sum(effect.values())))
    if card.family == "hazard":
        fades = log(2) / card.half_life_d
        days = card.days - BEFORE_D
        for kol, (_, first) in met.items():
            left = (1 - exp(-fades * max(card.days - first, 0))) / fades
            days += card.rise * effect[kol] * left
        return 1 - exp(-exp(own) * days)
    weight = float(getattr(one.family, "weight")[user])  # noqa: B009  # of one family alone
    moved = {kol: min(card.scale * size * weight, 0.9) for kol, size in effect.items()}
    stays = 1 - 1 / (1 + exp(-own))
    for kol in range(card.kols):
        neighbour = (kol - 1) % card.kols
        both = min(moved.get(kol, 0.0), moved.get(neighbour, 0.0))
        stays *= (1 - moved.get(kol, 0.0)) * (1 - card.synergy * both)
    return 1 - stays


@pytest.mark.parametrize("family", FAMILIES)
def test_chances_and_removals_are_those_of_the_formulas(family: str) -> None:
    one = Causal(FEW.varied(family=family, reached=4.0, shares=0.2))
    whole = [chance_of(one, user) for user in range(FEW.users)]

    assert one.chance == pytest.approx(np.array(whole), rel=1e-12)
    for kol in (0, 7, 23):
        lost = sum(
            whole[user] - chance_of(one, user, frozenset({kol})) for user in range(FEW.users)
        )
        assert one.removals[kol] == pytest.approx(lost, rel=1e-9, abs=1e-12)


def test_aumann_shapley_is_the_integral_along_the_path_of_all_exposures() -> None:
    """Gauss-Legendre of effect_k s_k p (1 - p) over the diagonal, p at t times all exposures."""
    one = Causal(FEW.varied(reached=4.0))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    own = one.base + one.card.intent * one.intent
    pushes = one.strength * one.effect
    owed = np.zeros(FEW.kols)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        p = 1 / (1 + np.exp(-own - node * pushes.sum(axis=1)))
        owed += weight * (pushes * (p * (1 - p))[:, None]).sum(axis=0)

    assert one.aumann_shapley == pytest.approx(owed, rel=1e-9, abs=1e-12)


def test_aumann_shapley_lies_between_the_marginals_of_shapley_orders() -> None:
    """Of two KOLs with a Shapley value by both orders: the same up to the curvature."""
    one = Causal(FEW.varied(kols=2, reached=0.9, placebo=0.0, shares=0.0, harvesters=0.0))
    alone = {
        frozenset(kept): sum(
            chance_of(one, user, frozenset({0, 1} - set(kept))) for user in range(FEW.users)
        )
        for size in range(3)
        for kept in combinations((0, 1), size)
    }
    nobody, both = alone[frozenset()], alone[frozenset({0, 1})]
    for kol in (0, 1):
        first = alone[frozenset({kol})] - nobody
        last = both - alone[frozenset({1 - kol})]
        assert min(first, last) - 1e-9 <= one.aumann_shapley[kol] <= max(first, last) + 1e-9
    assert one.aumann_shapley.sum() == pytest.approx(both - nobody)


def test_only_the_logit_family_has_an_aumann_shapley_value() -> None:
    with pytest.raises(ValueError, match="logit"):
        _ = Causal(FEW.varied(family="hazard")).aumann_shapley


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tenth_of_the_users_order_and_placebos_cause_nothing(family: str) -> None:
    one = world(SHORT.varied(family=family))
    variance = (one.chance * (1 - one.chance)).sum()

    assert one.chance.mean() == pytest.approx(0.1, abs=1e-9)
    assert is_within(len(one.orders), 0.1 * SHORT.users, variance)
    assert one.removals[one.is_placebo] == pytest.approx(0, abs=1e-9)
    assert (one.removals[~one.is_placebo] > 0).all()


@pytest.mark.parametrize(
    ("family", "over"),  # what rules credit over what is caused, in the measured worlds
    [("logit", 1.6), ("noisy_or", 2.4), ("hazard", 2.4)],
)
def test_as_many_orders_are_caused_as_in_the_measured_worlds(family: str, over: float) -> None:
    one = world(SHORT.varied(family=family))
    nothing = np.zeros_like(one.strength)
    own = one.base + one.card.intent * one.intent
    anyway = one.family.chance(own, one.family.pushed(one.users, nothing))

    assert 1 - anyway.mean() / 0.1 == pytest.approx(1 / over, abs=0.07)


@pytest.mark.parametrize("family", FAMILIES)
def test_orders_come_within_the_world_and_of_a_hazard_after_what_caused_them(family: str) -> None:
    one = world(SHORT.varied(family=family))
    at = one.ordered_d

    assert BEFORE_D <= at.min() <= at.max() <= SHORT.days
    if family == "hazard":
        return
    last = np.full(SHORT.users, -np.inf)
    np.maximum.at(last, one.exposures.user, one.exposures.at_d)
    met = np.isfinite(last[one.orders])
    assert (at[met] >= last[one.orders][met]).all()
    assert (at[met] <= last[one.orders][met] + 3).all()


def test_a_hazard_s_moments_follow_its_rate() -> None:
    """Of users who met one KOL, who did so on one day: the share of orders before that day."""
    one = world(SHORT.varied(family="hazard", kols=1, reached=0.5, placebo=0.0, shares=0.0))
    rows = one.exposures.user, one.exposures.at_d
    first = np.full(SHORT.users, np.nan)
    first[rows[0]] = rows[1]
    first = first[one.orders]
    met = np.isfinite(first)
    fades = log(2) / 7
    left = (1 - np.exp(-fades * (60 - first[met]))) / fades
    rise = 5 * float(one.effect[0])
    before = (first[met] - BEFORE_D) / (40 + rise * left)
    seen = one.ordered_d[met] < first[met]

    assert is_within(seen.sum(), before.sum(), (before * (1 - before)).sum())


# ---------------------------------------------------------------- messages


def test_whoever_was_anonymous_is_bound_at_the_sign_in() -> None:
    one = world()
    bound = [record for topic, record in one.references() if topic == IDENTITIES]
    who = {one["anon_id"]: (one["user_id"], one["ts"]) for one in bound}
    anonymous, came = SHORT.users, events()
    n = sum(one.signed_in_d > 0)

    assert is_within(n, 0.15 * SHORT.users, 0.15 * 0.85 * SHORT.users)
    assert len(who) == n
    for row in np.flatnonzero(came["user"] >= anonymous).tolist():
        user, until = who[f"u{came['user'][row]:07}"]
        assert user == f"u{came['user'][row] - anonymous:07}"
        assert came["at"][row] < until
    early = came["user"] < anonymous
    signed = one.signed_in_d[came["user"][early]]
    assert (came["at"][early] >= BEGIN_MS + np.floor(signed * DAY)).all()


def test_every_exposure_is_one_message_and_shares_name_the_share_they_follow() -> None:
    came = events()
    kinds = Counter(came["form"].tolist())
    seen = world().exposures
    own = seen.depth == 0

    assert kinds[1] + kinds[3] == own.sum()
    assert is_within(kinds[3], LIKED * own.sum(), LIKED * (1 - LIKED) * own.sum())
    assert kinds[4] == (~own).sum()
    assert kinds[5] + kinds[6] == seen.is_shared.sum()
    made, followed = set[str](), set[str]()
    for value in came.messages(Causal.forms).tolist():
        said = json.loads(value)
        if said.get("event") == "share":
            made.add(said["share_id"])
            followed.add(said.get("parent_share_id", said["share_id"]))
        elif said.get("event") == "click" and "share_id" in said:
            followed.add(said["share_id"])
    assert followed <= made
    assert len(made) == seen.is_shared.sum()


def test_refunds_are_their_share_and_name_their_order() -> None:
    came = events()
    paid, back = (came.take(came["form"] == form) for form in (7, 8))
    n = len(world().orders)
    ordered = dict(zip(paid["order"].tolist(), paid["at"].tolist(), strict=True))

    assert len(paid) == n
    # cut at 30 days: whoever would take longer comes then
    left = SHORT.days - world().ordered_d
    chance = 0.12 * np.where(left < 30, -np.expm1(-left / 8), 1)
    assert is_within(len(back), chance.sum(), (chance * (1 - chance)).sum())
    for order, at in zip(back["order"].tolist(), back["at"].tolist(), strict=True):
        assert ordered[order] <= at <= ordered[order] + 30 * DAY


def test_a_holdout_suppresses_its_share_of_exposures_and_logs_them() -> None:
    card = SHORT.varied(holdout=0.2)
    one, came = world(card), events(card)
    held = came.take(came["form"] == 2)
    n = len(one.reached.user)
    pairs = set(zip(held["user"] % card.users, held["kol"], strict=True))
    own = one.exposures.depth == 0

    assert is_within(len(held), 0.2 * n, 0.2 * 0.8 * n)
    assert not pairs & set(zip(one.exposures.user[own], one.exposures.kol[own], strict=True))
    assert len(held) + own.sum() == n
    assert all(b'"arm":"holdout"' in value for value in held.messages(Causal.forms).tolist())


def test_without_a_holdout_everybody_reached_is_exposed() -> None:
    assert not world().is_held.any()
    assert (world().exposures.depth == 0).sum() == len(world().reached.user)
