"""What the log means, computed again in plain Python: loops, dicts, exact numbers, no arrays.

An independent reading of the definitions: refusals, doors, touches, orders, refunds, six
models, cells, dead letters. It reads a log that is already complete, keeps everything and
never forgets, so it is slow and easy to check by eye. It shares no code with the worker.

Times are milliseconds since the epoch, UTC; money is integer cents.
"""

import json
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import cache
from typing import Any, Final

with warnings.catch_warnings():  # kafka-python reads its own files in a deprecated way
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.partitioner.default import murmur2

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
HALF_HOUR_MS: Final = 30 * MINUTE_MS

LATENESS_MS: Final = 2 * HOUR_MS
PATIENCE_MS: Final = 10 * MINUTE_MS  # an event may be so much newer than its record
YEAR_2000_MS: Final = 946_684_800_000
REFUND_BEFORE_MS: Final = 24 * HOUR_MS
REFUND_AFTER_MS: Final = 180 * DAY_MS
LOOKED_AT: Final = 32  # touches of an order
MOST_TOUCHES: Final = 1_024  # that one topic makes of one user in one half hour
MOST_KOLS: Final = 131_072  # that have cells of their own, of a topic partition and four weeks
FOUR_WEEKS_MS: Final = 28 * DAY_MS  # counted since the epoch
MOST: Final = 10**12  # cents, milliseconds
MAX_BYTES: Final = 256 * 1024  # of one message
MAX_ID: Final = 512  # characters
MAX_DEPTH: Final = 256  # of objects and lists in each other
INT64: Final = range(-(2**63), 2**63)

LOOKBACK_MS: Final = {
    "click": 30 * DAY_MS,
    "engage": 30 * DAY_MS,
    "live": 3 * DAY_MS,
    "share": 14 * DAY_MS,
    "view": 7 * DAY_MS,
}
MODELS: Final = ("first", "last", "linear", "position", "time_decay", "shapley")

ENGAGING: Final = frozenset(
    {"like", "save", "comment", "danmaku", "share", "follow", "screenshot", "revisit"}
    | {"search_after_view", "join_private", "qa_attend", "co_create", "ugc_post"}
)
KINDS: Final = {
    "clickstream": frozenset(
        {"impression", "click", "search", "pdp_view", "add_cart", "checkout", "coupon_view"}
        | {"service_push"}
    ),
    "content-interactions": ENGAGING
    | {"view", "unfollow", "leave_private", "report", "kol_reply", "mark_helpful"}
    | {"mark_correct", "expert_correction"},
    "purchases": frozenset({"paid", "refund", "cancel"}),
}
TEXTS: Final = frozenset(
    {"event_id", "user_id", "event", "kind", "kol_id", "content_id", "share_id", "live_id"}
    | {"order_id", "ref_order_id", "brand_id", "platform", "channel_type"}
)
COUNTS: Final = frozenset({"dwell_ms", "visible_ms", "pay_cents", "list_cents", "discount_cents"})
NUMBERS: Final = {"completion": 1.0, "account_age_d": math.inf}  # the greatest
NAMES: Final = {  # in which half a surrogate pair is no text
    "clickstream": ("event_id", "user_id", "kol_id", "event"),
    "content-interactions": ("event_id", "user_id", "kol_id", "event"),
    "purchases": (
        *("event_id", "user_id", "order_id", "ref_order_id", "kind"),
        *("brand_id", "platform", "channel_type", "currency"),
    ),
}
REQUIRED: Final = {
    "clickstream": ("event_id", "ts", "user_id", "event"),
    "content-interactions": ("event_id", "ts", "user_id", "event", "kol_id"),
    "purchases": ("event_id", "ts", "user_id", "kind", "order_id"),
}

