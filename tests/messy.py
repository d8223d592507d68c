"""Messy logs from a seed: every case of the definitions, late, copied, changed and malformed.

Time and seed are arguments. Users live through episodes (many touches and an order, KOLs in turns
within the half hour of an order, touches at the very edge of a lookback, an order paid twice,
refunds of every kind, ...); then messages are delayed by up to two hours, copied, changed under
the same id, and joined by malformed ones. Some users are KOLs, or nobody.
What a message must become, `tests.oracle` computes.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.oracle import (
    DAY_MS,
    ENGAGING,
    HALF_HOUR_MS,
    HOUR_MS,
    KNOWN_MS,
    LOOKBACK_MS,
    MAX_BYTES,
    MINUTE_MS,
    REFUND_AFTER_MS,
    REFUND_BEFORE_MS,
    WAITS_MS,
    Record,
    partition_of,
)

CLICKSTREAM: Final = "clickstream"
INTERACTIONS: Final = "content-interactions"
PURCHASES: Final = "purchases"

SOON_MS: Final = 12 * HOUR_MS  # longer than any run: what is from the future stays so

KOLS: Final = (
    *("kol-a", "kol-ab", "kol-b", "KOL-A", "Organica", "organic-life", "a~b", "7"),
    *("小米妈妈", "小米", "奶粉测评师", "名前", "émilie", "e\u0301milie", "Żaneta"),
    *("👶日记", "\uff22宝妈", "кол", "kol with spaces", 'kol"quoted"\\'),
)
NOBODY: Final = (
    *("undefined", " Null", "ＮａＮ", "0", "[object\tObject]", "\u200b", " ", "N/A\ufeff"),
    *("00000000-0000-0000-0000-000000000000", "not\u200dhing", "00", "(NOT  SET)", "\u202enil"),
)  # and two that are somebody
RESERVED: Final = (
    "Organic",
    "organic ",
    "ｏｒｇａｎｉｃ",
    "org\u200banic",
    "～me",
    "\u2060~",
    "organic\u200e",
)
CURRENCIES: Final = ("CNY", "cny", " Cny ", "USD", "usd", "JPY", "jpy\t", "points", "")
BRANDS: Final = ("feihe", "美素佳儿", "brand-3", "")  # an empty one is an absent one
PLATFORMS: Final = ("douyin", "小红书", "tmall")
CHANNELS: Final = ("shelf", "social", "live", "private")
CATEGORIES: Final = ("奶粉", "纸尿裤", "toys & games", "")
TAGS: Final = ("high", "3", 3, 3.0, 0.5, 2**53, 1e300, "")
REASONS: Final = ("太大", "7天无理由退货", "no reason", "x" * 200, "x" * 200 + "y", "👶" * 300, "")
AMOUNTS: Final = (0, 1, 2, 3, 100, 9_999, 29_900, 10**12 - 1, 10**12)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One message before it is sent: an object, or bytes as they are, or nothing at all."""

    topic: str
    key: str
    value: Event | None = None
    raw: bytes | None = None

    @property
    def body(self) -> bytes | None:
        """The message's value on the broker."""
        if self.value is None:
            return self.raw
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def text(self) -> str:
        """One line of a file for `kol ingest`; bytes that are no text become lone surrogates."""
        line: dict[str, Any] = {"topic": self.topic}
        if self.value is not None:
            line["value"] = self.value
        else:
            line["raw"] = None if self.raw is None else _text(self.raw)
        if self.value is None or self.key != self.value.get("user_id"):
            line["key"] = self.key
        return json.dumps(line)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def messy_lines(
    seed: int, now: int, *, users: int = 30, days: int = 45, malformed: float = 0.03
) -> list[Line]:
    """Lines in the order of their arrival; all good times are at most `now`, within `days` of it.

    Args:
        seed: the same seed and arguments give the same lines.
        now: when they are sent, milliseconds.
        users: how many users; each brings some 50 to 150 lines.
        days: the span of event time; refunds reach their far edge only beyond 185.
        malformed: the share of malformed lines added.

    """
    rng = Random(seed)
    span = (now - days * DAY_MS, now - 5 * MINUTE_MS)
    events = [event for n in range(users) for event in _User(rng, _name(rng, n), span).life()]
    sent = [(at + _delay(rng), line) for at, line in _sorted(events)]
    sent += list(_copies(rng, sent, now))
    moments = [rng.choice(sent)[0] for _ in range(int(malformed * len(sent)))]
    sent += [(at, _malformed(rng, at, now)) for at in moments]
    return [line for _, line in sorted(sent, key=lambda arrival: arrival[0])]


