"""The demo's simulated world of users and KOLs whose true roles are known: its events in order.

Users see content, react, share it, buy and return orders; now and then a message comes twice or
malformed. Who takes part and what happens when is data in `deploy.demo.story`. Equal seeds and
times give equal events.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from deploy.demo import market, story
from deploy.demo.audience import Audience, User
from deploy.demo.catalogue import Catalogue
from deploy.demo.contents import CONTENTS, content_id, sale_id
from deploy.demo.families import Families
from deploy.demo.market import Kol
from deploy.demo.outbox import Event, Message, Outbox
from deploy.demo.shop import Shop
from deploy.demo.story import Act, Role, Scenario

EVENTS_A_VISIT: Final = 3.25  # of an ordinary visit and what follows from it, on average
ORGANIC: Final = 0.2  # of visits nobody led to
MAX_SHARE_DEPTH: Final = 4
SECOND: Final = 1_000  # milliseconds


class World:
    """Users and KOLs and what they do; each call of `events` continues from the one before.

    Args:
        seed: of everything.
        users: how many there are.
        kols: how many of them are known from the beginning.
        has_profiles: whether clicks carry what is known of families, and KOLs shop, too.

    """

    def __init__(
        self, seed: int, *, users: int = 5_000, kols: int = 60, has_profiles: bool = True
    ) -> None:
        self._rng = Random(f"world-{seed}")
        self.kols = market.kols(self._rng, kols)
        everyone = [*self.kols, *market.newcomers()]
        self._kol_of = {kol.kol_id: kol for kol in everyone}
        families = Families(seed)
        self._catalogue = Catalogue(seed, users, everyone, families)
        self._acts = (*story.ACTS, *(story.SELF_ACTS if has_profiles else ()))
        self._items = {b: [i for i in market.ITEMS if i.brand_id == b] for b in market.BRANDS}
        self._habits = {role: tuple({**story.LIKES, **story.HABITS[role]}.items()) for role in Role}
        self._audience = Audience(
            seed, users, self.kols, self._rng, families if has_profiles else None
        )
        self._outbox = Outbox(self._rng)
        self._shop = Shop(self._rng, self._outbox)
        self._live = 0

    def events(
        self, start_ms: int, end_ms: int, rate_per_second: float, live_ms: int | None = None
    ) -> Iterator[Message]:
        """Topic and event, in order of arrival: by `ts` with up to two seconds of disorder.

        Args:
            start_ms: from when, milliseconds; what was under way before comes first.
            end_ms: up to when; what arrives later comes with the next call.
            rate_per_second: events of an average hour of the day.
            live_ms: the moment the acts of the story count from; `start_ms` if not given.

        """
        self._live = start_ms if live_ms is None else live_ms
        at = float(start_ms)
        while True:
            visits = rate_per_second * market.rhythm(int(at)) / EVENTS_A_VISIT
            at += self._rng.expovariate(visits / SECOND)
            yield from self._outbox.arrived(min(int(at), end_ms))
            if at >= end_ms:
                return
            self._simulate_visit(int(at))

    def reference(self, start_ms: int, end_ms: int, live_ms: int) -> Iterator[Message]:
        """Topic and record of what reference topics say from a moment up to another, in order.

        A content is there before its first event, a KOL's profile, too.

        Args:
            start_ms: from when, milliseconds; 0: from the beginning.
            end_ms: up to when.
            live_ms: the moment the story counts from, as for `events`.

        """
        return self._catalogue.records(start_ms, end_ms, live_ms)

    def _simulate_visit(self, at: int) -> None:
        """Simulate one ordinary visit, and each active act in proportion to it."""
        if self._chance(ORGANIC):
            self._search(at, self._audience.user())
        else:
            user = self._audience.user()
            self._visit(at, user, user.favourite if self._chance(0.6) else self._audience.kol())
        second = (at - self._live) / SECOND
        for act in self._acts:
            times = act.share * EVENTS_A_VISIT * act.is_active(second)
            for _ in range(int(times + self._rng.random())):
                self._play(at, act)

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    # ordinary visits

    def _search(self, at: int, user: User) -> None:
        """A user whom no KOL led here searches for a product, and may buy it."""
        rng = self._rng
        item = rng.choice(market.ITEMS)
        query = rng.choice(market.SEARCHES)
        self._outbox.click(at, user, "search", query=query, category=item.category)
        self._outbox.click(at + 800, user, "impression", brand_id=item.brand_id, visible_ms=1_500)
        if self._chance(0.5):
            self._shop.look_at(at + 3 * SECOND, user, None, item, buys=0.35)

    def _visit(self, at: int, user: User, kol: Kol) -> None:
        """A user meets content of a KOL: scrolls past, or views it, reacts and may buy."""
        rng = self._rng
        content = content_id(kol, rng.randrange(CONTENTS))
        led = {"kol_id": kol.kol_id, "content_id": content}
        self._outbox.click(
            at, user, "impression", **led, visible_ms=int(rng.lognormvariate(7.3, 0.8))
        )
        if self._chance(0.25):
            return
        at += rng.randint(1, 4) * SECOND
        dwell_factor = 1.6 if kol.role is Role.EXPERT else 1.0
        dwell = int(dwell_factor * rng.lognormvariate(9.2, 1.1))
        seen: Event = {"dwell_ms": dwell, "completion": round(min(1.0, dwell / 45_000), 3)}
        if self._chance(0.15):
            seen |= {"live_id": f"{kol.kol_id}-live", "viewers": 50 + int(4_000 * kol.reach)}
        self._outbox.interact(at, user, kol, "view", content_id=content, **seen)
        for kind, likely in self._habits[kol.role]:
            if self._chance(likely):
                self._respond(at + rng.randint(1, 20) * SECOND, user, kol, kind, content)
        if self._chance(0.22):
            item = rng.choice(self._items[kol.brand_id])
            self._outbox.click(at + 5 * SECOND, user, "click", **led)
            self._shop.look_at(at + 6 * SECOND, user, kol, item, buys=story.BUYS[kol.role], **led)

    def _respond(self, at: int, user: User, kol: Kol, kind: str, content: str) -> None:
        fields: Event = {"content_id": content}
        if kind == "comment":
            fields["text"] = self._rng.choice(market.COMMENTS)
        if kind == "share":
            fields |= {
                "share_id": self._outbox.new_id("s", at),
                "share_depth": 1,
                "root_kol_id": kol.kol_id,
            }
            self._spread_share(at, kol, content, fields["share_id"], ())
        self._outbox.interact(at, user, kol, kind, **fields)

    def _spread_share(
        self, at: int, kol: Kol, content: str, share_id: str, chain: tuple[str, ...]
    ) -> None:
        """Friends follow a share; some buy, some share it again, up to `MAX_SHARE_DEPTH`."""
        rng = self._rng
        depth = len(chain) + 1
        led = {"kol_id": kol.kol_id, "content_id": content, "share_id": share_id}
        for _ in range(rng.randint(0, 3)):
            at += rng.randint(2, 15) * SECOND
            friend = self._audience.user()
            self._outbox.click(at, friend, "click", **led, share_depth=depth)
            item = rng.choice(self._items[kol.brand_id])
            self._shop.look_at(at + SECOND, friend, kol, item, buys=0.3, **led, share_depth=depth)
            if depth < MAX_SHARE_DEPTH and self._chance(0.25):
                again = self._outbox.new_id("s", at)
                self._outbox.interact(
                    at + 4 * SECOND,
                    friend,
                    kol,
                    "share",
                    content_id=content,
                    share_id=again,
                    parent_share_id=share_id,
                    share_depth=depth + 1,
                    root_kol_id=kol.kol_id,
                    chain=[share_id, *chain],
                )
                self._spread_share(at + 5 * SECOND, kol, content, again, (share_id, *chain))

    # acts of the story

    def _play(self, at: int, act: Act) -> None:
        kol = self._kol_of[act.kol_id]
        match act.scenario:
            case Scenario.BOTS:
                self._simulate_bots(at, kol)
            case Scenario.OUTRAGE:
                self._simulate_outrage(at, kol)
            case Scenario.AMENDS:
                self._simulate_amends(at, kol)
            case Scenario.PROMOTION:
                self._simulate_promotion(at, kol)
            case Scenario.DEBUT:
                self._visit(at, self._audience.user(), kol)
            case Scenario.SELF:
                self._simulate_self(at, kol)

    def _simulate_bots(self, at: int, kol: Kol) -> None:
        rng = self._rng
        bot = self._audience.bot(kol)
        content = content_id(kol, rng.randrange(3))
        if self._chance(0.7):
            self._outbox.interact(
                at, bot, kol, "view", content_id=content, dwell_ms=rng.randint(200, 1_500)
            )
        else:
            self._outbox.interact(
                at, bot, kol, rng.choice(("like", "like", "follow")), content_id=content
            )

    def _simulate_outrage(self, at: int, kol: Kol) -> None:
        rng = self._rng
        kind = market.draw(rng, story.ANGER)
        fields = {"text": rng.choice(market.COMPLAINTS)} if kind == "comment" else {}
        self._outbox.interact(
            at, self._audience.user(), kol, kind, content_id=content_id(kol, 0), **fields
        )

    def _simulate_amends(self, at: int, kol: Kol) -> None:
        user = self._audience.user()
        self._outbox.interact(at, user, kol, "kol_reply", content_id=content_id(kol, 0))
        if self._chance(0.6):
            self._outbox.interact(
                at + 20 * SECOND, user, kol, "mark_helpful", content_id=content_id(kol, 0)
            )
        if self._chance(0.3):
            self._outbox.interact(
                at + 25 * SECOND, user, kol, "mark_correct", content_id=content_id(kol, 0)
            )

    def _simulate_promotion(self, at: int, kol: Kol) -> None:
        rng = self._rng
        user = self._audience.user()
        led = {"kol_id": kol.kol_id, "content_id": sale_id(kol)}
        live = {"live_id": f"{kol.kol_id}-live", "viewers": 9_000}
        self._outbox.interact(
            at, user, kol, "view", content_id=led["content_id"], dwell_ms=60_000, **live
        )
        if self._chance(0.5):
            self._outbox.click(at + 30 * SECOND, user, "click", **led)
            item = rng.choice(self._items[kol.brand_id])
            coupon = {"coupon_id": market.coupon_id(kol)}
            order = self._shop.pay(at + 45 * SECOND, user, item, promo=True, **coupon)
            if self._chance(story.REFUND_WAVE_SHARE):
                wave = self._live + int(rng.uniform(*story.REFUND_WAVE_S) * SECOND)
                self._shop.return_order(max(wave, order["ts"] + 60 * SECOND), user, order)

    def _simulate_self(self, at: int, kol: Kol) -> None:
        """The KOL sees somebody else's content, then his own, likes it, follows it and buys."""
        rng = self._rng
        self_ = self._audience.account(kol)
        other = self._audience.kol()
        self._outbox.interact(
            at, self_, other, "view", content_id=content_id(other, 1), dwell_ms=20_000
        )
        led = {"kol_id": kol.kol_id, "content_id": content_id(kol, rng.randrange(CONTENTS))}
        at += 20 * SECOND
        self._outbox.interact(at, self_, kol, "like", content_id=led["content_id"])
        self._outbox.click(at + SECOND, self_, "click", **led)
        self._shop.pay(at + 30 * SECOND, self_, rng.choice(self._items[kol.brand_id]), promo=False)
