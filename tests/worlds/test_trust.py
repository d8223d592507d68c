"""The world of trust is what its card says: its KOLs, its raters, its attacks."""

import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from schemas.reference_types import CONTENTS, NOTICES, PERCEPTIONS
from tests.worlds.chance import is_within
from tests.worlds.messages import Events
from tests.worlds.trust import (
    CONTENTS_A_DAY,
    FOR,
    HONEST,
    LONG,
    SHORT,
    SIGNS,
    TIERS,
    VIOLATIONS_A_DAY,
    Rater,
    Trust,
    TrustCard,
)

CROWD = SHORT.varied(kols=20_000, days=3, silent_days=1, new_days=1)  # truth alone: it is cheap
VIEW, PAID, REFUND = 0, 2, 3  # forms


@cache
def short(card: TrustCard = SHORT) -> Trust:
    return Trust(card)


@cache
def days(card: TrustCard = SHORT) -> tuple[Events, ...]:
    return tuple(short(card).day(day) for day in range(card.days))


def by_users(events: Events, world: Trust) -> Events:
    """Those that no attacker sent."""
    return events.take(events["user"] < world.card.users)


def test_trust_of_a_dimension_is_beta_over_kols() -> None:
    trust = Trust(CROWD.varied(collapses=0.0, drift=0.0)).trust[0]
    variance = 14 * 6 / (20**2 * 21)  # Beta(14, 6): mean .7, variance .01

    for name, column in zip(DIMENSIONS, trust.T, strict=True):
        assert is_within(column.mean(), 0.7, variance / CROWD.kols), name
        assert column.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / CROWD.kols)), name


def test_dimensions_of_a_kol_go_together_and_differ() -> None:
    trust = Trust(CROWD.varied(collapses=0.0, drift=0.0)).trust[0]
    between = np.corrcoef(trust.T)[np.triu_indices(5, 1)]

    assert (between > 0.2).all()
    assert (between < 0.7).all()


def test_tiers_have_their_shares_and_the_greater_ones_the_more_meetings() -> None:
    world = Trust(CROWD)
    counts = np.bincount(world.tier)
    smallest = [world.meetings[world.tier == tier].min() for tier in range(3)]
    largest = [world.meetings[world.tier == tier].max() for tier in range(3)]

    for count, share in zip(counts, (0.05, 0.25, 0.70), strict=True):
        assert is_within(count, CROWD.kols * share, CROWD.kols * share * (1 - share))
    assert smallest[0] >= largest[1]
    assert smallest[1] >= largest[2]
    assert list(TIERS) == ["head", "waist", "koc"]


def test_meetings_are_pareto_up_to_the_most() -> None:
    meetings = Trust(CROWD).meetings
    for times in (2.0, 5.0, 15.0):  # P(X > t x_m) = t^-alpha
        share = times**-1.16
        seen = np.mean(meetings > times * SHORT.fewest)

        assert is_within(seen, share, share * (1 - share) / CROWD.kols), times
    assert meetings.max() == SHORT.most


def test_as_many_collapse_fall_silent_and_begin_as_the_card_says() -> None:
    world = Trust(CROWD)

    assert world.is_new.sum() == 1_000
    # of those chosen, one in twenty is new: a new one is never silent
    assert is_within(world.is_silent.sum(), 950, 1_000 * 0.05 * 0.95)
    fell = (world.collapse_day < CROWD.days).sum()
    assert is_within(fell, 2_000 * 0.95 * 0.95, 2_000 * 0.0975 * 0.9025)


def test_a_collapse_takes_a_third_of_all_dimensions_and_stays() -> None:
    world = short()
    fell = np.flatnonzero((world.collapse_day < SHORT.days) & (world.tier != 1))
    assert fell.size

    for kol in fell.tolist():
        day = int(world.collapse_day[kol])
        path = world.trust[:, kol]
        assert SHORT.days / 3 - 1 <= day <= 2 * SHORT.days / 3
        assert path[day] == pytest.approx(0.65 * path[day - 1])
        assert (path[day:] == path[day]).all()


