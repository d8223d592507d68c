"""Counts of minutes have the distribution of their card, and the messages say these counts."""

import json
from dataclasses import replace
from functools import cache
from itertools import chain

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.demo.market import COMMENTS, COMPLAINTS
from schemas.reference_types import CONTENTS, POLICIES, PROFILES
from tests.worlds.chance import is_within
from tests.worlds.core import Passage, standing
from tests.worlds.messages import Events
from tests.worlds.minutes import (
    A_DAY,
    COMMENT,
    CRISES_LONG,
    CRISES_SHORT,
    NULL_LONG,
    NULL_SHORT,
    ORDER,
    STREAMS,
    VIEW,
    WAVE_H,
    Case,
    Crises,
    Lift,
    MinuteCard,
    Minutes,
    Null,
    Rate,
    crises,
)
from tests.worlds.world import BEGIN_MS, DAY, MINUTE

CALM = MinuteCard(  # steady KOLs of one rate, and no mood: binomial counts
    kols=20, days=7, rates=(Rate(20, 20),), log_sd=0.0, seasonal=0.0
)
NO_CASES = -1


def one_case(found: Case, kols: int = 20, rate: float = 5, contents: float = 2) -> Crises:
    """KOLs to whom one thing happens, without mood and rhythm."""
    card = CALM.varied(
        kols=kols,
        rates=(Rate(rate, kols),),
        cases=(found._replace(kols=kols),),
        contents=contents,
    )
    return Crises(card)


def case(kind: str) -> Case:
    """A case of the library."""
    return next(one for one in crises(40) if one.kind == kind)


@cache
def all_days(form: str) -> tuple[Minutes, tuple[Events, ...]]:
    world = {"null": Null(NULL_SHORT), "crises": Crises(CRISES_SHORT)}[form]
    return world, tuple(world.day(day) for day in range(world.card.days))


# ---------------------------------------------------------------- counts


def test_comments_come_at_the_rate_of_their_kol() -> None:
    world = Null(NULL_SHORT.varied(seasonal=0.0))
    n = world.counts(COMMENT).n.sum(axis=1)
    expected = world.rate * world.minutes

    assert sorted(world.rate) == sorted(
        rate.comments for rate in NULL_SHORT.rates for _ in range(rate.kols)
    )
    # (n - l)^2 / l of a Poisson(l) number has the mean 1 and the variance 2 + 1 / l
    variance = (2 + 1 / expected).mean() / len(n)
    assert is_within(((n - expected) ** 2 / expected).mean(), 1, variance)
    assert is_within(n.sum(), expected.sum(), expected.sum())


def test_views_and_orders_come_at_their_rates() -> None:
    world = Null(CALM)
    minutes = CALM.kols * world.minutes
    for stream, rate in ((VIEW, 0.2 * 20), (ORDER, 1 / 60)):
        assert is_within(world.counts(stream).n.sum(), rate * minutes, rate * minutes), stream


def test_promotions_are_their_share_of_orders() -> None:
    n, k = Null(CALM).counts(ORDER)

    assert is_within(k.sum(), 0.3 * n.sum(), 0.3 * 0.7 * n.sum())


def test_comments_of_one_minute_are_correlated() -> None:
    """Beta-binomial: Var(k | n) = n p (1 - p) (1 + (n - 1) rho), with rho = .05."""
    counts = Null(CALM).counts(COMMENT)
    several, p = counts.n > 1, 0.05
    n, k = counts.n[several].astype(float), counts.k[several]
    scaled = (k - n * p) ** 2 / (n * p * (1 - p) * (1 + (n - 1) * 0.05))

    assert is_within(scaled.mean(), 1, scaled.var() / len(scaled))
    assert is_within((k / n).mean(), p, (k / n).var() / len(n))


def test_the_mood_has_its_mean_its_spread_and_its_memory() -> None:
    """exp(sd g - sd^2 / 2) has the mean 1; g is AR(1) with correlation exp(-h / tau)."""
    world = Null(CALM.varied(kols=200, rates=(Rate(1, 200),), log_sd=0.5))
    mood = world.mood.astype(float)
    g = (np.log(mood) + 0.125) / 0.5
    keep = np.exp(-1 / 30)
    independent = g.size * (1 - keep) / (1 + keep)  # of an AR(1), for its mean

    assert is_within(g.mean(), 0, 1 / independent)
    assert g.var() == pytest.approx(1, rel=4 * np.sqrt(2 / (g.size * (1 - keep**2))))
    for lag in (1, 30, 90):
        seen = (g[:, lag:] * g[:, :-lag]).mean()
        assert seen == pytest.approx(np.exp(-lag / 30), abs=4 / np.sqrt(independent)), lag
    # Cov(exp) = exp(sd^2 rho) - 1, added up over all lags
    lags = np.arange(1, 2_000)
    around = np.expm1(0.25) + 2 * np.expm1(0.25 * keep**lags).sum()
    assert is_within(mood.mean(), 1, around / mood.size)


