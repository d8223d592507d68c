"""Worlds 3 and 5: comments, views and orders minute by minute, bad ones among them.

Of a KOL, a stream and a minute n observations are made, of which k are bad:

    n ~ Poisson(rate * day's rhythm * lift of the case)
    p = bad * day's rhythm * lift of the case * exp(sd g - sd^2 / 2)
    g' = phi g + sqrt(1 - phi^2) e,  phi = exp(-1 / tau)
    k ~ Beta-binomial(n, p) with correlation `within`

g is the mood of a KOL's audience, which lasts for half an hour: comments of neighbouring minutes
are correlated, and so are those of one minute. E[exp(sd g - sd^2 / 2)] is 1, so the mean share is
`bad`. Views and orders have no mood: each stands for itself.

`counts` gives n and k of all minutes, for what needs no messages; the messages of the world say
exactly these counts. In the null world nothing else happens; in the library of crises each KOL has
one case, a crisis or something that only looks like one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.demo.audience import BOT_DEVICES, BOTS
from deploy.demo.contents import COPIED, PRODUCTS
from deploy.demo.market import COMMENTS, COMPLAINTS, RHYTHM
from schemas.reference_types import CONTENTS, POLICIES, PROFILES
from tests.worlds.draws import Floats, Ints, Mask, expanded, generator, uniform
from tests.worlds.messages import Events, clickstream, interaction, purchase
from tests.worlds.world import (
    BEGIN_MS,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHANGHAI_H,
    Card,
    Record,
    World,
    numbered,
)

A_DAY: Final = 1_440  # minutes
COMMENT, VIEW, ORDER = "comment", "view", "order"
STREAMS: Final = (COMMENT, VIEW, ORDER)
VERTICALS: Final = 8  # of the KOLs whose case is their own


class Rate(NamedTuple):
    """How many KOLs have so many comments a minute."""

    comments: float
    kols: int


class Lift(NamedTuple):
    """What a case does to a stream from its onset on."""

    stream: str
    what: str  # rate, bad or refunds
    factor: float
    hours: float | None = None  # None: until the end
    ramp_h: float = 0.0  # until it is as great
    after_h: float = 0.0  # begins so long after the onset

    def __str__(self) -> str:
        """In words, as a page has it."""
        words = [f"{self.stream} {self.what} ×{self.factor:g}"]
        for word, hours in (("over", self.ramp_h), ("after", self.after_h), ("for", self.hours)):
            words += [f"{word} {hours:g} h"] if hours else []
        return " ".join(words)


class Case(NamedTuple):
    """A sort of thing that happens to some KOLs, each at a moment of its own or all at once."""

    kind: str
    kols: int
    lifts: tuple[Lift, ...]
    is_crisis: bool = True
    at_once: bool = False  # they are one vertical, and it happens to all of them
    orders: float | None = None  # a minute, where not as of all others
    bots: float = 0.0  # share of views in a wave of 6 hours
    is_aged: bool = False  # whether their accounts are old
    copied: float | None = None  # share of contents from the onset on


def crises(kols: int) -> tuple[Case, ...]:
    """The cases of the library, with `kols` of each sort of sentiment crisis."""
    few, some, many = kols // 4, kols // 2, 5 * kols // 2
    sour = 1.3  # complaints about parcels and prices, below the doubling that is a crisis
    return (
        *(Case(f"step x{x}", kols, (Lift(COMMENT, "bad", x),)) for x in (2, 4)),
        *(Case(f"ramp {h} h", kols, (Lift(COMMENT, "bad", 4, ramp_h=h),)) for h in (2, 12, 48)),
        *(
            Case(f"refunds x{x}", some, (Lift(ORDER, "refunds", x),), orders=1 / 3)
            for x in (1.8, 4)
        ),
        *(Case(f"bots {share:.0%}", few, (), bots=share) for share in (0.05, 0.10, 0.20, 0.50)),
        Case("bots 10%, aged", few, (), bots=0.1, is_aged=True),
        Case("copies", few, (), copied=0.6),
        Case(
            "promo cliff",
            few,
            (
                Lift(ORDER, "bad", 3, hours=48),
                Lift(ORDER, "rate", 2, hours=48),
                Lift(ORDER, "rate", 0.3, after_h=48),
            ),
            orders=1 / 3,
        ),
        *(
            Case(
                f"double 11, {name}",
                many // 2,
                (
                    Lift(COMMENT, "rate", 4, hours=24),
                    Lift(COMMENT, "bad", sour, hours=24),
                    Lift(ORDER, "rate", 10, hours=24),
                    Lift(ORDER, "bad", 3, hours=24),
                ),
                is_crisis=False,
                at_once=True,
            )
            for name in ("food", "care")
        ),
        *(
            Case(
                f"holiday, {name}",
                many // 2,
                (
                    Lift(COMMENT, "rate", 0.3, hours=72),
                    Lift(COMMENT, "bad", 1.5, hours=72),
                    Lift(ORDER, "rate", 0.3, hours=72),
                ),
                is_crisis=False,
                at_once=True,
            )
            for name in ("toys", "books")
        ),
        Case(
            "viral",
            many,
            (
                Lift(COMMENT, "rate", 20, hours=6),
                Lift(VIEW, "rate", 20, hours=6),
                Lift(ORDER, "rate", 5, hours=6),
            ),
            is_crisis=False,
        ),
        Case(
            "price change",
            many,
            (
                Lift(ORDER, "rate", 3, hours=24),
                Lift(ORDER, "rate", 0.5, after_h=24),
                Lift(COMMENT, "rate", 2, hours=12),
                Lift(COMMENT, "bad", sour, hours=12),
            ),
            is_crisis=False,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class MinuteCard(Card):
    """Streams by minute.

    Attributes:
        kols: how many there are [§11.3, 1 000 in the null world; in the library as many as its
            cases have].
        days: how long it goes on [§11.4, false pages are counted by week; in the library days of
            calm lie before the crises, and ramps of two days end].
        users: how many accounts there are [chosen: no account comments twice in a minute, and few
            on one day].
        rates: KOLs by comments a minute [§11.3, "1/60 to 100 observations per minute"; how many of
            each is ours: as many as one core folds in a minute, most of them small].
        bad: mean share of bad comments [§7.2, p0 = 5 %].
        log_sd: of the mood [§11.4: targets hold up to .5; §0a.5 has .3, .5 and .8].
        tau: minutes in which the mood forgets [§0a.5, 30].
        within: correlation of the comments of one minute [§7.2, .05].
        seasonal: share of KOLs with a daily rhythm [§11.3, "stationary and seasonal": halves].
        rhythm: of the bad share around its mean, over a day [§11.4, +-50 %]; that of rates is
            `deploy.demo.market.RHYTHM`.
        views: of a comment [chosen: views say less than comments, and cost as much].
        short: share of people's views below a second [chosen: who scrolls on; a wave of bots
            doubles it at a tenth].
        young: share of people's accounts of less than 30 days [chosen: as in the world of trust].
        orders: a minute and KOL [chosen: one an hour, §0a.6, "1 observation an hour"].
        promo: share of orders in promotions [§7.2, floor .30].
        refunded: share of orders [§5, 12 %].
        refund_days: mean delay of refunds, exponential [chosen: of the ages of §7.1's buckets, none
            is empty].
        contents: of a KOL and day [chosen: a crisis of copies shows within days].
        copied: share of contents that say what others said [§7.2, floor .05].
        cases: what happens to whom; nothing in the null world [§11.3; sizes of steps and ramps
            §11.4, of bot waves §11.3, of aged bots §11.5, of refunds §11.4; of hard negatives ours:
            rates as in life, bad shares below the doubling that is a crisis by §7.5].
        onset_d: the first and the last day of onsets [chosen: two days and a half before, for a
            baseline; two and a half after, for ramps of two].

    """

    kols: int
    days: int = 7
    users: int = 60_000
    rates: tuple[Rate, ...]
    bad: float = 0.05
    log_sd: float = 0.5
    tau: float = 30.0
    within: float = 0.05
    seasonal: float = 0.5
    rhythm: float = 0.5
    views: float = 0.2
    short: float = 0.10
    young: float = 0.15
    orders: float = 1 / 60
    promo: float = 0.30
    refunded: float = 0.12
    refund_days: float = 8.0
    contents: float = 2.0
    copied: float = 0.05
    cases: tuple[Case, ...] = ()
    onset_d: tuple[float, float] = (2.5, 3.5)


class Counts(NamedTuple):
    """Observations of a stream and the bad ones among them, shape (kols, minutes)."""

    n: NDArray[np.int32]
    k: NDArray[np.int32]


_WHO: Final = ',"account_age_d":<age:5>,"content_id":"k<kol:04>-c<content:02>"'
_LED: Final = ',"kol_id":"k<kol:04>","content_id":"k<kol:04>-c<content:02>"'
_DEVICE: Final = ',"device_hash":"d<device:07>","ip_hash":"i<device:07>"'
_ORDER: Final = ',"order_id":"o<order:015>","brand_id":"b<kol:04>","pay_cents":<cents:6>'
_VIEW, _CLICK, _PAID, _PROMO, _REFUND, _SAID = range(6)


class Minutes(World):
    """The world of a `MinuteCard`."""

    name = "minutes"
    forms = (
        interaction("view", f'{_WHO},"dwell_ms":<dwell:6>{_DEVICE}'),
        clickstream("click", f"{_LED}{_DEVICE}"),
        purchase("paid", f'{_ORDER},"promo_flag":false'),
        purchase("paid", f'{_ORDER},"promo_flag":true'),
        purchase("refund", f'{_ORDER},"ref_order_id":"o<paid:015>"'),
        *(
            interaction("comment", f'{_WHO},"text":"{text}"{_DEVICE}')
            for text in (*COMMENTS, *COMPLAINTS)
        ),
    )

    def __init__(self, card: MinuteCard) -> None:
        super().__init__(card)
        self.card: MinuteCard = card
        self.minutes: Final = card.days * A_DAY
        if card.kols != sum(rate.kols for rate in card.rates):
            raise ValueError("every KOL has one rate")
        if card.cases and card.kols != sum(case.kols for case in card.cases):
            raise ValueError("every KOL has one case")

    @property
    def accounts(self) -> int:
        """Users, and after them the bots: young ones, old ones."""
        return self.card.users + 2 * BOTS

    # ---------------------------------------------------------------- what is true

    @cached_property
    def rate(self) -> Floats:
        """Comments of each KOL in an average minute."""
        order = np.argsort(uniform(self.card.seed, "rate", np.arange(self.card.kols)))
        found = np.empty(self.card.kols)
        found[order] = np.concatenate(
            [np.full(rate.kols, rate.comments) for rate in self.card.rates]
        )
        return found

    @cached_property
    def case(self) -> Ints:
        """The place in `card.cases` of each KOL; -1 in the null world."""
        if not self.card.cases:
            return np.full(self.card.kols, -1)
        return np.repeat(np.arange(len(self.card.cases)), [one.kols for one in self.card.cases])

    @cached_property
    def onset(self) -> Ints:
        """The minute at which each KOL's case begins, from the world's beginning."""
        first, last = self.card.onset_d
        drawn = uniform(self.card.seed, "onset", np.arange(self.card.kols))
        own = (A_DAY * (first + (last - first) * drawn)).astype(np.int64)
        midnight = int(last) * A_DAY - SHANGHAI_H * 60
        is_at_once = np.array([one.at_once for one in self.card.cases] or [False])[self.case]
        return np.where(is_at_once, midnight, own)

    @cached_property
    def is_crisis(self) -> Mask:
        """Whose case is a crisis; nobody's in the null world."""
        return np.array([one.is_crisis for one in self.card.cases] or [False])[self.case]

    @cached_property
    def is_seasonal(self) -> Mask:
        """Who has a daily rhythm."""
        return uniform(self.card.seed, "seasonal", np.arange(self.card.kols)) < self.card.seasonal

    @cached_property
    def vertical(self) -> Sequence[str]:
        """Of each KOL: its own, or the one that its case happens to."""
        drawn = uniform(self.card.seed, "vertical", np.arange(self.card.kols)) * VERTICALS
        cases = self.card.cases
        return [
            cases[case].kind if case >= 0 and cases[case].at_once else f"v{int(number)}"
            for case, number in zip(self.case.tolist(), drawn, strict=True)
        ]

    @cached_property
    def mood(self) -> NDArray[np.float32]:
        """What bad shares of comments are multiplied by, shape (kols, minutes); its mean is 1."""
        card = self.card
        keep = np.exp(-1 / card.tau)
        path = np.stack(
            [
                generator(card.seed, "mood", kol).standard_normal(self.minutes, np.float32)
                for kol in range(card.kols)
            ],
            axis=1,
        )
        for minute in range(1, self.minutes):
            path[minute] = keep * path[minute - 1] + np.sqrt(1 - keep**2) * path[minute]
        found: NDArray[np.float32] = np.exp(card.log_sd * path - card.log_sd**2 / 2).T
        return found

    def lift(self, kol: int, stream: str, what: str) -> Floats:
        """What the case of a KOL multiplies a stream's rate or bad share by, each minute."""
        found = np.ones(self.minutes)
        case = self._case(kol)
        for one in case.lifts if case else ():
            if (one.stream, one.what) == (stream, what):
                passed = np.arange(self.minutes) - self.onset[kol] - 60 * one.after_h
                grown = np.clip(passed / (60 * one.ramp_h), 0, 1) if one.ramp_h else 1.0
                is_on = (passed >= 0) & (passed < (60 * one.hours if one.hours else np.inf))
                found *= np.where(is_on, 1 + (one.factor - 1) * grown, 1.0)
        return found

    def rates(self, kol: int, stream: str) -> Floats:
        """Observations of a KOL that are expected in each minute."""
        case = self._case(kol)
        mean = {
            COMMENT: self.rate[kol],
            VIEW: self.card.views * self.rate[kol],
            ORDER: (case and case.orders) or self.card.orders,
        }[stream]
        busy = _RHYTHM_OF[np.arange(self.minutes) % A_DAY] if self.is_seasonal[kol] else 1.0
        found: Floats = mean * busy * self.lift(kol, stream, "rate")
        return found

    def bad_share(self, kol: int, stream: str) -> Floats:
        """The share of bad ones that is expected in each minute, whatever the mood is."""
        card = self.card
        wave = np.sin(2 * np.pi * np.arange(self.minutes) / A_DAY)
        around = 1 + card.rhythm * wave * self.is_seasonal[kol] * (stream == COMMENT)
        mean = {COMMENT: card.bad, VIEW: 0.0, ORDER: card.promo}[stream]
        found: Floats = np.minimum(mean * around * self.lift(kol, stream, "bad"), 0.95)
        return found

    def bots_rate(self, kol: int) -> Floats:
        """Views by bots that are expected in each minute: so that they are the share of all."""
        case = self._case(kol)
        share = case.bots if case else 0.0
        passed = np.arange(self.minutes) - self.onset[kol]
        is_on = (passed >= 0) & (passed < WAVE_H * 60)
        found: Floats = share / (1 - share) * self.rates(kol, VIEW) * is_on
        return found

    @cached_property
    def _has_aged_bots(self) -> Mask:
        return np.array([one.is_aged for one in self.card.cases] or [False])[self.case]

    def _case(self, kol: int) -> Case | None:
        return self.card.cases[self.case[kol]] if self.case[kol] >= 0 else None

    # ---------------------------------------------------------------- what happens, in numbers

    def counts(self, stream: str) -> Counts:
        """Observations of all minutes, and bad ones: of views those by bots, of orders promos."""
        return self._counts[stream]

    @cached_property
    def _counts(self) -> Mapping[str, Counts]:
        return {stream: self._of_all(stream) for stream in STREAMS}

    def _of_all(self, stream: str) -> Counts:
        n = np.zeros((self.card.kols, self.minutes), np.int32)
        k = n.copy()
        for kol in range(self.card.kols):
            n[kol], k[kol] = self._of_kol(kol, stream)
        return Counts(n, k)

    def _of_kol(self, kol: int, stream: str) -> tuple[Ints, Ints]:
        rng = generator(self.card.seed, stream, kol)
        n = rng.poisson(self.rates(kol, stream))
        if stream == VIEW:
            bots = rng.poisson(self.bots_rate(kol))
            return n + bots, bots
        p = self.bad_share(kol, stream)
        if stream == COMMENT:
            p = np.minimum(p * self.mood[kol], 0.95)
            several = n > 1
            spread = 1 / self.card.within - 1
            p[several] = rng.beta(p[several] * spread, (1 - p[several]) * spread)
        return n, rng.binomial(n, p)

    # ---------------------------------------------------------------- what happens, as events

    def day(self, day: int) -> Events:
        """What the counts of a day say."""
        views, clicks = self._views(day), self._orders(day)
        return Events.joined([self._comments(day), views, *clicks])

    def _comments(self, day: int) -> Events:
        rng = generator(self.card.seed, "comments", day)
        kol, at, user, is_bad = self._observed(day, COMMENT, rng)
        n = len(kol)
        good = rng.integers(0, len(COMMENTS), n)
        form = _SAID + np.where(is_bad, len(COMMENTS) + good % len(COMPLAINTS), good)
        return Events.of(numbered(0, day, n), at, form, user, kol=kol, **self._who(rng, user, day))

    def _views(self, day: int) -> Events:
        rng = generator(self.card.seed, "views", day)
        kol, at, user, is_bot = self._observed(day, VIEW, rng)
        n = len(kol)
        bot = rng.integers(0, BOTS, n) + BOTS * self._has_aged_bots[kol]
        user = np.where(is_bot, self.card.users + bot, user)
        glance = rng.integers(200, 1_000, n)
        is_short = is_bot | (rng.random(n) < self.card.short)
        dwell = np.where(is_short, glance, 1_000 + rng.exponential(15_000, n).astype(np.int64))
        who = self._who(rng, user, day)
        return Events.of(
            numbered(1, day, n), at, _VIEW, user, kol=kol, dwell=np.minimum(dwell, 999_999), **who
        )

    def _orders(self, day: int) -> Iterator[Events]:
        rng = generator(self.card.seed, "orders", day)
        kol, at, user, is_promo = self._observed(day, ORDER, rng)
        n = len(kol)
        number, who = numbered(2, day, n), self._who(rng, user, day)
        clicked = np.maximum(at - 30 * SECOND, BEGIN_MS + day * DAY)
        yield Events.of(numbered(3, day, n), clicked, _CLICK, user, kol=kol, **who)
        cents = rng.integers(50, 400, n) * 100
        about = {"kol": kol, "cents": cents}
        form = np.where(is_promo, _PROMO, _PAID)
        yield Events.of(number, at, form, user, order=number, **about)
        back, age = self._given_back(rng, kol, at)
        again = numbered(4, day, len(back))
        yield Events.of(
            again,
            at[back] + (age * DAY).astype(np.int64),
            _REFUND,
            user[back],
            order=again,
            paid=number[back],
            **{name: column[back] for name, column in about.items()},
        )

    def _given_back(self, rng: np.random.Generator, kol: Ints, at: Ints) -> tuple[Ints, Floats]:
        """Which orders come back, and at which age in days: a burst multiplies the hazard.

        The hazard that is used up at an age is H = -ln(1 - refunded F(age)); an order comes back
        when it has used up an exponential amount.
        """
        card = self.card
        amount = rng.exponential(1.0, len(kol))
        factor = np.array([self._refunds_lift(one) for one in range(card.kols)], np.float64)[kol]
        onset = (BEGIN_MS + self.onset[kol] * MINUTE - at) / DAY  # as an age of the order
        done = self._hazard(np.maximum(onset, 0))
        amount = np.where(amount > done, done + (amount - done) / factor, amount)
        share = -np.expm1(-amount) / card.refunded  # F(age)
        back = np.flatnonzero(share < 1)
        return back, -card.refund_days * np.log1p(-share[back])

    def _refunds_lift(self, kol: int) -> float:
        case = self._case(kol)
        lifts = case.lifts if case else ()
        return next((one.factor for one in lifts if one.what == "refunds"), 1.0)

    def _hazard(self, age_d: Floats) -> Floats:
        card = self.card
        found: Floats = -np.log1p(card.refunded * np.expm1(-age_d / card.refund_days))
        return found

    def _observed(
        self, day: int, stream: str, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints, Mask]:
        """KOL, moment, user of each observation of a day, and whether it is bad.

        Users of one KOL and minute are different ones.
        """
        counts = self.counts(stream)
        here = slice(day * A_DAY, (day + 1) * A_DAY)
        n, k = counts.n[:, here].ravel(), counts.k[:, here].ravel()
        cell = expanded(n)
        place = np.arange(len(cell)) - np.repeat(np.cumsum(n) - n, n)
        kol, minute = np.divmod(cell, A_DAY)
        at = BEGIN_MS + (day * A_DAY + minute) * MINUTE + rng.integers(0, MINUTE, len(cell))
        first = rng.integers(0, self.card.users, len(n))[cell]
        return kol, at, (first + place) % self.card.users, place < k[cell]

    def _who(self, rng: np.random.Generator, user: Ints, day: int) -> dict[str, Ints]:
        """Age and device of accounts, and which content it is about."""
        bot = user - self.card.users
        is_bot = bot >= 0
        of_bots = np.where(bot < BOTS, 1 + bot % 5, AGED_D + bot)
        return {
            "age": np.where(is_bot, of_bots, self.age_d[user % self.card.users] + day),
            "device": np.where(is_bot, 9_000_000 + bot % BOT_DEVICES, user),
            "content": rng.integers(0, 40, len(user)),
        }

    @cached_property
    def age_d(self) -> Ints:
        """How old each user's account is on the first day, in days."""
        drawn = uniform(self.card.seed, "age", np.arange(self.card.users))
        is_young = uniform(self.card.seed, "young", np.arange(self.card.users)) < self.card.young
        return np.where(is_young, 1 + 28 * drawn, 30 - 400 * np.log(drawn)).astype(np.int64)

    # ---------------------------------------------------------------- what is known beside events

    def references(self) -> Iterator[tuple[str, Record]]:
        """Announced promotions, profiles with verticals, and contents: own ones and copies."""
        for number, case in enumerate(self.card.cases):
            if case.kind.startswith("double 11"):
                onset = int(self.onset[self.case == number][0])
                yield (
                    POLICIES,
                    {
                        "policy_id": case.kind,
                        "ts": BEGIN_MS - 7 * DAY,
                        "region": "全国",
                        "type": "promo_calendar",
                        "effective_from": BEGIN_MS + onset * MINUTE,
                    },
                )
        for kol, vertical in enumerate(self.vertical):
            yield PROFILES, {"kol_id": f"k{kol:04}", "ts": BEGIN_MS - DAY, "vertical": vertical}
        for day in range(self.card.days):
            for content in sorted(self._contents(day), key=itemgetter("ts")):
                yield CONTENTS, content

    def _contents(self, day: int) -> Iterator[Record]:
        copy = COPIED.format(product=PRODUCTS["mianmian-care"])
        for kol in range(self.card.kols):
            rng = generator(self.card.seed, "contents", day, kol)
            for number in range(rng.poisson(self.card.contents)):
                minute = int(rng.integers(0, A_DAY))
                is_copy = rng.random() < self._copied(kol, day * A_DAY + minute)
                yield {
                    "content_id": f"k{kol:04}-d{day}-{number}",
                    "ts": BEGIN_MS + day * DAY + minute * MINUTE,
                    "kol_id": f"k{kol:04}",
                    "genre": "experience",
                    "text": copy if is_copy else f"第{day}天第{number}条,第{kol}家的记录",
                }

    def _copied(self, kol: int, minute: int) -> float:
        case = self._case(kol)
        has_begun = case is not None and minute >= self.onset[kol]
        share = case.copied if case and has_begun else None
        return self.card.copied if share is None else share


