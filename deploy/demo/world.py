"""A small world of users and KOLs whose truth is known: its events, second by second.

People meet content, look, act, pass it on, buy, send back; now and then a message comes twice
or broken. Who plays and what happens when is data in `deploy.demo.story`. Time and seed are
arguments: the same ones give the same events.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import Any, Final

from deploy.demo import market, story
from deploy.demo.market import Item, Kol
from deploy.demo.story import Act, Deed, Role
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES

Event = dict[str, Any]
Message = tuple[str, Event]  # topic, value

EVENTS_A_VISIT: Final = 3.25  # of an ordinary visit and what follows from it, on average
ORGANIC: Final = 0.2  # of visits nobody led to
TWICE: Final = 0.02  # messages that come a second time
BROKEN: Final = 0.001  # messages that come broken as well
REFUNDED: Final = 0.06  # of ordinary orders
DEEPEST: Final = 4  # hops of a share
SECOND: Final = 1_000  # milliseconds


@dataclass(frozen=True, slots=True)
class User:
    """Somebody: what every event of theirs says about them."""

    user_id: str
    favourite: Kol
    account_age_d: int
    platform: str
    is_member: bool
    device_hash: str
    ip_hash: str


class World:
    """Users, KOLs and what they do; successive calls of `events` go on with one life."""

    def __init__(self, seed: int, *, users: int = 5_000, kols: int = 60) -> None:
        self._rng = Random(f"world-{seed}")
        self.kols = market.kols(self._rng, kols)
        self._of = {kol.kol_id: kol for kol in self.kols}
        self._reach = list(accumulate(kol.reach for kol in self.kols))
        self._items = {b: [i for i in market.ITEMS if i.brand_id == b] for b in market.BRANDS}
        self._habits = {role: tuple({**story.LIKES, **story.HABITS[role]}.items()) for role in Role}
        self._seed, self._users = seed, users
        self._known: dict[int, User] = {}
        self._later: list[tuple[int, int, str, Event]] = []  # arrival, number, topic, event
        self._said = 0
        self._live = 0

    def events(
        self, start_ms: int, end_ms: int, rate_per_second: float, live_ms: int | None = None
    ) -> Iterator[Message]:
        """Topic and event, in order of arrival: by `ts` with up to two seconds of disorder.

        Args:
            start_ms: from when, milliseconds; what an earlier call left over comes first.
            end_ms: up to when; what arrives later waits for the next call.
            rate_per_second: events of an average hour of the day.
            live_ms: the moment the acts of the story count from; `start_ms` if not given.

        """
        self._live = start_ms if live_ms is None else live_ms
        at = float(start_ms)
        while True:
            visits = rate_per_second * market.rhythm(int(at)) / EVENTS_A_VISIT
            at += self._rng.expovariate(visits / SECOND)
            yield from self._arrived(min(int(at), end_ms))
            if at >= end_ms:
                return
            self._happens(int(at))

    def _arrived(self, until: int) -> Iterator[Message]:
        while self._later and self._later[0][0] < until:
            _, _, topic, event = heappop(self._later)
            yield topic, event

    def _happens(self, at: int) -> None:
        """One ordinary visit, and as much of every act as belongs to it."""
        if self._perhaps(ORGANIC):
            self._searches(at, self._somebody())
        else:
            user = self._somebody()
            self._meets(at, user, user.favourite if self._perhaps(0.6) else self._a_kol())
        second = (at - self._live) / SECOND
        for act in story.ACTS:
            deeds = act.share * EVENTS_A_VISIT * act.plays(second)
            for _ in range(int(deeds + self._rng.random())):
                self._plays(at, act)

    def _perhaps(self, likely: float) -> bool:
        return self._rng.random() < likely

    # who

    def _somebody(self) -> User:
        """A user; some come often."""
        return self._user(int(self._users * self._rng.random() ** 2))

    def _user(self, number: int) -> User:
        user = self._known.get(number)
        if user is None:
            rng = Random(f"user-{self._seed}-{number}")
            kol = rng.choices(self.kols, cum_weights=self._reach)[0]
            user = self._known[number] = User(
                user_id=f"u-{number:06}",
                favourite=kol,
                account_age_d=20 + int(rng.expovariate(1 / 400)),
                platform=rng.choices(*_table(market.PLATFORMS))[0],
                is_member=self._perhaps(0.3),
                device_hash=f"{rng.getrandbits(48):012x}",
                ip_hash=f"{rng.getrandbits(32):08x}",
            )
        return user

    def _bot(self, kol: Kol) -> User:
        """A young account out of one of the three rooms this KOL pays for."""
        rng = self._rng
        number, room = rng.randrange(400), rng.randrange(3)
        return User(
            user_id=f"u-9{number:05}",
            favourite=kol,
            account_age_d=1 + number % 5,
            platform="douyin",
            is_member=False,
            device_hash=f"b07{room:09x}",
            ip_hash=f"b07{room:05x}",
        )

    def _a_kol(self) -> Kol:
        return self._rng.choices(self.kols, cum_weights=self._reach)[0]

    # what one visit is

    def _searches(self, at: int, user: User) -> None:
        """Somebody nobody led here looks for something, and perhaps buys it."""
        rng = self._rng
        item = rng.choice(market.ITEMS)
        query = rng.choice(market.SEARCHES)
        self._clicks(at, user, "search", query=query, category=item.category)
        self._clicks(at + 800, user, "impression", brand_id=item.brand_id, visible_ms=1_500)
        if self._perhaps(0.5):
            self._shops(at + 3 * SECOND, user, None, item, buys=0.35)

    def _meets(self, at: int, user: User, kol: Kol) -> None:
        """Content of a KOL comes by: scrolled past, or seen, and then one thing after another."""
        rng = self._rng
        content = f"{kol.kol_id}-c{rng.randrange(40):02}"
        led = {"kol_id": kol.kol_id, "content_id": content}
        self._clicks(at, user, "impression", **led, visible_ms=int(rng.lognormvariate(7.3, 0.8)))
        if self._perhaps(0.25):
            return
        at += rng.randint(1, 4) * SECOND
        deeper = 1.6 if kol.role is Role.EXPERT else 1.0
        dwell = int(deeper * rng.lognormvariate(9.2, 1.1))
        seen: Event = {"dwell_ms": dwell, "completion": round(min(1.0, dwell / 45_000), 3)}
        if self._perhaps(0.15):
            seen |= {"live_id": f"{kol.kol_id}-live", "viewers": 50 + int(4_000 * kol.reach)}
        self._acts(at, user, kol, "view", content_id=content, **seen)
        for kind, likely in self._habits[kol.role]:
            if self._perhaps(likely):
                self._responds(at + rng.randint(1, 20) * SECOND, user, kol, kind, content)
        if self._perhaps(0.22):
            item = rng.choice(self._items[kol.brand_id])
            self._clicks(at + 5 * SECOND, user, "click", **led)
            self._shops(at + 6 * SECOND, user, kol, item, buys=story.BUYS[kol.role], **led)

    def _responds(self, at: int, user: User, kol: Kol, kind: str, content: str) -> None:
        fields: Event = {"content_id": content}
        if kind == "comment":
            fields["text"] = self._rng.choice(market.COMMENTS)
        if kind == "share":
            fields |= {"share_id": self._id("s", at), "share_depth": 1, "root_kol_id": kol.kol_id}
            self._passes_on(at, kol, content, fields["share_id"], ())
        self._acts(at, user, kol, kind, **fields)

    def _passes_on(
        self, at: int, kol: Kol, content: str, share_id: str, chain: tuple[str, ...]
    ) -> None:
        """Friends follow a share, some buy, some pass it on: word of mouth in two steps."""
        rng = self._rng
        depth = len(chain) + 1
        led = {"kol_id": kol.kol_id, "content_id": content, "share_id": share_id}
        for _ in range(rng.randint(0, 3)):
            at += rng.randint(2, 15) * SECOND
            friend = self._somebody()
            self._clicks(at, friend, "click", **led, share_depth=depth)
            item = rng.choice(self._items[kol.brand_id])
            self._shops(at + SECOND, friend, kol, item, buys=0.3, **led, share_depth=depth)
            if depth < DEEPEST and self._perhaps(0.25):
                again = self._id("s", at)
                self._acts(
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
                self._passes_on(at + 5 * SECOND, kol, content, again, (share_id, *chain))

    def _shops(
        self, at: int, user: User, kol: Kol | None, item: Item, buys: float, **led: object
    ) -> None:
        """From the product's page down the funnel."""
        about = led | {"brand_id": item.brand_id, "category": item.category}
        self._clicks(at, user, "pdp_view", **about)
        if kol and self._perhaps(0.15):
            self._clicks(at + SECOND, user, "coupon_view", **about)
        if self._perhaps(buys):
            self._clicks(at + 3 * SECOND, user, "add_cart", **about)
            if self._perhaps(0.8):
                self._clicks(at + 5 * SECOND, user, "checkout", **about)
                if self._perhaps(0.9):
                    self._pays(at + 8 * SECOND, user, item, promo=self._perhaps(0.25))

    def _pays(self, at: int, user: User, item: Item, *, promo: bool) -> Event:
        rng = self._rng
        off = item.list_cents * (rng.choice((20, 30)) if promo else rng.choice((0, 0, 5))) // 100
        order = self._buys(
            at,
            user,
            kind="paid",
            order_id=self._id("o", at),
            pay_cents=item.list_cents - off,
            brand_id=item.brand_id,
            sku=item.sku,
            category=item.category,
            qty=1,
            list_cents=item.list_cents,
            discount_cents=off,
            promo_flag=promo,
        )
        if self._perhaps(REFUNDED):
            self._returns(at + rng.randint(40, 400) * SECOND, user, order)
        return order

    def _returns(self, at: int, user: User, order: Event) -> None:
        rng = self._rng
        about = {"order_id": self._id("r", at), "ref_order_id": order["order_id"]}
        about |= {"brand_id": order["brand_id"], "sku": order["sku"]}
        if self._perhaps(0.15):
            self._buys(at, user, kind="cancel", **about, reason="changed_mind")
        else:
            part = rng.choice((1, 1, 2, 3))
            cents = order["pay_cents"] // part
            self._buys(at, user, kind="refund", **about, pay_cents=cents, reason="quality")

    # what an act is

    def _plays(self, at: int, act: Act) -> None:
        kol = self._of[act.kol_id]
        match act.deed:
            case Deed.BOTS:
                self._bots(at, kol)
            case Deed.OUTRAGE:
                self._outrage(at, kol)
            case Deed.AMENDS:
                self._amends(at, kol)
            case Deed.PROMOTION:
                self._promotion(at, kol)

    def _bots(self, at: int, kol: Kol) -> None:
        rng = self._rng
        bot = self._bot(kol)
        content = f"{kol.kol_id}-c{rng.randrange(3):02}"
        if self._perhaps(0.7):
            self._acts(at, bot, kol, "view", content_id=content, dwell_ms=rng.randint(200, 1_500))
        else:
            self._acts(at, bot, kol, rng.choice(("like", "like", "follow")), content_id=content)

    def _outrage(self, at: int, kol: Kol) -> None:
        rng = self._rng
        kind = rng.choices(*_table(story.ANGER))[0]
        fields = {"text": rng.choice(market.COMPLAINTS)} if kind == "comment" else {}
        self._acts(at, self._somebody(), kol, kind, content_id=f"{kol.kol_id}-c00", **fields)

    def _amends(self, at: int, kol: Kol) -> None:
        user = self._somebody()
        self._acts(at, user, kol, "kol_reply", content_id=f"{kol.kol_id}-c00")
        if self._perhaps(0.6):
            self._acts(at + 20 * SECOND, user, kol, "mark_helpful", content_id=f"{kol.kol_id}-c00")

    def _promotion(self, at: int, kol: Kol) -> None:
        rng = self._rng
        user = self._somebody()
        led = {"kol_id": kol.kol_id, "content_id": f"{kol.kol_id}-sale"}
        live = {"live_id": f"{kol.kol_id}-live", "viewers": 9_000}
        self._acts(at, user, kol, "view", content_id=led["content_id"], dwell_ms=60_000, **live)
        if self._perhaps(0.5):
            self._clicks(at + 30 * SECOND, user, "click", **led)
            item = rng.choice(self._items[kol.brand_id])
            order = self._pays(at + 45 * SECOND, user, item, promo=True)
            if self._perhaps(story.REFUND_WAVE_SHARE):
                wave = self._live + int(rng.uniform(*story.REFUND_WAVE_S) * SECOND)
                self._returns(max(wave, order["ts"] + 60 * SECOND), user, order)

    # saying it

    def _clicks(self, at: int, user: User, event: str, **fields: object) -> None:
        channel = "live" if "live_id" in fields else "social" if "kol_id" in fields else "shelf"
        self._say(
            CLICKSTREAM,
            at,
            user,
            {
                "event": event,
                "session_id": f"{user.device_hash[:6]}-{at // 1_800_000:x}",
                "platform": user.platform,
                "channel_type": channel,
                "device_hash": user.device_hash,
                "ip_hash": user.ip_hash,
                **fields,
            },
        )

    def _acts(self, at: int, user: User, kol: Kol, event: str, **fields: object) -> None:
        self._say(
            INTERACTIONS,
            at,
            user,
            {
                "event": event,
                "kol_id": kol.kol_id,
                "account_age_d": user.account_age_d,
                "device_hash": user.device_hash,
                "ip_hash": user.ip_hash,
                **fields,
            },
        )

    def _buys(self, at: int, user: User, **fields: object) -> Event:
        channel = self._rng.choices(*_table(market.CHANNELS))[0]
        about = {"platform": user.platform, "channel_type": channel, "is_member": user.is_member}
        return self._say(PURCHASES, at, user, {**fields, **about})

    def _say(self, topic: str, at: int, user: User, fields: Event) -> Event:
        """Put a message on its way: a little late, perhaps twice, perhaps broken as well."""
        rng = self._rng
        event = {"event_id": self._id("e", at), "ts": at, "user_id": user.user_id, **fields}
        arrival = at + rng.randint(0, 50 if self._perhaps(0.8) else 2 * SECOND)
        self._send(arrival, topic, event)
        luck = rng.random()
        if luck < TWICE:
            self._send(arrival + rng.randint(100, 2 * SECOND), topic, event)
        elif luck < TWICE + BROKEN:
            self._send(arrival, topic, rng.choice(BREAKS)(event))
        return event

    def _send(self, arrival: int, topic: str, event: Event) -> None:
        heappush(self._later, (arrival, self._said, topic, event))
        self._said += 1

    def _id(self, prefix: str, at: int) -> str:
        """An id that no other run of the world has: it holds the time."""
        self._said += 1
        return f"{prefix}{at:x}-{self._said:x}"


def _table(shares: Mapping[str, float]) -> tuple[list[str], list[float]]:
    return list(shares), list(shares.values())


BREAKS: Final[tuple[Callable[[Event], Event], ...]] = (
    lambda event: {name: value for name, value in event.items() if name != "ts"},
    lambda event: event | {"ts": str(event["ts"])},
    lambda event: event | {"ts": event["ts"] // 1_000},  # seconds instead of milliseconds
    lambda event: event | {"event": "hologram_view", "kind": "gift"},
    lambda event: event | {"kol_id": "organic", "kind": "gift"},
)