def test_only_the_tier_that_drifts_does() -> None:
    card = CROWD.varied(days=50, collapses=0.0)
    world = Trust(card)
    odds = np.log(world.trust / (1 - world.trust))
    moved = odds[-1, :, 0] - odds[0, :, 0]
    drifts = world.tier == TIERS.index("waist")
    n = drifts.sum()

    assert np.abs(moved[~drifts]).max() < 1e-12
    # 49 steps of .03: the variance of a sample variance is 2 / n of its square
    assert moved[drifts].var() == pytest.approx(49 * 0.03**2, rel=4 * np.sqrt(2 / n))


def test_meetings_come_as_often_as_they_are_expected() -> None:
    world = short()
    expected = sum((world.meetings * world.is_active(day)).sum() for day in range(SHORT.days))
    seen = sum(int((by_users(events, world)["form"] == VIEW).sum()) for events in days())

    assert is_within(seen, float(expected), float(expected))


def test_nobody_is_met_before_the_beginning_or_after_falling_silent() -> None:
    world, met = short(), np.zeros((SHORT.days, SHORT.kols), np.int64)
    for day, events in enumerate(days()):
        met[day] = np.bincount(events["kol"][events["form"] == VIEW], minlength=SHORT.kols)

    assert not met[-SHORT.silent_days :, world.is_silent].any()
    assert not met[: -SHORT.new_days, world.is_new].any()
    assert met[: -SHORT.silent_days, world.is_silent].any(axis=0).all()
    assert met[-SHORT.new_days :, world.is_new].any(axis=0).all()


def test_raters_have_their_shares() -> None:
    world = Trust(CROWD.varied(users=50_000))

    for count, rater in zip(np.bincount(world.rater), LONG.raters, strict=True):
        expected = 50_000 * rater.share
        assert is_within(count, expected, expected * (1 - rater.share))


def test_accounts_have_the_ages_that_the_card_says() -> None:
    world = Trust(CROWD.varied(users=50_000))
    age = world.age_d[:50_000]
    old = age[age >= 30]

    assert age.min() >= 1
    assert is_within(np.sum(age < 30), 50_000 * 0.15, 50_000 * 0.15 * 0.85)
    # exponential beyond 30 days, cut to whole days: half a day less
    assert is_within(old.mean(), 30 + 400 - 0.5, 400**2 / len(old))


def judged(world: Trust, dimension: str) -> tuple[NDArray[np.float64], ...]:
    """Of all meetings: how probable it is that they are judged well, by loops over raters."""
    place = DIMENSIONS.index(dimension)
    chances = []
    for day, events in enumerate(days(world.card)):
        views = by_users(events.take(events["form"] == VIEW), world)
        trust = world.trust[day][views["kol"], place]
        chance = np.zeros(len(trust))
        for number, rater in enumerate(world.card.raters):
            of = world.rater[views["user"]] == number
            chance[of] = rater.honesty * trust[of] + (1 - rater.honesty) * rater.bias
        chances.append(chance)
    return tuple(chances)


@pytest.mark.parametrize("place", range(len(SIGNS)))
def test_every_sign_comes_as_often_as_trust_and_raters_make_it(place: int) -> None:
    world, sign = short(), SIGNS[place]
    well = np.concatenate(judged(world, sign.dimension))
    chance = sign.base * (well if sign.speaks == FOR else 1 - well)
    form = world.forms.index(sign.form)
    seen = sum(int((by_users(events, world)["form"] == form).sum()) for events in days())

    assert is_within(seen, chance.sum(), (chance * (1 - chance)).sum())


def test_honest_raters_alone_say_the_truth() -> None:
    world = Trust(SHORT.varied(raters=HONEST))
    trust = np.array([0.1, 0.5, 0.9])

    assert world.judged_well(trust, np.array([1, 2, 3])).tolist() == trust.tolist()


def test_what_is_not_judged_well_comes_back() -> None:
    world = short()
    well = np.concatenate(judged(world, "O"))
    orders = sum(int((events["form"] == PAID).sum()) for events in days())
    returned = sum(int((events["form"] == REFUND).sum()) for events in days())
    ordered = 0.02 * len(well)
    refunds = 0.02 * (1 - well)

    assert is_within(orders, ordered, ordered * 0.98)
    assert is_within(returned, refunds.sum(), (refunds * (1 - refunds)).sum())