DEPTH: Final = {  # weights of one user's day with one KOL
    "like": 1.0,
    "danmaku": 1.5,
    "save": 3.0,
    "screenshot": 3.0,
    "revisit": 3.0,
    "comment": 4.0,
    "search_after_view": 4.0,
    "qa_attend": 4.0,
    "follow": 5.0,
    "share": 6.0,
    "join_private": 8.0,
    "ugc_post": 10.0,
    "co_create": 10.0,
}
COUNTED: Final = {  # which field of a KOL's cell an event adds one to
    "impression": "impressions",
    "click": "clicks",
    "pdp_view": "clicks",
    "add_cart": "carts",
    "checkout": "carts",
    "view": "views",
    "like": "likes",
    "save": "saves",
    "comment": "comments",
    "danmaku": "danmaku",
    "share": "shares",
    "follow": "follows",
    "unfollow": "unfollows",
    "join_private": "joins",
    "leave_private": "leaves",
    "qa_attend": "questions",
    "kol_reply": "replies",
    "co_create": "creations",
    "ugc_post": "creations",
    "report": "reports",
}

Fields = Mapping[str, Any]  # one JSON object


@dataclass(frozen=True, slots=True)
class Record:
    """One message as it lies on the broker."""

    topic: str
    partition: int
    offset: int
    received_at: int  # record time, milliseconds
    value: bytes | None