class Null(Minutes):
    """World 5: nothing happens."""

    name = "null"


class Crises(Minutes):
    """World 3: something happens to everybody, and half of it is a crisis."""

    name = "crises"


WAVE_H: Final = 6  # hours that a wave of bots lasts
AGED_D: Final = 200  # days, of the youngest of the old bots
_RHYTHM_OF: Final = np.repeat(np.roll(RHYTHM, -SHANGHAI_H), HOUR // MINUTE) / np.mean(RHYTHM)


def library(kols: int, rates: tuple[Rate, ...], users: int) -> MinuteCard:
    """A card with `kols` of each sort of sentiment crisis, and the others beside them."""
    cases = crises(kols)
    return MinuteCard(
        kols=sum(case.kols for case in cases), rates=rates, cases=cases, users=users, days=6
    )


NULL_LONG: Final = MinuteCard(
    kols=1_000,
    rates=(
        Rate(1 / 60, 650),
        Rate(0.2, 250),
        Rate(1, 83),
        Rate(5, 12),
        Rate(20, 4),
        Rate(100, 1),
    ),
    messages=5_086_331,
    sha256="646798de1019ca4e05a6a0d8f352483b903ccd928d50a204e3cde9b95423cce6",
)
NULL_SHORT: Final = MinuteCard(
    kols=100,
    days=2,
    rates=(Rate(1 / 60, 65), Rate(0.2, 25), Rate(1, 9), Rate(20, 1)),
    messages=133_470,
    sha256="bb6c22fcc41a9138fe8cc7fd7ba0e932262e24bc77bcc15ebcb08635baa08677",
)
CRISES_LONG: Final = library(
    40, (Rate(0.2, 650), Rate(1, 54), Rate(5, 4), Rate(20, 1), Rate(100, 1)), 60_000
).varied(
    messages=4_376_109,
    sha256="fe8e79ee134ca38aa1c422c3543fd4316464d413f04228ec7c968124823f351c",
)
CRISES_SHORT: Final = library(4, (Rate(0.2, 64), Rate(1, 7)), 10_000).varied(
    messages=297_558,
    sha256="0badcd997f45bf4ec7a6b341215f2d8e9de0599ed8aebb15da9847cf78063232",
)
CARDS: Final[Mapping[str, Mapping[str, MinuteCard]]] = {
    "null": {"long": NULL_LONG, "short": NULL_SHORT},
    "crises": {"long": CRISES_LONG, "short": CRISES_SHORT},
}