def test_a_refund_names_its_order_and_comes_after_it() -> None:
    paid, delays = {}, []
    for events in days():
        for value in events.messages(Trust.forms).tolist():
            said = json.loads(value)
            if said.get("kind") == "paid":
                paid[said["order_id"]] = said
            if said.get("kind") == "refund":
                order = paid[said["ref_order_id"]]
                assert said["user_id"] == order["user_id"]
                assert said["pay_cents"] == order["pay_cents"]
                delays.append((said["ts"] - order["ts"]) / 86_400_000)

    cut = 8 * (1 - np.exp(-30 / 8))  # the mean of an exponential that is cut at 30
    assert 0 <= min(delays) <= max(delays) <= 30
    assert is_within(float(np.mean(delays)), cut, 8**2 / len(delays))


def test_without_attacks_all_other_messages_are_the_same() -> None:
    card = SHORT.varied(kols=80, days=40, silent_days=10)
    with_, without = Trust(card), Trust(card.varied(attacks=()))

    def said(world: Trust) -> Counter[bytes]:
        return Counter(value for _, _, value in world.messages())

    more = said(with_) - said(without)
    assert not said(without) - said(with_)
    assert len(more) == sum(attack.events for attack in card.attacks)


def test_an_attack_is_of_its_accounts_on_one_kol_within_a_day() -> None:
    world, first = short(), SHORT.users
    for attack, kol in zip(SHORT.attacks, world.targets, strict=True):
        events = days()[SHORT.days - attack.day_before_end]
        last = first + attack.accounts
        ours = events.take((events["user"] >= first) & (events["user"] < last))
        first = last

        assert len(ours) == attack.events
        assert set(ours["kol"].tolist()) == {kol}
        assert set(ours["age"].tolist()) == {attack.age_d}
        assert len(np.unique(ours["user"])) == attack.accounts
        assert world.is_new[kol] == (attack.on == "new")


def test_known_targets_are_steady_and_no_kol_is_attacked_twice() -> None:
    world = short()
    known = [k for a, k in zip(SHORT.attacks, world.targets, strict=True) if a.on == "known"]

    assert len(set(world.targets)) == len(world.targets)
    assert (world.meetings[known] >= 20).all()
    assert (world.collapse_day[known] == SHORT.days).all()
    assert not world.is_silent[known].any()


def test_there_must_be_as_many_kols_as_attacks() -> None:
    with pytest.raises(ValueError, match="too few"):
        _ = Trust(SHORT.varied(kols=10)).targets


def test_what_kols_publish_and_are_told_follows_their_trust() -> None:
    """Disclosure by I, copies and stars by A, violations by 1 - I."""
    card = SHORT.varied(kols=400, days=60, silent=0.0, new=0.0)
    world = Trust(card)
    trust = {name: world.trust[..., DIMENSIONS.index(name)] for name in "AI"}
    records = list(world.references())
    contents = [record for topic, record in records if topic == CONTENTS]
    kol = np.array([int(one["kol_id"][1:]) for one in contents])
    day = np.array([int(one["content_id"].rpartition("d")[2]) for one in contents])
    texts = Counter(one["text"] for one in contents)
    disclosed = sum(one["disclosed"] for one in contents)
    own = sum(texts[one["text"]] == 1 for one in contents)
    violations = sum(topic == NOTICES for topic, _ in records)
    stars = np.array([one["authenticity"] for topic, one in records if topic == PERCEPTIONS])
    few, asked = VIOLATIONS_A_DAY * (1 - trust["I"]), trust["A"][[29, 59]]

    n = card.kols * card.days * CONTENTS_A_DAY
    assert is_within(len(contents), n, n * (1 - CONTENTS_A_DAY))
    for seen, of in ((disclosed, trust["I"][day, kol]), (own, trust["A"][day, kol])):
        assert is_within(seen, of.sum(), (of * (1 - of)).sum())
    assert is_within(violations, few.sum(), few.sum())
    # (stars - 1) / 4 is a mean of four: its variance is A (1 - A) / 4
    assert len(stars) == 2 * card.kols * 5
    assert is_within(
        ((stars - 1) / 4).mean(), asked.mean(), (asked * (1 - asked) / 4).mean() / len(stars)
    )


def test_a_rater_is_what_shares_honesty_and_bias_say() -> None:
    world = Trust(SHORT.varied(raters=(Rater(1.0, 0.25, 1.0),)))

    assert world.judged_well(np.array([0.4]), np.array([0])).tolist() == [0.25 * 0.4 + 0.75]