@dataclass(frozen=True, slots=True, order=True)
class Touch:
    """A user, a KOL and a class in one half hour, as an order sees it; sorted as paths go."""

    last: int  # the greatest moment that is not after the order
    kol: str
    kind: str  # click, engage, live, share, view
    begin: int  # the least moment

    @property
    def via(self) -> str:
        """How the KOL was met: `share` or `direct`."""
        return "share" if self.kind == "share" else "direct"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands in the end, and whom it owes what."""

    user_id: str
    order_id: str
    event_id: str  # of the `paid` that stands
    ordered_at: int
    brand_id: str  # empty where absent, as platform and channel
    platform: str
    channel: str
    paid_cents: int
    refunded_cents: int
    touches: tuple[Touch, ...]  # those that count, in order of (last, kol, kind)
    after: tuple[int, int]  # touches that begin within ten minutes after it, ms to the first
    via: Mapping[str, str]  # KOL -> direct, share; organic -> none
    credits: Mapping[str, Mapping[str, tuple[int, int]]]  # model -> KOL -> credit, refunded


@dataclass(frozen=True, slots=True)
class Expected:
    """Everything that must be found once the whole log was read."""

    doors: Counter[tuple[str, int, str]]  # topic, partition, door (written, duplicate, ...)
    rejected: Mapping[tuple[str, int, int], frozenset[str]]  # topic, partition, offset -> reasons
    dropped: Mapping[tuple[str, int, int], str]  # purchases that are dead letters too -> reason
    differing: Counter[str]  # topic -> duplicates that say something else than what counts
    orders: Mapping[tuple[str, str], Order]  # user_id, order_id
    crowded: int  # events that would be a touch too many of their user's half hour
    nameless: int  # events that count under `~others`: too many KOLs are named
    unmatched: int  # refunds and cancels whose order never came
    excess_cents: int  # given back beyond what was paid, over all orders
    cells: Mapping[tuple[str, int], Mapping[str, int]]  # KOL or ~brand:, minute -> field -> sum
    depth: Mapping[str, int]  # KOL -> 1e-6, over all minutes

    def credit_rows(self) -> Counter[tuple[str, str, int, str, str, int, int]]:
        """Model, kol_id, ordered_at, order_id, via, credit and refunded cents; zeros left out."""
        return Counter(
            (model, kol, order.ordered_at, order.order_id, order.via[kol], credit, refunded)
            for order in self.orders.values()
            for model, shares in order.credits.items()
            for kol, (credit, refunded) in shares.items()
            if credit or refunded
        )

    def order_rows(self) -> Counter[tuple[int, str, str, str, str, int, int, int]]:
        """ordered_at, order_id, brand, platform, channel, paid, refunded, number of touches."""
        return Counter(
            (
                order.ordered_at,
                order.order_id,
                order.brand_id,
                order.platform,
                order.channel,
                order.paid_cents,
                order.refunded_cents,
                len(order.touches),
            )
            for order in self.orders.values()
        )


@dataclass(slots=True)
class Story:
    """What one user did, as far as it was accepted."""

    touches: dict[tuple[str, str, int], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )  # KOL, class, half hour -> the moments of its events
    made: dict[tuple[str, int], set[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(set)
    )  # topic, half hour -> KOL and class of its touches
    paid: dict[str, list[Fields]] = field(default_factory=lambda: defaultdict(list))
    refunds: dict[str, list[Fields]] = field(default_factory=lambda: defaultdict(list))


@cache
def partition_of(user_id: str, partitions: int) -> int:
    """The partition a producer with kafka-python's default partitioner puts this user in."""
    return int(murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions


def oracle(
    log: Iterable[Record],
    partitions: int,
    most: int = MOST_TOUCHES,
    most_kols: int = MOST_KOLS,
) -> Expected:
    """Read a whole log; within a topic partition the records are taken by offset.

    `most` touches are made by one topic of one user in one half hour, `most_kols` have cells
    of their own by one topic partition in four weeks: the first of its log.
    """
    records = sorted(log, key=lambda r: (r.topic, r.partition, r.offset))
    by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        by_partition[record.topic, record.partition].append(record)

    doors: Counter[tuple[str, int, str]] = Counter()
    rejected: dict[tuple[str, int, int], frozenset[str]] = {}
    dropped: dict[tuple[str, int, int], str] = {}
    differing: Counter[str] = Counter()
    accepted: list[tuple[str, Fields]] = []
    counted: list[tuple[str, Fields]] = []  # under the names that have cells
    nameless = 0
    for (topic, partition), part in by_partition.items():
        gate = Gate()
        named: dict[int, set[str]] = defaultdict(set)  # four weeks -> KOLs with cells
        for record in part:
            place = (topic, partition, record.offset)
            faults = faults_of(record, partitions)
            if faults:
                rejected[place] = faults
                continue
            event = json.loads(record.value or b"")
            door = gate.door(topic, event)
            doors[topic, partition, door] += 1
            if door in {"written", "duplicate_order"}:
                accepted.append((topic, event))
                kols = named[event["ts"] // FOUR_WEEKS_MS]
                kol = event.get("kol_id")
                if topic != "purchases" and kol and kol not in kols:
                    if len(kols) < most_kols:
                        kols.add(kol)
                    else:
                        nameless += 1
                        event = event | {"kol_id": "~others"}
                counted.append((topic, event))
            differs = door == "duplicate" and gate.differs(topic, event)
            differing[topic] += differs
            if topic == "purchases" and (door == "too_late" or differs):
                dropped[place] = door
    stories, crowded = stories_of(accepted, most)
    orders, unmatched, excess = orders_of(stories)
    return Expected(
        doors=doors,
        rejected=rejected,
        dropped=dropped,
        differing=differing,
        orders=orders,
        crowded=crowded,
        nameless=nameless,
        unmatched=unmatched,
        excess_cents=excess,
        cells=cells_of(counted, orders),
        depth=depth_of(counted),
    )


# ---------------------------------------------------------------- refusals


def faults_of(record: Record, partitions: int) -> frozenset[str]:
    """Every reason for which this record may be refused; none: it can be read."""
    if record.value is None:
        return frozenset({"null_value"})
    if len(record.value) > MAX_BYTES:
        return frozenset({"too_large"})
    try:
        event = json.loads(record.value.decode("utf-8"), parse_constant=_no_constant)
        names = [event.get(name) for name in NAMES[record.topic]] if isinstance(event, dict) else []
        json.dumps(names, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        return frozenset({"not_json", "invalid"})
    if not isinstance(event, dict) or _depth(event) > MAX_DEPTH:
        return frozenset({"not_json", "invalid"})
    return frozenset(_faults(event, record, partitions))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _depth(value: object) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _faults(event: Fields, record: Record, partitions: int) -> set[str]:
    faults = set()
    kind = event.get("kind" if record.topic == "purchases" else "event")
    needed = REQUIRED[record.topic]
    if record.topic == "purchases" and kind != "cancel":
        needed += ("pay_cents",)
    if any(event.get(name) is None or event[name] == "" for name in needed):
        faults.add("invalid")
    if any(not _well_typed(name, value) for name, value in event.items()):
        faults.add("invalid")
    if isinstance(kind, str) and kind not in KINDS[record.topic]:
        faults.add("unknown_kind")
    kol = event.get("kol_id") if record.topic != "purchases" else None
    if isinstance(kol, str) and (kol == "organic" or kol.startswith("~")):
        faults.add("reserved_id")
    at = event.get("ts")
    if type(at) is int and at < YEAR_2000_MS:
        faults.add("bad_time")
    if type(at) is int and at > record.received_at + PATIENCE_MS:
        faults.add("from_the_future")
    user = event.get("user_id")
    if isinstance(user, str) and partition_of(user, partitions) != record.partition:
        faults.add("wrong_partition")
    return faults


def _well_typed(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in TEXTS:
        return isinstance(value, str) and len(value) <= MAX_ID
    if name == "ts":
        return type(value) is int and value in INT64
    if name in COUNTS:
        return type(value) is int and 0 <= value <= MOST
    if name in NUMBERS:
        return type(value) in {int, float} and 0 <= float(str(value)) <= NUMBERS[name]
    return True


# ---------------------------------------------------------------- doors


@dataclass(slots=True)
class Gate:
    """One topic partition's doors, record by record in the order of the log."""

    newest: int | None = None  # greatest accepted time
    ids: dict[tuple[str, str], int] = field(default_factory=dict)  # user, event_id -> its time
    paid: set[tuple[str, str]] = field(default_factory=set)  # user, order_id
    stands: dict[tuple[str, str], Fields] = field(default_factory=dict)  # user, event_id -> event

    def differs(self, topic: str, event: Fields) -> bool:
        """Whether a duplicate says something else than the event that stands."""
        stands = self.stands[event["user_id"], event["event_id"]]
        return said(topic, event) != said(topic, stands)

    def door(self, topic: str, event: Fields) -> str:
        """Where this event leaves."""
        at: int = event["ts"]
        oldest = -math.inf if self.newest is None else self.newest - LATENESS_MS
        if at < oldest:
            return "too_late"
        identity = (event["user_id"], event["event_id"])
        if self.ids.get(identity, -math.inf) >= oldest and identity in self.ids:
            return "duplicate"
        self.ids[identity] = at
        self.stands[identity] = event
        self.newest = at if self.newest is None else max(self.newest, at)
        if topic == "purchases" and event["kind"] == "paid":
            order = (event["user_id"], event["order_id"])
            if order in self.paid:
                return "duplicate_order"
            self.paid.add(order)
        return "written"


def said(topic: str, event: Fields) -> tuple[object, ...]:
    """What two events with one identity should agree on."""
    if topic != "purchases":
        return event["event"], event["ts"], event.get("kol_id") or None
    is_paid, cents = event["kind"] == "paid", event.get("pay_cents") or 0
    return (
        event["kind"],
        event["ts"],
        event["order_id"] if is_paid else event.get("ref_order_id") or event["order_id"],
        0 if event["kind"] == "cancel" else cents,
        event.get("currency") or "CNY",
    )


# ---------------------------------------------------------------- touches and orders


def touch_of(topic: str, event: Fields) -> str | None:
    """The class of touch an event is, or None."""
    if topic == "purchases" or not event.get("kol_id"):
        return None
    kind = event["event"]
    dwell, visible = event.get("dwell_ms") or 0, event.get("visible_ms") or 0
    if topic == "clickstream":
        if kind in {"click", "pdp_view"} and event.get("share_id"):
            return "share"
        if kind in {"click", "pdp_view", "coupon_view"} and not event.get("share_id"):
            return "click"
        return "view" if kind == "impression" and visible >= SECOND_MS else None
    if kind in ENGAGING:
        return "engage"
    if kind != "view":
        return None
    if event.get("live_id"):
        return "live" if dwell >= 30 * SECOND_MS else None
    deep = dwell >= 5 * SECOND_MS or (event.get("completion") or 0) >= 0.5
    return "view" if deep else None


def stories_of(accepted: Iterable[tuple[str, Fields]], most: int) -> tuple[dict[str, Story], int]:
    """What every user did, each topic in the order of its log; events beyond the touch limit."""
    stories: dict[str, Story] = defaultdict(Story)
    crowded = 0
    for topic, event in accepted:
        story = stories[event["user_id"]]
        if topic == "purchases":
            if event["kind"] == "paid":
                story.paid[event["order_id"]].append(event)
            else:
                story.refunds[event.get("ref_order_id") or event["order_id"]].append(event)
            continue
        kind = touch_of(topic, event)
        if kind is None:
            continue
        half_hour = event["ts"] // HALF_HOUR_MS
        made = story.made[topic, half_hour]
        if (event["kol_id"], kind) not in made and len(made) >= most:
            crowded += 1
            continue
        made.add((event["kol_id"], kind))
        story.touches[event["kol_id"], kind, half_hour].add(event["ts"])
    return stories, crowded


def orders_of(stories: Mapping[str, Story]) -> tuple[dict[tuple[str, str], Order], int, int]:
    """Every order as it stands in the end; unmatched refunds; cents beyond what was paid."""
    orders: dict[tuple[str, str], Order] = {}
    excess = 0
    for user, story in stories.items():
        for order_id, paid in story.paid.items():
            standing = min(paid, key=lambda event: (event["ts"], event["event_id"]))
            counting = [r for r in story.refunds[order_id] if _counts(r, standing)]
            refunded, over = refund_of(standing["pay_cents"], counting)
            excess += over
            orders[user, order_id] = _order(standing, refunded, story)
    unmatched = sum(
        len(refunds)
        for user, story in stories.items()
        for order_id, refunds in story.refunds.items()
        if (user, order_id) not in orders
    )
    return orders, unmatched, excess


def _counts(refund: Fields, order: Fields) -> bool:
    earliest, latest = order["ts"] - REFUND_BEFORE_MS, order["ts"] + REFUND_AFTER_MS
    return bool(earliest <= refund["ts"] <= latest)


def refund_of(paid_cents: int, counting: Sequence[Fields]) -> tuple[int, int]:
    """Cents given back of an order, and the cents beyond what was paid."""
    asked = sum(r["pay_cents"] for r in counting if r["kind"] == "refund")
    if any(r["kind"] == "cancel" for r in counting):
        return paid_cents, 0
    return min(paid_cents, asked), max(0, asked - paid_cents)


def seen_by(story: Story, at: int) -> list[Touch]:
    """The touches that count for an order at a time: no moment after it exists."""
    seen = []
    for (kol, kind, _), moments in story.touches.items():
        until = [moment for moment in moments if moment <= at]
        if until:
            seen.append(Touch(max(until), kol, kind, min(until)))
    newest = sorted(seen)[-LOOKED_AT:]
    return [touch for touch in newest if touch.last >= at - LOOKBACK_MS[touch.kind]]


def soon_after(story: Story, at: int) -> tuple[int, int]:
    """How many touches begin within ten minutes after an order, and how long after it the first."""
    begins = [min(moments) - at for moments in story.touches.values()]
    soon = [ms for ms in begins if 0 < ms <= PATIENCE_MS]
    return len(soon), min(soon, default=0)


def _order(standing: Fields, refunded: int, story: Story) -> Order:
    at, paid = standing["ts"], standing["pay_cents"]
    counting = seen_by(story, at)
    via = {touch.kol: "share" for touch in counting}
    via.update({touch.kol: "direct" for touch in counting if touch.via == "direct"})
    credits_ = {}
    for model in MODELS:
        earned = split(paid, weights_of(model, counting, at))
        returned = split(refunded, earned)
        credits_[model] = {kol: (earned[kol], returned[kol]) for kol in earned}
    return Order(
        user_id=standing["user_id"],
        order_id=standing["order_id"],
        event_id=standing["event_id"],
        ordered_at=at,
        brand_id=standing.get("brand_id") or "",
        platform=standing.get("platform") or "",
        channel=standing.get("channel_type") or "",
        paid_cents=paid,
        refunded_cents=refunded,
        touches=tuple(counting),
        after=soon_after(story, at),
        via=via or {"organic": "none"},
        credits=credits_,
    )


# ---------------------------------------------------------------- models


def weights_of(model: str, touches: Sequence[Touch], ordered_at: int) -> dict[str, int]:
    """Integer weight of every KOL concerned; without a touch the organic part has all.

    >>> path = [Touch(n, kol, "click", n) for n, kol in enumerate("abcd")]
    >>> weights_of("position", path, 9)
    {'a': 4, 'b': 1, 'c': 1, 'd': 4}
    >>> weights_of("position", [*path, Touch(9, "e", "click", -1)], 9)
    {'a': 1, 'b': 1, 'c': 1, 'd': 1, 'e': 16}

    """
    if not touches:
        return {"organic": 1}
    first = min(touches, key=lambda touch: (touch.begin, touch.kol, touch.kind))
    last = touches[-1]
    each = {
        "first": lambda: [int(touch is first) for touch in touches],
        "last": lambda: [int(touch is last) for touch in touches],
        "linear": lambda: [1] * len(touches),
        "position": lambda: [_position(len(touches), (t is first) + (t is last)) for t in touches],
        "time_decay": lambda: [faded((ordered_at - t.last) // MINUTE_MS) for t in touches],
        "shapley": lambda: [
            int(all(before.kol != touch.kol for before in touches[:n]))
            for n, touch in enumerate(touches)
        ],
    }[model]()
    weights: dict[str, int] = dict.fromkeys((touch.kol for touch in touches), 0)
    for touch, weight in zip(touches, each, strict=True):
        weights[touch.kol] += weight
    return weights


def _position(n: int, roles: int) -> int:
    """Weight of one of n touches that is none, one or both of first and last."""
    return 1 if n <= 2 else [1, 2 * (n - 2), 4 * (n - 1)][roles]


@cache
def faded(minutes: int) -> int:
    """round(2^32 * 2^(-minutes / 10080)), with sixty digits.

    >>> faded(0), faded(10080), faded(5040)
    (4294967296, 2147483648, 3037000500)

    """
    with localcontext() as context:
        context.prec = 60
        return round(Decimal(2) ** (32 - Decimal(minutes) / 10080))


def split(cents: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split an amount by weights without losing a cent; nothing by nothing is nothing.

    >>> split(100, {"c": 1, "a": 1, "b": 1})
    {'c': 33, 'a': 34, 'b': 33}

    """
    total = sum(weights.values())
    if total == 0:
        return dict.fromkeys(weights, 0)
    parts = {name: cents * weight // total for name, weight in weights.items()}
    first = sorted(weights, key=lambda name: (-(cents * weights[name] % total), name.encode()))
    for name in first[: cents - sum(parts.values())]:
        parts[name] += 1
    return parts


# ---------------------------------------------------------------- cells


def cells_of(
    accepted: Iterable[tuple[str, Fields]], orders: Mapping[tuple[str, str], Order]
) -> dict[tuple[str, int], dict[str, int]]:
    """Sums of every KOL's and brand's minute; the evidence and depth fields are left out."""
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    seen: list[tuple[str, str, int]] = []  # cell name, user, time
    for topic, event in accepted:
        minute = event["ts"] // MINUTE_MS
        if topic != "purchases":
            if kol := event.get("kol_id"):
                seen.append((kol, event["user_id"], event["ts"]))
                cells[kol, minute].update(_behaviour(event))
        elif brand := event.get("brand_id"):
            name = f"~brand:{brand}"
            if event["kind"] != "paid":
                given_back = event["pay_cents"] if event["kind"] == "refund" else 0
                cells[name, minute].update(events=1, refunds=1, refund_cents=given_back)
            elif _stands(event, orders):
                cells[name, minute].update(_commerce(event))
            else:
                continue
            seen.append((name, event["user_id"], event["ts"]))
    for name, minute in _first_minutes(seen, MINUTE_MS, 0):
        cells[name, minute]["users"] += 1
    for name, minute in _first_minutes(seen, HOUR_MS, 0):
        cells[name, minute]["users_hour"] += 1
    for name, minute in _first_minutes(seen, DAY_MS, 0):
        cells[name, minute]["users_day"] += 1
    for name, minute in _first_minutes(seen, 7 * DAY_MS, 3 * DAY_MS):  # 1970-01-01: a Thursday
        cells[name, minute]["users_week"] += 1
    return {key: {n: v for n, v in sums.items() if v} for key, sums in cells.items()}


def _stands(paid: Fields, orders: Mapping[tuple[str, str], Order]) -> bool:
    order = orders[paid["user_id"], paid["order_id"]]
    return (order.ordered_at, order.event_id) == (paid["ts"], paid["event_id"])


def _behaviour(event: Fields) -> dict[str, int]:
    kind = event["event"]
    fields = {"events": 1}
    if kind in COUNTED:
        fields[COUNTED[kind]] = 1
    if kind == "view":
        fields["dwell_ms"] = event.get("dwell_ms") or 0
    return fields


def _commerce(paid: Fields) -> dict[str, int]:
    cents = paid["pay_cents"]
    return {
        "events": 1,
        "orders": 1,
        "paid_cents": cents,
        "list_cents": paid.get("list_cents") or 0,
        "discount_cents": paid.get("discount_cents") or 0,
        "promo_cents": cents if paid.get("promo_flag") else 0,
        "member_cents": cents if paid.get("is_member") else 0,
    }


def _first_minutes(
    seen: Iterable[tuple[str, str, int]], bucket_ms: int, shift_ms: int
) -> list[tuple[str, int]]:
    """Cell name and minute of each user's earliest event in each bucket."""
    first: dict[tuple[str, str, int], int] = {}
    for name, user, at in seen:
        key = (name, user, (at + shift_ms) // bucket_ms)
        first[key] = min(at, first.get(key, at))
    return [(name, at // MINUTE_MS) for (name, _, _), at in first.items()]


def depth_of(accepted: Iterable[tuple[str, Fields]]) -> dict[str, int]:
    """Per KOL the sum over users and UTC days of round(1e6 * ln(1 + weights of the day))."""
    days: dict[tuple[str, str, int], float] = defaultdict(float)
    for topic, event in accepted:
        if topic == "content-interactions":
            days[event["kol_id"], event["user_id"], event["ts"] // DAY_MS] += _weight(event)
    depth: Counter[str] = Counter()
    for (kol, _, _), weight in days.items():
        depth[kol] += round(1_000_000 * math.log1p(weight))
    return {kol: total for kol, total in depth.items() if total}


def _weight(event: Fields) -> float:
    if event["event"] != "view":
        return DEPTH.get(event["event"], 0.0)
    deep = (event.get("dwell_ms") or 0) >= 5 * SECOND_MS or (event.get("completion") or 0) >= 0.5
    return 0.5 if deep else 0.0