def test_neighbouring_minutes_share_the_mood() -> None:
    """Var(k / n) of two minutes together exceeds that of minutes far apart by the mood's part."""
    n, k = Null(CALM.varied(log_sd=0.5)).counts(COMMENT)
    share = k / np.maximum(n, 1) - 0.05
    # Cov(p_t, p_t+h) = p^2 (exp(sd^2 exp(-h / tau)) - 1)
    for lag in (1, 30):
        products = share[:, lag:] * share[:, :-lag]
        expected = 0.05**2 * np.expm1(0.25 * np.exp(-lag / 30))
        by_kol = products.mean(axis=1)  # KOLs are independent
        assert is_within(by_kol.mean(), expected, by_kol.var() / len(by_kol)), lag


def test_half_of_the_kols_have_a_daily_rhythm() -> None:
    world = Null(CALM.varied(kols=400, rates=(Rate(1, 400),), days=1, seasonal=0.5))
    assert is_within(world.is_seasonal.sum(), 200, 100)

    seasonal, steady = (int(np.flatnonzero(world.is_seasonal == of)[0]) for of in (True, False))
    wave = world.bad_share(seasonal, COMMENT)
    assert (wave.max(), wave.min()) == pytest.approx((0.075, 0.025))
    assert wave.mean() == pytest.approx(0.05)
    assert (world.bad_share(steady, COMMENT) == 0.05).all()
    assert world.rates(seasonal, COMMENT).mean() == pytest.approx(1)
    assert world.rates(seasonal, COMMENT).std() > 0.2
    # half past nine in the evening in Shanghai is the busiest hour: 13 h UTC
    assert world.rates(seasonal, COMMENT).argmax() // 60 == 13


def test_nothing_happens_in_the_null_world() -> None:
    world = Null(NULL_LONG)

    assert (world.case == NO_CASES).all()
    for stream in STREAMS:
        assert (world.lift(3, stream, "rate") == 1).all()
        assert (world.lift(3, stream, "bad") == 1).all()
    assert not world.bots_rate(3).any()


# ---------------------------------------------------------------- cases


@pytest.mark.parametrize("factor", [2, 4])
def test_a_step_multiplies_the_bad_share_from_its_onset_on(factor: int) -> None:
    world = one_case(case(f"step x{factor}"))
    n, k = world.counts(COMMENT)
    after = np.arange(world.minutes) >= world.onset[:, None]

    for which, p in ((~after, 0.05), (after, 0.05 * factor)):
        many, bad = n[which].sum(), k[which]
        # the variance of a beta-binomial, n of each minute
        spread = n[which] * p * (1 - p) * (1 + np.maximum(n[which] - 1, 0) * 0.05)
        assert is_within(bad.sum(), many * p, spread.sum())


def test_a_ramp_is_half_as_great_in_its_middle() -> None:
    world = one_case(case("ramp 12 h"), kols=2)
    lift, onset = world.lift(0, COMMENT, "bad"), int(world.onset[0])

    assert lift[onset - 1] == 1
    assert lift[onset + 360] == pytest.approx(1 + 3 / 2)
    assert lift[onset + 720 :].tolist() == [4] * (world.minutes - onset - 720)


def test_crises_at_least_double_a_share_and_their_likenesses_do_not() -> None:
    for one in crises(40):
        sour = [lift.factor for lift in one.lifts if (lift.stream, lift.what) == (COMMENT, "bad")]
        assert all(factor >= 2 if one.is_crisis else factor < 2 for factor in sour), one.kind


def test_the_long_library_is_as_large_as_the_targets_ask() -> None:
    cases = CRISES_LONG.cases
    sentiment = [one for one in cases if one.kind.startswith(("step", "ramp"))]

    assert sum(one.kols for one in sentiment) == 200
    assert sum(one.kols for one in cases if not one.is_crisis) == 400
    assert sum(rate.kols for rate in CRISES_LONG.rates) == CRISES_LONG.kols == 710
    assert [one.bots for one in cases if one.bots] == [0.05, 0.10, 0.20, 0.50, 0.1]


def test_onsets_leave_days_before_and_what_is_of_a_vertical_comes_at_once() -> None:
    world = Crises(CRISES_SHORT)
    at_once = np.array([one.at_once for one in CRISES_SHORT.cases])[world.case]

    assert world.onset.min() >= 2.5 * A_DAY
    assert world.onset.max() <= 3.5 * A_DAY
    assert set(world.onset[at_once].tolist()) == {3 * A_DAY - 480}  # midnight in Shanghai
    for number, one in enumerate(CRISES_SHORT.cases):
        verticals = {world.vertical[kol] for kol in np.flatnonzero(world.case == number).tolist()}
        assert (verticals == {one.kind}) == one.at_once