def records(lines: Iterable[Line], partitions: int, now: int) -> list[Record]:
    """The lines as they lie on the broker, appended at `now`, partitioned by their key."""
    ends: dict[tuple[str, int], int] = {}
    log = []
    for line in lines:
        place = (line.topic, partition_of(line.key, partitions))
        offset = ends.get(place, 0)
        ends[place] = offset + 1
        log.append(Record(*place, offset, now, line.body))
    return log


# ---------------------------------------------------------------- one user's life

USER: Final = ("u-", "用户-", "user ")


def _name(rng: Random, number: int) -> str:
    """A user of his own, most often; else a KOL, or nobody: then several may share the id."""
    chance = rng.random()
    if chance < 0.08:
        return rng.choice(NOBODY)
    return rng.choice(KOLS) if chance < 0.16 else f"{rng.choice(USER)}{number}"


AGES: Final = (0, 0.5, 2.99, 3, 6.99, 7, 12, 29.9, 30, 400)  # of an account, days
HOPS: Final = (None, 0, 1, 1, 2, 5, 10**12)  # from the KOL to a share


def _told(rng: Random, topic: str) -> Event:
    """What some events say beside: the age of the account, how far from the KOL a share is."""
    told: Event = {}
    if topic == INTERACTIONS and rng.random() < 0.6:
        told["account_age_d"] = rng.choice(AGES)
    if rng.random() < 0.2:
        told["share_depth"] = rng.choice(HOPS)
    for name, values in SAID_BESIDE[topic].items():
        if rng.random() < 0.4:
            told[name] = rng.choice(values)
    return told


_OF_DEVICE: Final = {
    "device_hash": ("d1", "d2", "设备", ""),
    "ip_hash": ("i1", "i2", "i3", None),
    "content_id": ("c1", "笔记-2", "c 3", ""),
}
SAID_BESIDE: Final[dict[str, dict[str, tuple[Any, ...]]]] = {  # what no rule reads
    CLICKSTREAM: {
        **_OF_DEVICE,
        "session_id": ("v1", "v2", "会话", ""),
        "platform": (*PLATFORMS, ""),
        "channel_type": (*CHANNELS, "another one"),
        "brand_id": BRANDS,
        "category": CATEGORIES,
        "slot_id": ("top", 3, 3.0, 0.5, ""),
        "reco_id": ("r1", "r2", None),
        "reco_version": ("2026-05", 7, 1e300),
        "exp_id": ("x1", "x2", ""),
        "arm": ("treat", "holdout"),
        "baby_stage": ("0-6m", 12),
        "geo": ("CN-310000", ""),
        "age_band": ("25-29", 30),
        "first_screen": (True, False, None),
    },
    INTERACTIONS: {
        **_OF_DEVICE,
        "parent_share_id": ("s1", "s2", "分享", ""),
        "root_kol_id": (*KOLS[:3], ""),
    },
}


