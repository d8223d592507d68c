"""World 2: KOLs whose trust is known by dimension, judged by raters of varying honesty.

A user meets a KOL and may react. Each sign of a dimension has a base rate; the user judges well
with probability j, and so

    P(sign for)     = base * j            j = h T + (1 - h) b
    P(sign against) = base * (1 - j)

T is the KOL's true trust in that dimension on that day, h the rater's honesty, b what a rater
without honesty says. Signs for are far more frequent than signs against, as in life: whoever adds
them up as they are sees a KOL at .99 whatever the truth is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from deploy.demo import profiles
from deploy.demo.contents import COPIED, PRODUCTS
from deploy.demo.market import BRANDS
from schemas.cells import DIMENSIONS
from schemas.reference_types import CONTENTS, NOTICES, PERCEPTIONS, PROFILES
from tests.worlds.draws import (
    Floats,
    Ints,
    Mask,
    chosen,
    expanded,
    generator,
    normal,
    uniform,
)
from tests.worlds.messages import Events, Form, clickstream, interaction, purchase
from tests.worlds.world import (
    BEGIN_MS,
    DAY,
    HOUR,
    SECOND,
    Card,
    Record,
    World,
    moments,
    numbered,
)


class Sign(NamedTuple):
    """One way to judge a KOL: an event that says it, and how often it comes of a meeting."""

    dimension: str
    speaks: str  # for, against
    form: Form
    base: float


class Rater(NamedTuple):
    """A sort of rater."""

    share: float  # of all users
    honesty: float  # h: how often they judge by the truth
    bias: float  # b: how often they judge well otherwise


class Attack(NamedTuple):
    """Accounts that speak for or against one KOL, of one owner."""

    kind: str  # smear, boost, shallow
    on: str  # known: a steady KOL with enough meetings; new: who has just begun
    accounts: int
    age_d: int
    events: int
    day_before_end: int


FOR, AGAINST = "for", "against"
TIERS: Final = tuple(profiles.TIERS)
VERTICALS: Final = tuple(dict.fromkeys(category for category, _ in BRANDS.values()))

_AGE: Final = ',"account_age_d":<age:5>,"content_id":"k<kol:04>-c<content:02>"'
_ORDER: Final = ',"order_id":"o<order:015>","brand_id":"<brand:02>","pay_cents":<cents:6>'
_VIEW, _CLICK, _PAID, _REFUND = range(4)
_BASIC: Final = (
    interaction("view", f'{_AGE},"dwell_ms":<dwell:6>'),
    clickstream("click", ',"kol_id":"k<kol:04>","content_id":"k<kol:04>-c<content:02>"'),
    purchase("paid", f'{_ORDER},"category":"care","qty":1,"list_cents":<cents:6>'),
    purchase("refund", f'{_ORDER},"ref_order_id":"o<paid:015>","reason":"quality"'),
)
SIGNS: Final = (
    Sign("E", FOR, interaction("save", _AGE), 0.10),
    Sign("E", FOR, interaction("mark_correct", _AGE), 0.05),
    Sign("E", AGAINST, interaction("expert_correction", _AGE), 0.00233),
    Sign("A", FOR, interaction("comment", f'{_AGE},"text":"亲测,和她说的一样"'), 0.03),
    Sign("A", AGAINST, interaction("comment", f'{_AGE},"text":"一看就是广告"'), 0.003),
    Sign("B", FOR, interaction("mark_helpful", _AGE), 0.08),
    Sign("B", FOR, interaction("qa_attend", _AGE), 0.04),
    Sign("B", FOR, interaction("kol_reply", _AGE), 0.06),
    Sign("B", AGAINST, interaction("unfollow", _AGE), 0.015),
    Sign("B", AGAINST, interaction("leave_private", _AGE), 0.005),
)
RATERS: Final = (
    Rater(0.90, 1.0, 0.5),
    Rater(0.04, 0.3, 1.0),
    Rater(0.04, 0.3, 0.0),
    Rater(0.02, 0.0, 0.5),
)
_PLACE_OF: Final = {sign.form: number for number, sign in enumerate(SIGNS)}
HONEST: Final = (Rater(1.0, 1.0, 0.5),)
ATTACKS: Final = (
    Attack("smear", "known", 10, 3, 1_000, 8),
    Attack("boost", "new", 10, 3, 1_000, 8),
    Attack("smear", "known", 10, 30, 1_000, 7),
    Attack("shallow", "known", 2_000, 1, 2_000, 6),
    Attack("shallow", "known", 2_000, 3, 2_000, 5),
)


@dataclass(frozen=True, kw_only=True)
class TrustCard(Card):
    """Trust with collapses, drift, silences and Sybil rings.

    Attributes:
        kols: how many there are [§3, "1 000 simulated KOLs"].
        days: how long it goes on [chosen: five half-lives of 14 d before the silent days; fewer in
            the short form].
        users: how many raters there are [chosen: each meets KOLs some seventy times in the long
            form, so that agreement with others can be learned].
        tiers: share of KOLs in head and waist, the rest are koc [chosen: as unequal as audiences].
        pareto: exponent of the meetings a KOL has a day [§3, "Pareto evidence"; 1.16 is the law of
            80 to 20].
        fewest: meetings a day of the KOL with the fewest [chosen: less than one sign a day].
        most: meetings a day at most [chosen: half a thousand users at once say no more of trust].
        good, bad: trust of a dimension is Beta(good, bad) over KOLs [§11.4, half of the KOLs truly
            at .70 or above: the mean is 14/20, and .48 of the long form's KOLs are by all five
            dimensions; the spread .1 is ours].
        shared: of the good + bad - 1 uniform numbers behind a Beta number, those that all
            dimensions of a KOL have in common [chosen: who is good in one is rather good in all].
        collapses: share of KOLs whose trust falls once [chosen: enough for a mean lag, few enough
            that tiers stay as they are].
        collapse: what is left of it, in all dimensions [§3, "collapse x .65"].
        drifting: the tier whose trust drifts [§0a.1, "where a tier drifts"; which is ours].
        drift: of its log-odds, standard deviation in a day [chosen: .3 in a hundred days].
        silent: share of KOLs who say nothing any more in the last `silent_days` [§11.4, "after 60
            silent days"; the share is ours].
        silent_days: how long that is [§11.4].
        new: share of KOLs who begin in the last `new_days` [§11.4, "a new KOL"; the share is ours].
        new_days: how long they have been there [§0a.8 has a KOL launched 15 days ago].
        raters: share, honesty and bias of each sort [§11.3, "raters of varying honesty"; which are
            ours: one in ten is no honest judge].
        young: share of accounts of less than 30 days [§0a.7, "new mothers have young accounts"; the
            share is ours].
        age_d: mean age in days of the others beyond 30 [deploy/demo/audience.py].
        ordered: orders of a meeting [chosen: ten a day of the busiest, one a fortnight of the
            least].
        refund_days: mean delay of a refund, cut at 30 d [§5: nowcast of delays; exponential, ours].
        attacks: accounts of one owner [§11.4, Sybil cost: 1 000 events of 10 accounts of 3 days on
            a known and on a new KOL, 2 000 accounts of 1 and of 3 days; accounts of 30 days are
            reported].
        known: meetings a day of whom attacks on known KOLs are about, at least [§11.4, n_eff of
            150: .24 signs of expertise and benevolence a meeting, 20 a day, kept for 2 * 14 / ln 2
            days by Kish, are 190].
        signs: what is said of a meeting, and how often [§3, the table of evidence; rates are ours,
            so that at a trust of .70 saves outnumber corrections 100 to 1, as §0a.3 found].

    """

    kols: int = 1_000
    days: int = 130
    users: int = 20_000
    tiers: tuple[float, float] = (0.05, 0.25)
    pareto: float = 1.16
    fewest: float = 3.0
    most: float = 500.0
    good: int = 14
    bad: int = 6
    shared: int = 9
    collapses: float = 0.10
    collapse: float = 0.65
    drifting: str = "waist"
    drift: float = 0.03
    silent: float = 0.05
    silent_days: int = 60
    new: float = 0.05
    new_days: int = 15
    raters: tuple[Rater, ...] = RATERS
    young: float = 0.15
    age_d: float = 400.0
    ordered: float = 0.02
    refund_days: float = 8.0
    attacks: tuple[Attack, ...] = ATTACKS
    known: float = 20.0
    signs: tuple[Sign, ...] = SIGNS


LONG: Final = TrustCard(
    messages=2_010_263, sha256="13abc4f4c79952d4ee6e3464e294bb4b4996d7c4a671d502ad685b9b9a5dd32a"
)
SHORT: Final = TrustCard(
    kols=120,
    days=80,
    users=2_000,
    most=60.0,
    messages=97_650,
    sha256="78eeb54c0b1041f53fe71dd28030e2ef83af6236e79aed565d6c7a4468f86a3a",
)


class Trust(World):
    """The world of a `TrustCard`."""

    name = "trust"
    forms = (*_BASIC, *(sign.form for sign in SIGNS))

    def __init__(self, card: TrustCard = LONG) -> None:
        super().__init__(card)
        self.card: TrustCard = card
        self.kols: Final = np.arange(card.kols)

    @property
    def accounts(self) -> int:
        """Users, and after them the accounts of each attack."""
        return self.card.users + sum(attack.accounts for attack in self.card.attacks)

    # ---------------------------------------------------------------- what is true

    @cached_property
    def tier(self) -> Ints:
        """The place in `TIERS` of each KOL."""
        head, waist = self.card.tiers
        found: Ints = np.searchsorted(
            [head, head + waist], uniform(self.card.seed, "tier", self.kols), side="right"
        )
        return found

    @cached_property
    def vertical(self) -> Ints:
        """The place in `VERTICALS` of each KOL."""
        drawn = uniform(self.card.seed, "vertical", self.kols)
        return (drawn * len(VERTICALS)).astype(np.int64)

    @cached_property
    def meetings(self) -> Floats:
        """How many meetings each KOL has on a day, on average; a greater tier has the more."""
        drawn = uniform(self.card.seed, "meetings", self.kols)
        many = np.minimum(self.card.fewest * drawn ** (-1 / self.card.pareto), self.card.most)
        given = np.empty(len(many))
        given[np.lexsort((drawn, self.tier))] = np.sort(many)[::-1]
        return given

    @cached_property
    def is_new(self) -> Mask:
        """Who begins in the last days."""
        return chosen(self.card.seed, "new", self.card.kols, self.card.new)

    @cached_property
    def is_silent(self) -> Mask:
        """Who says nothing any more in the last days."""
        are = chosen(self.card.seed, "silent", self.card.kols, self.card.silent)
        return are & ~self.is_new

    @cached_property
    def collapse_day(self) -> Ints:
        """The first day on which each KOL's trust has fallen; the number of days where none is."""
        days = self.card.days
        are = chosen(self.card.seed, "collapse", self.card.kols, self.card.collapses)
        drawn = uniform(self.card.seed, "collapse day", self.kols)
        at = (days * (1 + drawn) / 3).astype(np.int64)
        return np.where(are & ~self.is_new & ~self.is_silent, at, days)

    @cached_property
    def trust(self) -> Floats:
        """True trust in [0, 1], shape (days, kols, 5) in order of `DIMENSIONS`."""
        card = self.card
        first = np.stack([self._first_trust(name) for name in DIMENSIONS], axis=-1)
        steps = np.stack([normal(card.seed, f"drift/{day}", self.kols) for day in range(card.days)])
        is_drifting = self.tier == TIERS.index(card.drifting)
        path = card.drift * np.cumsum(steps, axis=0) * is_drifting
        odds = (first / (1 - first))[None] * np.exp(path)[..., None]
        fell = np.arange(card.days)[:, None] >= self.collapse_day
        found: Floats = odds / (1 + odds) * np.where(fell, card.collapse, 1.0)[..., None]
        return found

    def _first_trust(self, dimension: str) -> Floats:
        """Trust of one dimension at the beginning: each is Beta, some of its numbers are shared."""
        card = self.card
        many = card.good + card.bad - 1
        drawn = [
            uniform(card.seed, f"trust/{'all' if i < card.shared else dimension}/{i}", self.kols)
            for i in range(many)
        ]
        found: Floats = np.sort(np.stack(drawn), axis=0)[card.good - 1]
        return found

    def is_active(self, day: int) -> Mask:
        """Who is met on a day."""
        card = self.card
        begun = ~self.is_new | (day >= card.days - card.new_days)
        return begun & (~self.is_silent | (day < card.days - card.silent_days))

    @cached_property
    def rater(self) -> Ints:
        """The place in `card.raters` of each user."""
        shares = np.cumsum([one.share for one in self.card.raters])
        drawn = uniform(self.card.seed, "rater", np.arange(self.card.users))
        found: Ints = np.searchsorted(shares[:-1], drawn, side="right")
        return found

    @cached_property
    def age_d(self) -> Ints:
        """How old each account is on the first day, in days; those of attackers on their day."""
        card, users = self.card, np.arange(self.card.users)
        drawn = uniform(card.seed, "age", users)
        old = 30 - card.age_d * np.log(drawn)
        is_young = uniform(card.seed, "young", users) < card.young
        own = np.where(is_young, 1 + 28 * drawn, old).astype(np.int64)
        theirs = [np.full(one.accounts, one.age_d) for one in card.attacks]
        return np.concatenate([own, *theirs]).astype(np.int64)

    def judged_well(self, trust: Floats, user: Ints) -> Floats:
        """How probable it is that users judge a KOL of this trust well."""
        honesty = np.array([one.honesty for one in self.card.raters])[self.rater[user]]
        bias = np.array([one.bias for one in self.card.raters])[self.rater[user]]
        found: Floats = honesty * trust + (1 - honesty) * bias
        return found

    @cached_property
    def targets(self) -> Sequence[int]:
        """Whom each attack is about: the least of the steady KOLs with enough meetings, new ones.

        Raises:
            ValueError: there are not so many.

        """
        is_steady = (self.collapse_day == self.card.days) & ~self.is_new & ~self.is_silent
        is_known = is_steady & (self.meetings >= self.card.known)
        by_size = np.argsort(self.meetings, kind="stable")
        of = {"known": iter(by_size[is_known[by_size]]), "new": iter(by_size[self.is_new[by_size]])}
        found = [int(next(of[attack.on], -1)) for attack in self.card.attacks]
        if -1 in found:
            raise ValueError("too few KOLs to be attacked")
        return found

    # ---------------------------------------------------------------- what happens

    def day(self, day: int) -> Events:
        """Meetings of a day with what follows from them, and attacks."""
        views, user, trust = self._views(day)
        return Events.joined(
            [
                views,
                self._signs(day, views, user, trust),
                *self._orders(day, views, user, trust),
                *self._attacks(day),
            ]
        )

    def _views(self, day: int) -> tuple[Events, Ints, Floats]:
        rng = generator(self.card.seed, "views", day)
        kol = expanded(rng.poisson(self.meetings) * self.is_active(day))
        n = len(kol)
        user = (self.card.users * rng.random(n) ** 2).astype(np.int64)  # some come often
        views = Events.of(
            numbered(0, day, n),
            moments(rng, day, n),
            _VIEW,
            user,
            kol=kol,
            age=self.age_d[user] + day,
            content=rng.integers(0, 40, n),
            dwell=np.minimum(rng.lognormal(9.2, 1.1, n), 999_999).astype(np.int64),
        )
        return views, user, self.trust[day][kol]

    def _signs(self, day: int, views: Events, user: Ints, trust: Floats) -> Events:
        parts = []
        for sign in self.card.signs:
            number = _PLACE_OF[sign.form]
            rng = generator(self.card.seed, "sign", number, day)
            well = self.judged_well(trust[:, DIMENSIONS.index(sign.dimension)], user)
            chance = sign.base * (well if sign.speaks == FOR else 1 - well)
            which = np.flatnonzero(rng.random(len(views)) < chance)
            some = views.take(which)
            later = rng.integers(1 * SECOND, 20 * SECOND, len(which))
            parts.append(
                some.replace(
                    number=numbered(10 + number, day, len(which)),
                    at=some["at"] + later,
                    form=np.full(len(which), len(_BASIC) + number),
                )
            )
        return Events.joined(parts)

    def _orders(self, day: int, views: Events, user: Ints, trust: Floats) -> Iterator[Events]:
        """Orders of a meeting: what its user would not judge well comes back."""
        rng = generator(self.card.seed, "orders", day)
        which = np.flatnonzero(rng.random(len(views)) < self.card.ordered)
        some, n = views.take(which), len(which)
        at = some["at"] + 30 * SECOND
        yield some.replace(number=numbered(1, day, n), at=at, form=np.full(n, _CLICK))
        order = numbered(2, day, n)
        paid = some.replace(
            number=order,
            at=at + 60 * SECOND,
            form=np.full(n, _PAID),
            order=order,
            brand=self.vertical[some["kol"]],
            cents=rng.integers(50, 400, n) * 100,
        )
        yield paid
        well = self.judged_well(trust[which, DIMENSIONS.index("O")], user[which])
        back = np.flatnonzero(rng.random(n) >= well)
        delay = np.minimum(rng.exponential(self.card.refund_days, len(back)), 30)
        back_again = paid.take(back)
        yield back_again.replace(
            number=numbered(3, day, len(back)),
            at=back_again["at"] + (delay * DAY).astype(np.int64),
            form=np.full(len(back), _REFUND),
            order=numbered(3, day, len(back)),
            paid=back_again["order"],
        )

    def _attacks(self, day: int) -> Iterator[Events]:
        first = self.card.users
        for number, (attack, kol) in enumerate(zip(self.card.attacks, self.targets, strict=True)):
            if day == self.card.days - attack.day_before_end:
                yield self._attack(number, attack, kol, first, day)
            first += attack.accounts

    def _attack(self, number: int, attack: Attack, kol: int, first: int, day: int) -> Events:
        """Each account speaks as often as the others, within one day."""
        rng, n = generator(self.card.seed, "attack", number), attack.events
        user = first + np.arange(n) % attack.accounts
        kinds = {
            "smear": ("expert_correction", "unfollow"),
            "boost": ("mark_correct", "mark_helpful"),
            "shallow": ("view",),
        }[attack.kind]
        form = np.array([_form_of(kind) for kind in kinds])[np.arange(n) % len(kinds)]
        return Events.of(
            numbered(30 + number, day, n),
            BEGIN_MS + day * DAY + rng.integers(0, DAY, n),
            form,
            user,
            kol=kol,
            age=self.age_d[user],
            content=rng.integers(0, 40, n),
            dwell=800,
        )

    # ---------------------------------------------------------------- what is known beside events

    def references(self) -> Iterator[tuple[str, Record]]:
        """Profiles; contents that disclose by I and are copied by A; notices by I; surveys by A."""
        seed, trust = self.card.seed, self.trust
        for kol in self.kols.tolist():
            yield (
                PROFILES,
                {
                    "kol_id": kol_id(kol),
                    "ts": BEGIN_MS - DAY,
                    "tier": TIERS[self.tier[kol]],
                    "vertical": VERTICALS[self.vertical[kol]],
                    "display_name": f"KOL {kol}",
                },
            )
        for day in range(self.card.days):
            at = BEGIN_MS + day * DAY + 12 * HOUR
            of_a, of_i = (trust[day][:, DIMENSIONS.index(name)] for name in "AI")
            said = uniform(seed, f"published/{day}", self.kols) < CONTENTS_A_DAY
            discloses = uniform(seed, f"disclosed/{day}", self.kols) < of_i
            is_own = uniform(seed, f"own/{day}", self.kols) < of_a
            violates = uniform(seed, f"violation/{day}", self.kols) < VIOLATIONS_A_DAY * (1 - of_i)
            for kol in np.flatnonzero(said & self.is_active(day)).tolist():
                yield (
                    CONTENTS,
                    {
                        "content_id": f"{kol_id(kol)}-d{day:03}",
                        "ts": at,
                        "kol_id": kol_id(kol),
                        "genre": "experience",
                        "sponsored": True,
                        "disclosed": bool(discloses[kol]),
                        "text": f"第{day}天,{kol}家的记录" if is_own[kol] else _COPY,
                    },
                )
            for kol in np.flatnonzero(violates & self.is_active(day)).tolist():
                case = {"kol_id": kol_id(kol), "kind": "violation", "ref": f"case-{day}", "ts": at}
                yield NOTICES, case
            if day % WAVE_DAYS == WAVE_DAYS - 1:
                yield from self._survey(day, at, of_a)

    def _survey(self, day: int, at: int, of_a: Floats) -> Iterator[tuple[str, Record]]:
        """Stars of some respondents: each of four is there with probability A, and one always."""
        drawn = generator(self.card.seed, "survey", day)
        stars = 1 + drawn.binomial(4, of_a, (RESPONDENTS, len(of_a)))
        for kol in np.flatnonzero(self.is_active(day)).tolist():
            for number, given in enumerate(stars[:, kol].tolist()):
                yield (
                    PERCEPTIONS,
                    {
                        "kol_id": kol_id(kol),
                        "respondent": f"p{number}",
                        "wave": f"w{day}",
                        "ts": at,
                        "authenticity": given,
                    },
                )


CONTENTS_A_DAY: Final = 0.3  # contents somebody paid for, of a KOL and day
VIOLATIONS_A_DAY: Final = 0.01  # of a KOL without any integrity
WAVE_DAYS: Final = 30  # from one survey to the next
RESPONDENTS: Final = 5  # of a survey about a KOL
_COPY: Final = COPIED.format(product=PRODUCTS["mianmian-care"])


def kol_id(kol: int) -> str:
    """Of KOL number n, as in events."""
    return f"k{kol:04}"


def _form_of(kind: str) -> int:
    """The place of a form in `Trust.forms`, by what is done."""
    return next(i for i, form in enumerate(Trust.forms) if f'"event":"{kind}"' in form.text)


CARDS: Final[Mapping[str, TrustCard]] = {"long": LONG, "short": SHORT}