@pytest.mark.parametrize("share", [0.05, 0.10, 0.20, 0.50])
def test_bots_are_their_share_of_the_views_of_a_wave(share: float) -> None:
    world = one_case(Case("bots", 20, (), bots=share))
    n, bots = world.counts(VIEW)
    passed = np.arange(world.minutes) - world.onset[:, None]
    wave = (passed >= 0) & (passed < WAVE_H * 60)
    people = 0.2 * 5 * wave.sum()
    expected = people * share / (1 - share)

    assert not bots[~wave].any()
    assert is_within(bots.sum(), expected, expected)
    assert is_within(bots.sum() / n[wave].sum(), share, share * (1 - share) / n[wave].sum())


def test_bots_are_young_accounts_on_few_devices_that_look_for_less_than_a_second() -> None:
    world = one_case(Case("bots", 2, (), bots=0.5), kols=2)
    events = Events.joined([world.day(day) for day in range(7)])
    views = [json.loads(value) for value in events.messages(world.forms) if b'"view"' in value]
    bots = [one for one in views if int(one["user_id"][1:]) >= world.card.users]

    assert len(bots) == world.counts(VIEW).k.sum() > 100
    assert {one["device_hash"] for one in bots} == {f"d900000{n}" for n in range(3)}
    assert all(one["dwell_ms"] < 1_000 and 1 <= one["account_age_d"] <= 5 for one in bots)


def test_old_bots_are_old() -> None:
    world = one_case(case("bots 10%, aged"), kols=3)
    events = Events.joined([world.day(day) for day in range(7)])
    bots = events.take(events["user"] >= world.card.users)

    assert len(bots) == world.counts(VIEW).k.sum() > 30
    assert bots["age"].min() >= 200
    assert bots["dwell"].max() < 1_000


def refunds(world: Minutes) -> tuple[NDArray[np.int64], ...]:
    """KOL and moment of every order, and of its refund (0 where there is none), by the messages."""
    orders: dict[str, tuple[int, int]] = {}
    back: dict[str, int] = {}
    for day in range(world.card.days):
        for value in world.day(day).messages(world.forms).tolist():
            said = json.loads(value)
            if said.get("kind") == "paid":
                orders[said["order_id"]] = int(said["brand_id"][1:]), said["ts"]
            elif said.get("kind") == "refund":
                back[said["ref_order_id"]] = said["ts"]
    assert back.keys() <= orders.keys()
    kol, at = np.array([*orders.values()]).T
    return kol, at, np.array([back.get(one, 0) for one in orders])


def test_twelve_in_a_hundred_orders_come_back_after_an_exponential_time() -> None:
    world = Null(CALM.varied(orders=1.0, kols=5, rates=(Rate(0.1, 5),)))
    _, at, back = refunds(world)
    is_back = back > 0
    age = (back - at)[is_back] / DAY
    n = len(at)

    assert is_within(is_back.sum(), 0.12 * n, 0.12 * 0.88 * n)
    assert is_within(age.mean(), 8, 64 / len(age))
    for day in (1, 3, 14):
        share = 1 - np.exp(-day / 8)
        assert is_within((age < day).mean(), share, share * (1 - share) / len(age)), day


