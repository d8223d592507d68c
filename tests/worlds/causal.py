"""World 1: what KOLs cause, and what only follows them.

A user has a latent intent z, which nobody sees; searches before any exposure say something of it.
KOL k reaches a user with probability sigma(logit(reach_k) + pull_k z): harvesters reach those who
would buy anyway. Strength s_uk is 0 where the user was not reached, 1 where the KOL did, `peer`
where a friend's share did. Placebo KOLs have the effect 0. The user orders once with probability

    logit      sigma(b + gamma z + sum of effect_k s_uk)
    noisy_or   1 - (1 - sigma(b + gamma z)) prod (1 - m_uk) (1 - synergy min(m_uk, m_uj))
               m_uk = scale effect_k s_uk w_u, j is k's neighbour
    hazard     1 - exp(-exp(b + gamma z) (days + sum of rise effect_k s_uk left_uk))
               left_uk = integral of 2^(-t / half-life) from the first exposure to the end

where w_u differs between users, and b is such that the given share of users orders.

Truth: `removals`, orders that are lost where one KOL reaches nobody; and in the logit family
`aumann_shapley`, the orders each KOL is owed by the game of the exposures. Both are expectations:
no draw of an order is in them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from schemas.reference_types import IDENTITIES, PROFILES
from tests.worlds.draws import Floats, Ints, Mask, chosen, normal, uniform
from tests.worlds.families import Family, Hazard, Logit, NoisyOr, sigmoid
from tests.worlds.messages import Events, clickstream, interaction, purchase
from tests.worlds.world import (
    BEGIN_MS,
    DAY,
    MINUTE,
    Card,
    Delivery,
    Record,
    World,
    numbered,
)

FAMILIES: Final = ("logit", "noisy_or", "hazard")
ROUGH: Final = Delivery(stray=0.02, late=0.002, broken=0.001)


@dataclass(frozen=True, kw_only=True)
class CausalCard(Card):
    """Exposures, effects, orders.

    Attributes:
        users: how many people there are [§11.4, world card of the credit rows: 300 k].
        kols: how many there are [§11.4, 40].
        days: how long it goes on [chosen: 20 before any exposure, 30 of exposures, 10 to order; a
            touch counts for 30].
        family: of the outcome [§11.3: logit, noisy_or, hazard].
        placebo: share of KOLs without effect [§11.3, 35 %].
        harvesters: share of KOLs who reach by intent [§11.3, 20 %; whether they have an effect is
            drawn apart: whom one reaches is not what one does].
        pull: of harvesters, log-odds of reach by a unit of intent; 0: unconfounded [chosen: who is
            a unit above the average is reached three times as often].
        reached: KOLs that reach an average user [chosen: most journeys have one to four touches].
        effect: median of the others' effect, log-odds [§11.2, its example has .8 and .4; orders
            that are caused are six tenths of all, as in the measured logit worlds of §8.3].
        effect_sd: of the logarithm of an effect [chosen: the strongest of 26 is about seven times
            the weakest].
        intent: gamma, log-odds of an order by a unit of intent [chosen: of the size of two effects,
            so that it confounds].
        proxy: squared correlation of searches with intent [§11.4, about .65].
        searches: of a user of average intent [chosen; a unit of intent is worth 1.5 of them].
        ordered: share of users who order [§11.4, 10 %].
        spread: of w_u around 1, noisy_or [§8.3, "heterogeneous users"; the size is ours].
        synergy: how much two neighbours add together, as a part of the smaller effect, noisy_or
            [§8.3, "synergy"; the size is ours].
        scale: chance that an effect of 1 convinces, noisy_or [chosen: about four tenths of the
            orders are caused, as where §8.3's rules credit 2.4 times what is].
        rise: what an effect of 1 adds to the rate of a day, hazard [chosen, as `scale`].
        half_life_d: in which an effect fades, hazard [§8.2, time decay of 7 d].
        shares: exposures that are shared [chosen: one in twenty, so that friends are a small part
            of all].
        friends: who follow a share, on average [chosen: trees die out at depth 2 to 3].
        depth: most hops of a share [deploy/demo/world.py, MAX_SHARE_DEPTH].
        peer: strength of a friend's share [chosen: friends are believed a third more].
        holdout: share of exposures that are suppressed and logged as such [§8.4; 0 in the credit
            rows, .2 is the target of the holdout].
        refunded: share of orders [§5, 12 %].
        refund_days: mean delay of refunds, exponential, cut at 30 d [chosen: half of them are
            younger than a week, as §5's nowcast needs].
        fragmented: share of users who were anonymous at first [§11.3, "identity fragmentation"; the
            size is ours].

    """

    users: int = 300_000
    kols: int = 40
    days: int = 60
    delivery: Delivery = ROUGH
    family: str = "logit"
    placebo: float = 0.35
    harvesters: float = 0.20
    pull: float = 1.1
    reached: float = 2.5
    effect: float = 0.4
    effect_sd: float = 0.5
    intent: float = 0.8
    proxy: float = 0.65
    searches: float = 3.0
    ordered: float = 0.10
    spread: float = 0.5
    synergy: float = 0.5
    scale: float = 0.055
    rise: float = 4.0
    half_life_d: float = 7.0
    shares: float = 0.05
    friends: float = 1.0
    depth: int = 4
    peer: float = 1.3
    holdout: float = 0.0
    refunded: float = 0.12
    refund_days: float = 8.0
    fragmented: float = 0.15


LONG: Final = CausalCard(
    messages=1_894_085, sha256="12915fec2a7e4379c5bc5b77e2b5e5aaab33a6d8e7fd9c4ecd0d476db431c929"
)
SHORT: Final = CausalCard(
    users=20_000,
    messages=125_805,
    sha256="1e3807714abddf392aab213442da5f270541f5dc1784c52002fa4f5f17c1b85a",
)

BEFORE_D, UNTIL_D = 20.0, 50.0  # days of exposures
A_SEARCH: Final = 1.5  # searches by a unit of intent
MOST_SEARCHES: Final = 9
_FRIENDS: Final = 8  # who follow a share at most

_LED: Final = ',"kol_id":"k<kol:04>","content_id":"k<kol:04>-c00"'
_BY: Final = f'{_LED},"share_id":"s<from:012>","share_depth":<depth:2>'
_TEST: Final = ',"exp_id":"x<kol:04>"'
_ORDER: Final = '"brand_id":"b01","pay_cents":<cents:6>'
_ABOUT: Final = ',"content_id":"k<kol:04>-c00","account_age_d":400'
_TREE: Final = ',"share_id":"s<made:012>","share_depth":<deeper:2>,"root_kol_id":"k<kol:04>"'
_MADE: Final = f"{_ABOUT}{_TREE}"
_SEARCH, _CLICK, _HELD, _LIKE, _FOLLOWED, _SHARED, _RESHARED, _PAID, _REFUND = range(9)


class Exposures(NamedTuple):
    """Who was reached by whom; row i of every column is one, those through shares after others."""

    user: Ints
    kol: Ints
    at_d: Floats  # days since the beginning
    depth: Ints  # hops from the KOL; 0: the KOL's own
    number: Ints  # its own, below 10^12; of what is shared, the share's
    parent: Ints  # the share it came by; -1 where it is the KOL's own
    is_shared: Mask

    def take(self, rows: Mask) -> "Exposures":
        """Some of them."""
        return Exposures(
            self.user[rows],
            self.kol[rows],
            self.at_d[rows],
            self.depth[rows],
            self.number[rows],
            self.parent[rows],
            self.is_shared[rows],
        )


class Causal(World):
    """The world of a `CausalCard`."""

    name = "causal"
    forms = (
        clickstream("search", ',"query":"奶粉 3段","category":"formula"'),
        clickstream("click", f'{_LED}{_TEST},"arm":"treat"'),
        clickstream("impression", f'{_LED}{_TEST},"arm":"holdout","visible_ms":0'),
        interaction("like", _ABOUT),
        clickstream("click", _BY),
        interaction("share", _MADE),
        interaction("share", f'{_MADE},"parent_share_id":"s<from:012>"'),
        purchase("paid", f',"order_id":"o<order:015>",{_ORDER}'),
        purchase("refund", f',"order_id":"r<order:015>","ref_order_id":"o<order:015>",{_ORDER}'),
    )

    def __init__(self, card: CausalCard = LONG) -> None:
        super().__init__(card)
        if card.family not in FAMILIES:
            raise ValueError(f"no such family: {card.family}")
        self.card: CausalCard = card
        self.kols: Final = np.arange(card.kols)
        self.users: Final = np.arange(card.users)

    @property
    def accounts(self) -> int:
        """Users, and after them the anonymous id of each."""
        return 2 * self.card.users

    # ---------------------------------------------------------------- what is true of KOLs

    @cached_property
    def is_placebo(self) -> Mask:
        """Whose effect is 0."""
        return chosen(self.card.seed, "placebo", self.card.kols, self.card.placebo)

    @cached_property
    def is_harvester(self) -> Mask:
        """Who reaches by intent."""
        return chosen(self.card.seed, "harvester", self.card.kols, self.card.harvesters)

    @cached_property
    def effect(self) -> Floats:
        """Of each KOL, in log-odds."""
        card = self.card
        size = card.effect * np.exp(card.effect_sd * normal(card.seed, "effect", self.kols))
        found: Floats = np.where(self.is_placebo, 0.0, size)
        return found

    @cached_property
    def reach(self) -> Floats:
        """How probable it is that a KOL reaches a user of average intent: falls off like 1/rank."""
        size = 1 / (2 + np.argsort(uniform(self.card.seed, "rank", self.kols))) ** 0.8
        found: Floats = np.minimum(self.card.reached * size / size.sum(), 0.5)
        return found

    # ---------------------------------------------------------------- what is true of users

    @cached_property
    def intent(self) -> Floats:
        """The latent intent of each user, standard normal."""
        return normal(self.card.seed, "intent", self.users)

    @cached_property
    def searches(self) -> Ints:
        """How often each user searched before any exposure.

        Rounding adds a variance of 1/12 to what was searched for; the noise is so much smaller.
        """
        card = self.card
        noise = A_SEARCH**2 * (1 / card.proxy - 1) - 1 / 12
        drawn = normal(card.seed, "searches", self.users)
        many = card.searches + A_SEARCH * self.intent + np.sqrt(noise) * drawn
        found: Ints = np.clip(np.rint(many), 0, MOST_SEARCHES).astype(np.int64)
        return found

    @cached_property
    def reached(self) -> Exposures:
        """Whom KOLs reach, those who are held out among them."""
        card, found = self.card, []
        for of, is_harvester in enumerate(self.is_harvester.tolist()):
            pull = card.pull * is_harvester
            odds = self.reach[of] / (1 - self.reach[of]) * np.exp(pull * self.intent)
            drawn = uniform(card.seed, f"reached/{of}", self.users)
            here = np.flatnonzero(drawn < odds / (1 + odds))
            found.append((here, np.full(len(here), of)))
        user, kol = (np.concatenate(columns) for columns in zip(*found, strict=True))
        pair = user * card.kols + kol
        at = BEFORE_D + uniform(card.seed, "reached at", pair) * (UNTIL_D - BEFORE_D)
        none = np.full(len(user), -1)
        return Exposures(
            user, kol, at, np.zeros(len(user), np.int64), pair, none, self._shares(pair)
        )

    @cached_property
    def is_held(self) -> Mask:
        """Which of `reached` are held out: nobody sees anything."""
        held: Mask = uniform(self.card.seed, "held", self.reached.number) < self.card.holdout
        return held

    @cached_property
    def exposures(self) -> Exposures:
        """What is seen: of KOLs, then by shares, hop by hop."""
        levels = [self.reached.take(~self.is_held)]
        for depth in range(1, self.card.depth + 1):
            levels.append(self._followers(levels[-1], depth))
        return Exposures(*(np.concatenate(columns) for columns in zip(*levels, strict=True)))

    def _shares(self, number: Ints) -> Mask:
        """Which exposures are shared."""
        shares: Mask = uniform(self.card.seed, "shares", number) < self.card.shares
        return shares

    def _followers(self, last: Exposures, depth: int) -> Exposures:
        """The friends who follow shares, within a day; a number says the way from the KOL."""
        card, many = self.card, np.arange(_FRIENDS)
        shared = np.flatnonzero(last.is_shared)
        chances = np.cumsum(np.exp(-card.friends) * card.friends**many / _FACTORIAL)
        drawn = uniform(card.seed, "friends", last.number[shared])
        friends = np.minimum(np.searchsorted(chances, drawn), _FRIENDS)
        of = np.repeat(shared, friends)
        place = np.arange(len(of)) - np.repeat(np.cumsum(friends) - friends, friends)
        number = last.number[of] % _LEVEL * _FRIENDS + place + depth * _LEVEL
        user = (uniform(card.seed, "friend", number) * card.users).astype(np.int64)
        at = last.at_d[of] + uniform(card.seed, "followed after", number)
        hops = np.full(len(of), depth)
        return Exposures(
            user, last.kol[of], at, hops, number, last.number[of], self._shares(number)
        )

    @cached_property
    def strength(self) -> Floats:
        """S of every user and KOL, shape (users, kols): that of the strongest exposure."""
        found = np.zeros((self.card.users, self.card.kols))
        strength = np.where(self.exposures.depth > 0, self.card.peer, 1.0)
        np.maximum.at(found, (self.exposures.user, self.exposures.kol), strength)
        return found

    @cached_property
    def left_d(self) -> Floats:
        """Days that an effect has left from the first exposure on, discounted; (users, kols)."""
        first = np.full((self.card.users, self.card.kols), np.inf)
        np.minimum.at(first, (self.exposures.user, self.exposures.kol), self.exposures.at_d)
        fades = np.log(2) / self.card.half_life_d
        found: Floats = -np.expm1(-fades * np.maximum(self.card.days - first, 0)) / fades
        return found

    # ---------------------------------------------------------------- orders, in expectation

    @cached_property
    def family(self) -> Family:
        """How exposures make orders."""
        card = self.card
        match card.family:
            case "logit":
                return Logit(self.effect)
            case "noisy_or":
                weight = 1 + card.spread * (2 * uniform(card.seed, "weight", self.users) - 1)
                return NoisyOr(card.scale * self.effect, weight, card.synergy)
            case _:
                return Hazard(card.rise * self.effect, self.left_d, card.days - BEFORE_D)

    @cached_property
    def base(self) -> float:
        """b, by bisection."""
        low, high = -20.0, 5.0
        for _ in range(50):
            middle = (low + high) / 2
            share = self._chance(middle).mean()
            low, high = (middle, high) if share < self.card.ordered else (low, middle)
        return low

    @cached_property
    def chance(self) -> Floats:
        """How probable an order of each user is; shape (users,)."""
        return self._chance(self.base)

    @cached_property
    def _pushed(self) -> Floats:
        return self.family.pushed(self.users, self.strength)

    def _chance(self, base: float) -> Floats:
        return self.family.chance(base + self.card.intent * self.intent, self._pushed)

    @cached_property
    def removals(self) -> Floats:
        """Orders that are lost where a KOL reaches nobody; shape (kols,)."""
        lost = np.zeros(self.card.kols)
        for kol in self.kols.tolist():
            users = np.flatnonzero(self.strength[:, kol])
            without = self.strength[users]
            without[:, kol] = 0
            own = self.base + self.card.intent * self.intent[users]
            chance = self.family.chance(own, self.family.pushed(users, without))
            lost[kol] = (self.chance[users] - chance).sum()
        return lost

    @cached_property
    def aumann_shapley(self) -> Floats:
        """Orders that each KOL is owed, shape (kols,); the rest of all orders is owed to nobody.

        Raises:
            ValueError: the family is another one; `removals` are its truth.

        """
        if self.card.family != "logit":
            raise ValueError("of the logit family alone")
        pushed = self._pushed
        without = sigmoid(self.base + self.card.intent * self.intent)
        gained = self.chance - without
        per_push = np.divide(gained, pushed, out=np.zeros_like(gained), where=pushed > 0)
        found: Floats = (per_push @ self.strength) * self.effect
        return found

    # ---------------------------------------------------------------- what happens

    @cached_property
    def orders(self) -> Ints:
        """The users who order."""
        drawn = uniform(self.card.seed, "orders", self.users)
        return np.flatnonzero(drawn < self.chance)

    @cached_property
    def ordered_d(self) -> Floats:
        """When each of `orders` is paid, days.

        Within three days after the last exposure; without one, or by the hazard, see `_hazard_d`.
        """
        drawn = uniform(self.card.seed, "ordered at", self.orders)
        if self.card.family == "hazard":
            return self._hazard_d(drawn)
        last = np.full(self.card.users, -np.inf)
        np.maximum.at(last, self.exposures.user, self.exposures.at_d)
        last = last[self.orders]
        never = BEFORE_D + drawn * (self.card.days - BEFORE_D)
        found: Floats = np.where(np.isfinite(last), last + 3 * drawn, never)
        return found

    def _hazard_d(self, drawn: Floats) -> Floats:
        """A moment with a density that is proportional to the hazard."""
        card, user = self.card, self.orders
        pushes = card.rise * self.effect * self.strength[user] * self.left_d[user]
        whole = np.full(len(user), card.days - BEFORE_D)
        parts = np.cumsum(np.column_stack([whole, pushes]), axis=1)
        asked = uniform(card.seed, "ordered by", user) * parts[:, -1]
        which = (parts < asked[:, None]).sum(axis=1) - 1  # -1: by itself
        rate = np.log(2) / card.half_life_d
        left = np.where(which < 0, 0.0, self.left_d[user, np.maximum(which, 0)])
        passed = -np.log1p(-drawn * left * rate) / rate
        first = card.days + np.log1p(-left * rate) / rate
        found: Floats = np.where(which < 0, BEFORE_D + drawn * whole, first + passed)
        return found

    @cached_property
    def signed_in_d(self) -> Floats:
        """Until when each user is anonymous, days; never after an order."""
        card = self.card
        is_fragmented = uniform(card.seed, "fragmented", self.users) < card.fragmented
        until = is_fragmented * UNTIL_D * uniform(card.seed, "signed in", self.users)
        ordered = np.full(card.users, np.inf)
        ordered[self.orders] = self.ordered_d
        found: Floats = np.minimum(until, ordered)
        return found

    @cached_property
    def _events(self) -> Events:
        """Everything, by time."""
        all_ = Events.joined([self._searches(), *self._exposures(), *self._purchases()])
        return all_.take(np.argsort(all_["at"], kind="stable"))

    def _searches(self) -> Events:
        user = np.repeat(self.users, self.searches)
        number = user * MOST_SEARCHES + np.arange(len(user))
        number -= np.repeat(np.cumsum(self.searches) - self.searches, self.searches)
        at = BEFORE_D * uniform(self.card.seed, "searched at", number)
        return self._clicks(0, number, user, at, _SEARCH)

    def _exposures(self) -> Iterator[Events]:
        """How each exposure is seen, the shares that follow, and what was suppressed."""
        seen = self.exposures
        is_own = seen.depth == 0
        is_like = (uniform(self.card.seed, "liked", seen.number) < LIKED) & is_own
        for form, rows in ((_CLICK, is_own & ~is_like), (_LIKE, is_like), (_FOLLOWED, ~is_own)):
            yield self._seen(1, seen.take(rows), form)
        for form, rows in ((_SHARED, is_own), (_RESHARED, ~is_own)):
            yield self._seen(2, seen.take(seen.is_shared & rows), form, 10 * MINUTE / DAY)
        yield self._seen(1, self.reached.take(self.is_held), _HELD)

    def _seen(self, part: int, seen: Exposures, form: int, later_d: float = 0.0) -> Events:
        of = {
            "kol": seen.kol,
            "depth": seen.depth,
            "deeper": seen.depth + 1,
            "made": seen.number,
            "from": np.maximum(seen.parent, 0),
        }
        return self._clicks(part, seen.number, seen.user, seen.at_d + later_d, form, **of)

    def _purchases(self) -> Iterator[Events]:
        card, user = self.card, self.orders
        about = {"cents": 5_000 + 100 * (300 * uniform(card.seed, "price", user)).astype(np.int64)}
        yield self._timed(3, user, user, self.ordered_d, _PAID, order=user, **about)
        back = np.flatnonzero(uniform(card.seed, "given back", user) < card.refunded)
        delay = -card.refund_days * np.log(uniform(card.seed, "back after", user[back]))
        at = self.ordered_d[back] + np.minimum(delay, 30)
        yield self._timed(
            4, user[back], user[back], at, _REFUND, order=user[back], cents=about["cents"][back]
        )

    def _clicks(
        self, part: int, number: Ints, user: Ints, at_d: Floats, form: int, **of: Ints
    ) -> Events:
        """Events of behaviour: before sign-in they are of the anonymous id."""
        who = user + self.card.users * (at_d < self.signed_in_d[user])
        return self._timed(part, number, who, at_d, form, **of)

    def _timed(
        self, part: int, number: Ints, user: Ints, at_d: Floats, form: int, **of: Ints
    ) -> Events:
        at = BEGIN_MS + (at_d * DAY).astype(np.int64)
        return Events.of(numbered(part, 0, 1)[0] + number, at, form, user, **of)

    def day(self, day: int) -> Events:
        """Everything of a day."""
        begin = BEGIN_MS + day * DAY
        first, last = np.searchsorted(self._events["at"], [begin, begin + DAY])
        return self._events.take(np.arange(first, last))

    def references(self) -> Iterator[tuple[str, Record]]:
        """Profiles, and whose each anonymous id is, from the sign-in on."""
        for kol in self.kols.tolist():
            yield PROFILES, {"kol_id": f"k{kol:04}", "ts": BEGIN_MS - DAY, "vertical": "food"}
        bound = np.flatnonzero(self.signed_in_d > 0)
        for user in bound[np.argsort(self.signed_in_d[bound], kind="stable")].tolist():
            yield (
                IDENTITIES,
                {
                    "anon_id": f"u{self.card.users + user:07}",
                    "ts": BEGIN_MS + int(self.signed_in_d[user] * DAY),
                    "user_id": f"u{user:07}",
                },
            )


LIKED: Final = 0.3  # of exposures by a KOL: seen as a like, others as a click
_LEVEL: Final = 10**11  # numbers of exposures of one depth
_FACTORIAL: Final = np.cumprod([1.0, *range(1, _FRIENDS)])


CARDS: Final[Mapping[str, CausalCard]] = {"long": LONG, "short": SHORT}