@dataclass(slots=True)
class _User:
    """One user; every method is an episode that adds to `events`."""

    rng: Random
    user_id: str
    span: tuple[int, int]  # first and last possible event time
    events: list[tuple[str, Event]] = field(default_factory=list)
    count: int = 0

    def life(self) -> list[tuple[str, Event]]:
        for _ in range(self.rng.randint(2, 5)):
            episode = self.rng.choice(EPISODES)
            episode(self)
        return [(t, e) for t, e in self.events if self.span[0] <= e["ts"] <= self.span[1]]

    def moment(self) -> int:
        at = self.rng.randint(*self.span)
        return self.rng.choice((at, at, at // HALF_HOUR_MS * HALF_HOUR_MS, at // DAY_MS * DAY_MS))

    def event(self, topic: str, at: int, **fields: object) -> Event:
        self.count += 1
        event_id = f"{self.rng.choice('abc')}{self.count}"
        event: Event = {"event_id": event_id, "ts": at, "user_id": self.user_id, **fields}
        if topic != PURCHASES:
            event = _told(Random(f"{self.user_id} {self.count}"), topic) | event
        if self.rng.random() < 0.2:
            event |= {"device_hash": "d1", "session_id": None, "new_field": {"of": ["v2"]}}
        self.events.append((topic, event))
        return event

    # touches

    def touch(self, at: int, kind: str | None = None, kol: str | None = None) -> None:
        kind = kind or self.rng.choice(tuple(LOOKBACK_MS))
        topic, fields = self.rng.choice(TOUCHES[kind])
        self.event(topic, at, kol_id=self.kol(kol), **fields)

    def kol(self, kol: str | None = None) -> str:
        """This KOL, or any; sometimes the user himself, a reserved name, or nobody."""
        chance = self.rng.random()
        if self.user_id in KOLS and chance > 0.7:
            return self.user_id
        if chance < 0.02:
            return self.rng.choice((*NOBODY, *RESERVED))
        return kol or self.rng.choice(KOLS)

    def not_a_touch(self, at: int) -> None:
        topic, fields = self.rng.choice(NO_TOUCHES)
        self.event(topic, at, **({"kol_id": self.kol()} | fields))

    # orders

    def order(self, at: int) -> Event:
        cents = self.rng.choice((*AMOUNTS, self.rng.randint(1, 10**6), self.rng.randint(1, 10**6)))
        order_id = f"o{self.rng.randrange(10**6)}" if self.rng.random() < 0.8 else f"o{self.count}"
        return self.paid(at, order_id, cents)

    def paid(self, at: int, order_id: str, cents: int) -> Event:
        optional = {
            "brand_id": self.rng.choice(BRANDS),
            "platform": self.rng.choice(PLATFORMS),
            "channel_type": self.rng.choice(CHANNELS),
            "list_cents": cents + self.rng.randint(0, 500),
            "discount_cents": self.rng.randint(0, 500),
            "currency": self.rng.choice(CURRENCIES),
            "category": self.rng.choice(CATEGORIES),
            "price_tier": self.rng.choice(TAGS),
            "sku": self.rng.choice((f"sku-{self.rng.randrange(50)}", "奶粉\t900", "")),
            "size": self.rng.choice(TAGS),
            "qty": self.rng.choice((1, 2.0, 0.35, 0, -1)),
            "coupon_id": self.rng.choice((f"c-{self.user_id}-{self.count}", "618", "")),
            "margin_cents": self.rng.choice((0, cents // 3, -cents, -1)),
            "promo_flag": self.rng.random() < 0.3,
            "is_member": self.rng.random() < 0.5,
        }
        kept = {name: value for name, value in optional.items() if self.rng.random() < 0.8}
        return self.event(PURCHASES, at, order_id=order_id, kind="paid", pay_cents=cents, **kept)

    def refund(self, order: Event, at: int, cents: int, kind: str = "refund") -> None:
        """Ask back, or with `refund_reversed` take back; seldom under the event_id of the order."""
        optional = self.concerning(order)
        if self.rng.random() < 0.05:
            optional["event_id"] = order.get("event_id", "none")
        refunded = f"r{self.rng.randrange(10**9)}"
        ids = {"order_id": refunded, "ref_order_id": order["order_id"]}
        self.event(PURCHASES, at, **ids, kind=kind, pay_cents=cents, **optional)

    def cancel(self, order: Event, at: int) -> None:
        ref = {"order_id": f"c{self.count}", "ref_order_id": order["order_id"]}
        self.event(PURCHASES, at, **ref, kind="cancel", **self.concerning(order))

    def concerning(self, order: Event) -> Event:
        """A brand, often; a currency, sometimes: that of the order, or any."""
        optional = {}
        if self.rng.random() < 0.7:
            optional["brand_id"] = self.rng.choice(BRANDS)
        if self.rng.random() < 0.4:
            optional["currency"] = order.get("currency", self.rng.choice(CURRENCIES))
        elif self.rng.random() < 0.3:
            optional["currency"] = self.rng.choice(CURRENCIES)
        if self.rng.random() < 0.6:
            optional["reason"] = self.rng.choice(REASONS)
        return optional

    # episodes

    def browses(self) -> None:
        """0 to 60 touches of every age, then an order."""
        at = self.moment()
        for _ in range(self.rng.choice((0, 0, 1, 2, 3, 5, 8, 20, 31, 32, 33, 40, 60))):
            self.touch(at - int(35 * DAY_MS * self.rng.random() ** 3))
        for _ in range(self.rng.randint(0, 6)):
            self.not_a_touch(at - self.rng.randint(0, DAY_MS))
        order = self.order(at)
        for _ in range(self.rng.choice((0, 0, 1, 2, 4))):
            self.gives_back(order)

    def at_the_edges(self) -> None:
        """Touches exactly at a lookback and one millisecond on both sides of it."""
        order = self.order(self.moment())
        at: int = order["ts"]
        kols = iter(self.rng.sample(KOLS, len(KOLS)))
        for kind in self.rng.sample(tuple(LOOKBACK_MS), 3):
            for delta in (-1, 0, 1):
                kol, edge = next(kols), at - LOOKBACK_MS[kind] + delta
                self.touch(edge, kind, kol)
                if self.rng.random() < 0.4:  # its half hour begins before the edge
                    self.touch(edge - self.rng.randint(1, HALF_HOUR_MS), kind, kol)
        for delta in (-1, 0, 1):
            self.touch(at + delta, None, next(kols))

    def in_a_crowd(self) -> None:
        """More touches in the same millisecond than an order looks at."""
        at = self.moment()
        before = self.rng.randint(0, HOUR_MS)
        for kol in self.rng.sample(KOLS, self.rng.randint(2, len(KOLS))):
            for kind in self.rng.sample(tuple(LOOKBACK_MS), self.rng.randint(1, 4)):
                self.touch(at - before, kind, kol)
        self.order(at)

    def in_turns(self) -> None:
        """A, B, A, C within the half hour of an order or two, some at one moment, some after it."""
        begin = self.moment() // HALF_HOUR_MS * HALF_HOUR_MS
        orders = [self.order(begin + self.rng.randrange(HALF_HOUR_MS)) for _ in "12"]
        kinds = self.rng.sample(tuple(LOOKBACK_MS), 2)
        a, b, c = self.rng.sample(KOLS, 3)
        at = begin
        for kol in (a, b, a, c) * self.rng.randint(1, 4):
            anywhere = begin + self.rng.randrange(HALF_HOUR_MS)
            close = self.rng.choice(orders)["ts"] + self.rng.randint(-2, 2)
            at = self.rng.choice((at, anywhere, anywhere, close))
            self.touch(at, self.rng.choice(kinds), kol)
        self.touch(begin - 1, kinds[0], a)
        self.touch(orders[0]["ts"] + self.rng.choice((1, 15_000, 600_000, 600_001)), None, b)

    def again_and_again(self) -> None:
        """One KOL and class many times in the half hours around an order, before and after."""
        order = self.order(self.moment())
        kol, kind = self.rng.choice(KOLS), self.rng.choice(tuple(LOOKBACK_MS))
        for _ in range(self.rng.randint(2, 12)):
            self.touch(order["ts"] + self.rng.randint(-HOUR_MS, HOUR_MS // 2), kind, kol)

    def pays_twice(self) -> None:
        """The same order again: earlier, later, at the same time; another brand, another sum."""
        for _ in range(self.rng.randint(0, 3)):
            self.touch(self.moment())
        order = self.order(self.moment())
        for _ in range(self.rng.randint(1, 3)):
            shift = self.rng.choice((0, 0, -1, 1, -HOUR_MS, -50 * MINUTE_MS, HOUR_MS, 5 * DAY_MS))
            self.touch(order["ts"] + self.rng.randint(-HOUR_MS, HOUR_MS))
            cents = self.rng.choice((order["pay_cents"], *AMOUNTS))
            self.paid(order["ts"] + shift, order["order_id"], cents)
        for _ in range(self.rng.randint(0, 2)):
            self.gives_back(order)

    def sends_back(self) -> None:
        """Refunds before and after, at the edges of their window and of memory, and for nothing."""
        at = self.span[0] + self.rng.randint(0, 40 * DAY_MS)
        self.touch(at - self.rng.randint(0, HOUR_MS))
        self.touch(at - self.rng.randint(0, DAY_MS))
        order = self.order(at)
        edges = (at - WAITS_MS, at - REFUND_BEFORE_MS, at + REFUND_AFTER_MS, at + KNOWN_MS)
        for edge in edges:
            for delta in self.rng.sample((-1, 0, 1), self.rng.randint(0, 3)):
                kind = self.rng.choice(("refund", "refund", "refund_reversed"))
                self.refund(order, edge + delta, self.rng.randint(0, order["pay_cents"]) // 2, kind)
        if self.rng.random() < 0.3:  # by then perhaps another order
            self.paid(at + KNOWN_MS + self.rng.randint(-1, 1), order["order_id"], 500)
        if self.rng.random() < 0.3:
            self.cancel(order, at + self.rng.choice((-REFUND_BEFORE_MS - 1, 60, 1_000_000)))
        self.refund({"order_id": f"unknown-{self.count}"}, self.moment(), 500)
        for _ in range(self.rng.randint(0, 3)):
            self.gives_back(order)

    def only_looks(self) -> None:
        """Cells without an order: whole days of looking."""
        at = self.moment()
        for _ in range(self.rng.randint(5, 30)):
            step = self.rng.choice((self.touch, self.not_a_touch))
            step(at + int(3 * DAY_MS * self.rng.random() ** 4))

    def gives_back(self, order: Event) -> None:
        at, cents = order["ts"], order["pay_cents"]
        later = at + int(20 * DAY_MS * self.rng.random() ** 3)
        before = at - self.rng.randint(0, 2 * HOUR_MS)
        when = self.rng.choice((later, later, later, before))
        amount = self.rng.choice((0, 1, cents, cents // 3, min(cents + 1, 10**12)))
        if self.rng.random() < 0.2:
            self.cancel(order, when)
        else:
            self.refund(order, when, amount)
        if self.rng.random() < 0.3:  # before what it takes back, or after; as much, less or more
            taken = self.rng.choice((amount, amount // 2, min(amount + 1, 10**12)))
            when += self.rng.choice((-HOUR_MS, -1, 0, 1, HOUR_MS, DAY_MS))
            self.refund(order, when, taken, "refund_reversed")


EPISODES: Final[tuple[Callable[[_User], None], ...]] = (
    *[_User.browses] * 4,
    _User.at_the_edges,
    _User.in_a_crowd,
    *[_User.in_turns] * 3,
    _User.again_and_again,
    _User.pays_twice,
    _User.sends_back,
    _User.only_looks,
)

Fields = tuple[str, Event]
TOUCHES: Final[dict[str, tuple[Fields, ...]]] = {
    "click": (
        (CLICKSTREAM, {"event": "click"}),
        (CLICKSTREAM, {"event": "pdp_view", "share_id": None}),
        (CLICKSTREAM, {"event": "coupon_view"}),
    ),
    "engage": tuple((INTERACTIONS, {"event": kind}) for kind in sorted(ENGAGING)),
    "live": (
        (INTERACTIONS, {"event": "view", "live_id": "l1", "dwell_ms": 30_000}),
        (INTERACTIONS, {"event": "view", "live_id": "l2", "dwell_ms": 400_000, "completion": 1}),
    ),
    "share": (
        (CLICKSTREAM, {"event": "click", "share_id": "s1"}),
        (CLICKSTREAM, {"event": "pdp_view", "share_id": "s2", "share_depth": 2}),
    ),
    "view": (
        (INTERACTIONS, {"event": "view", "dwell_ms": 5_000}),
        (INTERACTIONS, {"event": "view", "completion": 0.5}),
        (INTERACTIONS, {"event": "view", "dwell_ms": 12, "completion": 0.93}),
        (CLICKSTREAM, {"event": "impression", "visible_ms": 1_000}),
    ),
}
NO_TOUCHES: Final[tuple[Fields, ...]] = (
    (CLICKSTREAM, {"event": "impression", "visible_ms": 999}),
    (CLICKSTREAM, {"event": "impression"}),
    (CLICKSTREAM, {"event": "click", "kol_id": ""}),
    (CLICKSTREAM, {"event": "click", "kol_id": None}),
    (CLICKSTREAM, {"event": "pdp_view", "kol_id": "", "share_id": "s3"}),
    (CLICKSTREAM, {"event": "coupon_view", "share_id": "s4"}),
    (CLICKSTREAM, {"event": "search", "query": "奶粉"}),
    (CLICKSTREAM, {"event": "add_cart"}),
    (CLICKSTREAM, {"event": "checkout"}),
    (CLICKSTREAM, {"event": "service_push"}),
    (INTERACTIONS, {"event": "view"}),
    (INTERACTIONS, {"event": "view", "dwell_ms": 4_999, "completion": 0.4999}),
    (INTERACTIONS, {"event": "view", "live_id": "l1", "dwell_ms": 29_999, "completion": 1.0}),
    *(
        (INTERACTIONS, {"event": kind, "account_age_d": 12})
        for kind in ("unfollow", "leave_private", "report", "kol_reply", "mark_helpful")
    ),
    (INTERACTIONS, {"event": "mark_correct"}),
    (INTERACTIONS, {"event": "expert_correction"}),
)


# ---------------------------------------------------------------- trouble


def _sorted(events: Iterable[tuple[str, Event]]) -> Iterator[tuple[int, Line]]:
    for topic, event in sorted(events, key=lambda e: int(e[1]["ts"])):
        yield event["ts"], Line(topic, event["user_id"], event)


def _delay(rng: Random) -> int:
    if rng.random() < 0.02:
        return rng.randint(HOUR_MS, 10 * HOUR_MS)  # often too late
    late = rng.choice((HOUR_MS, rng.randint(HOUR_MS, 2 * HOUR_MS)))
    return rng.choice((0, 0, rng.randint(0, MINUTE_MS), rng.randint(0, HOUR_MS), late))


def _copies(rng: Random, sent: Iterable[tuple[int, Line]], now: int) -> Iterator[tuple[int, Line]]:
    """Some lines again: as they were, or with other words under the same id."""
    for arrival, line in sent:
        if rng.random() < 0.05:
            yield arrival + rng.randint(0, rng.choice((MINUTE_MS, HOUR_MS, 2 * DAY_MS))), line
        if rng.random() < 0.02 and line.value is not None:
            moved = rng.choice((0, 1, -HOUR_MS, HOUR_MS, 3 * HOUR_MS))
            changed = line.value | {"ts": min(line.value["ts"] + moved, now)}
            if "kol_id" in changed:
                changed["kol_id"] = rng.choice(KOLS)
            if "pay_cents" in changed:
                changed["pay_cents"] = rng.choice(AMOUNTS)
            if "currency" in changed:
                changed["currency"] = rng.choice(CURRENCIES)
            yield (
                arrival + max(0, moved) + rng.randint(0, HOUR_MS),
                Line(line.topic, line.key, changed),
            )


def _malformed(rng: Random, at: int, now: int) -> Line:
    """One malformed line; times are good unless they are what is wrong."""
    user = f"u-{rng.randrange(50)}"
    topic = rng.choice((CLICKSTREAM, INTERACTIONS, PURCHASES))
    good = {"event_id": f"m{rng.randrange(10**9)}", "ts": at, "user_id": user}
    good |= GOOD[topic]
    case = rng.randrange(len(BYTES) + len(OBJECTS[topic]) + 3)
    if case < len(BYTES):
        return Line(topic, user, raw=BYTES[case](json.dumps(good)))
    case -= len(BYTES)
    if case < len(OBJECTS[topic]):
        wrong = good | OBJECTS[topic][case]
        return Line(topic, user, {k: v for k, v in wrong.items() if v is not MISSING})
    if case == len(OBJECTS[topic]):
        return Line(topic, user)  # no value at all
    if case == len(OBJECTS[topic]) + 1:
        return Line(topic, f"u-{rng.randrange(50)}", good)  # most often in another's partition
    return Line(topic, user, good | {"ts": now + rng.choice((SOON_MS, DAY_MS))})


MISSING: Final = object()
GOOD: Final[dict[str, Event]] = {
    CLICKSTREAM: {"event": "click", "kol_id": "kol-a"},
    INTERACTIONS: {"event": "like", "kol_id": "kol-a"},
    PURCHASES: {"order_id": "m", "kind": "paid", "pay_cents": 100, "brand_id": "feihe"},
}
BYTES: Final[tuple[Callable[[str], bytes], ...]] = (
    lambda _: b"",
    lambda _: b"{",
    lambda _: b"hello",
    lambda _: b"null",
    lambda _: b"17",
    lambda _: b'"text"',
    lambda good: f"[{good}]".encode(),
    lambda good: good[:-1].encode(),
    lambda good: f"{good} {good}".encode(),
    lambda good: good.replace('"', "'").encode(),
    lambda good: good.replace("}", ',"x":NaN}').encode(),
    lambda good: b"\xff\xfe" + good.encode(),
    lambda good: good.replace('"m', '"\\ud800m').encode(),
    lambda good: good.encode("utf-16"),
    lambda good: good.replace("}", f',"x":{"[" * 2000}{"]" * 2000}}}').encode(),
    lambda good: good.replace("}", f',"x":"{" " * MAX_BYTES}"}}').encode(),
    lambda good: good.encode().replace(b'"u-', b'"\xc3(u-'),
)
TIMES: Final[tuple[Event, ...]] = (
    {"ts": MISSING},
    {"ts": None},
    {"ts": "1700000000000"},
    {"ts": True},
    {"ts": 1.7e12 + 0.5},
    {"ts": 2**63},
    {"ts": 10**40},
    {"ts": -1},
    {"ts": 0},
    {"ts": 1_700_000_000},  # seconds: a day of January 1970
    {"ts": 946_684_799_999},
    {"ts": 4_070_908_800_000},  # the year 2099
)
ANY: Final[tuple[Event, ...]] = (
    *TIMES,
    {"event_id": MISSING},
    {"event_id": 17},
    {"user_id": MISSING},
    {"user_id": ["u"]},
    {"user_id": ""},
    {"event_id": ""},
)
OBJECTS: Final[dict[str, tuple[Event, ...]]] = {
    CLICKSTREAM: (
        *ANY,
        {"event": MISSING},
        {"event": 3},
        {"event": "teleport"},
        {"event": "like"},
        {"kol_id": 5},
        {"kol_id": "organic"},
        {"kol_id": "~brand:feihe"},
        {"kol_id": "~"},
        {"kol_id": " ＯＲＧＡＮＩＣ"},
        {"visible_ms": "long"},
        {"visible_ms": -1},
    ),
    INTERACTIONS: (
        *ANY,
        {"event": MISSING},
        {"event": "paid"},
        {"event": ""},
        {"kol_id": MISSING},
        {"kol_id": None},
        {"kol_id": ""},
        {"kol_id": {"id": "kol-a"}},
        {"kol_id": "organic"},
        {"kol_id": "~me"},
        {"dwell_ms": "5000"},
        {"completion": "half"},
        {"completion": 1.5},
    ),
    PURCHASES: (
        *ANY,
        {"order_id": MISSING},
        {"order_id": 1},
        {"order_id": ""},
        {"kind": MISSING},
        {"kind": "gift"},
        {"kind": "PAID"},
        {"pay_cents": MISSING},
        {"pay_cents": None},
        {"pay_cents": "100"},
        {"pay_cents": -1},
        {"pay_cents": 10**12 + 1},
        {"pay_cents": 99.5},
        {"pay_cents": 10**30},
        {"currency": 156},
        {"kind": "refund_reversed", "ref_order_id": "m", "pay_cents": MISSING},
        {"kind": "refund", "ref_order_id": "m", "pay_cents": MISSING},
        {"kind": "refund", "ref_order_id": "m", "pay_cents": -5},
    ),
}