@pytest.mark.parametrize("kind", ["refunds x1.8", "refunds x4"])
def test_a_burst_multiplies_the_hazard_of_refunds_from_its_onset_on(kind: str) -> None:
    """Survival S(a) = 1 - .12 F(a) before the onset; after it S(a0) (S(a) / S(a0))^m."""
    found = case(kind)
    world = one_case(found._replace(orders=2.0), kols=5, rate=0.1)
    kol, at, back = refunds(world)
    factor = found.lifts[0].factor
    onset = BEGIN_MS + world.onset[kol] * MINUTE
    end = BEGIN_MS + 7 * DAY

    def survives(age_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        return 1 - 0.12 * -np.expm1(-np.maximum(age_ms, 0) / DAY / 8)

    before, whole = survives(onset - at), survives(end - at)
    until = np.where(at < onset, before * (whole / before) ** factor, whole**factor)
    for seen, chance in (
        ((back > 0) & (back < onset), 1 - before),
        ((back >= onset) & (back < end), before - until),
    ):
        assert is_within(seen.sum(), chance.sum(), (chance * (1 - chance)).sum())


def test_a_promo_cliff_is_two_days_of_promotions_and_few_orders_after() -> None:
    world = one_case(case("promo cliff"), kols=1)
    onset = int(world.onset[0])
    rates, promo = world.rates(0, ORDER), world.bad_share(0, ORDER)

    for first, rate, share in ((0, 1, 0.3), (onset, 2, 0.9), (onset + 2_880, 0.3, 0.3)):
        assert rates[first] == pytest.approx(rate / 3)
        assert promo[first] == pytest.approx(share)


def test_a_double_eleven_is_announced_a_week_before() -> None:
    world = Crises(CRISES_SHORT)
    said = [record for topic, record in world.references() if topic == POLICIES]

    assert [one["type"] for one in said] == ["promo_calendar"] * 2
    assert {one["ts"] for one in said} == {BEGIN_MS - 7 * DAY}
    assert {one["effective_from"] for one in said} == {BEGIN_MS + (3 * A_DAY - 480) * MINUTE}


def test_contents_are_copied_as_often_as_the_case_says() -> None:
    world = one_case(case("copies"), kols=40, contents=20.0)
    contents = [record for topic, record in world.references() if topic == CONTENTS]
    onset = BEGIN_MS + world.onset * MINUTE
    is_copy = np.array(["姐妹们冲" in one["text"] for one in contents])
    after = np.array([one["ts"] >= onset[int(one["kol_id"][1:])] for one in contents])

    for which, share in ((~after, 0.05), (after, 0.6)):
        n = which.sum()
        assert is_within(is_copy[which].sum(), n * share, n * share * (1 - share))
    assert is_within(len(contents), 40 * 7 * 20, 40 * 7 * 20)


def test_every_kol_has_a_profile() -> None:
    world = Null(NULL_SHORT)

    assert sum(topic == PROFILES for topic, _ in world.references()) == NULL_SHORT.kols


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize("form", ["null", "crises"])
def test_the_messages_say_the_counts(form: str) -> None:
    world, days = all_days(form)
    counts = world.counts(COMMENT)
    n, k = np.zeros_like(counts.n), np.zeros_like(counts.k)
    first = world.forms.index(next(one for one in world.forms if "comment" in one.text))
    for events in days:
        some = events.take(events["form"] >= first)
        place = some["kol"], (some["at"] - BEGIN_MS) // MINUTE
        np.add.at(n, place, 1)
        np.add.at(k, place, some["form"] >= first + len(COMMENTS))

    assert (n == counts.n).all()
    assert (k == counts.k).all()


def test_bad_comments_are_complaints() -> None:
    for place, text in enumerate((*COMMENTS, *COMPLAINTS), 5):
        assert f'"text":"{text}"' in Minutes.forms[place].text
    assert len(Minutes.forms) == 5 + len(COMMENTS) + len(COMPLAINTS)


def test_nobody_comments_twice_on_a_kol_in_a_minute() -> None:
    world, days = all_days("crises")
    first = world.forms.index(next(one for one in world.forms if "comment" in one.text))
    for events in days:
        some = events.take(events["form"] >= first)
        places = np.stack([some["kol"], some["at"] // MINUTE, some["user"]])
        assert np.unique(places, axis=1).shape == places.shape


def test_the_cells_of_the_product_have_the_counts() -> None:
    card = NULL_SHORT.varied(days=1, delivery=replace(NULL_SHORT.delivery, copied=0.2))
    world = Null(card)
    rows = chain.from_iterable(Passage(world).rows())
    cells = standing(rows, "minute_cell", ("kol_id", "minute", "source_partition"))
    is_kol = np.array([one.startswith("k") for one in np.asarray(cells["kol_id"])])
    kol = np.array([int(one[1:]) for one in np.asarray(cells["kol_id"])[is_kol]])
    minute = (np.asarray(cells["minute"])[is_kol] * 1_000 - BEGIN_MS) // MINUTE
    for stream, field in ((COMMENT, "comments"), (VIEW, "views"), (ORDER, "clicks")):
        seen = np.zeros((card.kols, A_DAY), np.int64)
        np.add.at(seen, (kol, minute), np.asarray(cells[field])[is_kol])
        counts = world.counts(stream).n
        if stream == ORDER:  # the click comes half a minute before its order
            assert seen.sum() == counts.sum()
        else:
            assert (seen == counts).all(), stream


def test_a_lift_begins_after_its_hours_and_ends() -> None:
    lifts = (Lift(ORDER, "rate", 3, hours=2), Lift(ORDER, "rate", 0.5, after_h=2))
    world = one_case(Case("sale", 1, lifts), kols=1)
    lift, onset = world.lift(0, ORDER, "rate"), int(world.onset[0])

    assert set(lift[:onset].tolist()) == {1}
    assert set(lift[onset : onset + 120].tolist()) == {3}
    assert set(lift[onset + 120 :].tolist()) == {0.5}
    assert (world.lift(0, COMMENT, "rate") == 1).all()
