"""What the log means, computed again in plain Python: loops, dicts, exact numbers, no arrays.

An independent reading of the definitions: refusals, doors, touches, orders, currencies, what
was given back, six models, cells, dead letters. It reads a log that is already complete, keeps
everything and never forgets, so it is slow and easy to check by eye. It shares no code with
the worker.

Times are milliseconds since the epoch, UTC; money is integer cents.
"""

import json
import math
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from types import MappingProxyType
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
WAITS_MS: Final = REFUND_BEFORE_MS + LATENESS_MS  # a refund, for its order
KNOWN_MS: Final = REFUND_AFTER_MS + LATENESS_MS  # an order, after its time
LOOKED_AT: Final = 32  # touches of an order
MOST_TOUCHES: Final = 1_024  # that one topic makes of one user in one half hour
MOST_KOLS: Final = 131_072  # that have cells of their own, of a topic partition and four weeks
FOUR_WEEKS_MS: Final = 28 * DAY_MS  # counted since the epoch
MOST: Final = 10**12  # cents, milliseconds
MILLION: Final = 10**6
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
    "purchases": frozenset({"paid", "refund", "cancel", "refund_reversed"}),
}
TEXTS: Final = frozenset(
    {"event_id", "user_id", "event", "kind", "kol_id", "content_id", "share_id", "live_id"}
    | {"anon_id", "device_hash", "ip_hash", "session_id", "reco_id", "exp_id", "arm"}
    | {"parent_share_id", "root_kol_id"}
    | {"order_id", "ref_order_id", "brand_id", "platform", "channel_type", "currency"}
    | {"sku", "category", "coupon_id"}
)
TAGS: Final = frozenset(  # texts or numbers
    {"price_tier", "size", "baby_stage", "geo", "age_band", "slot_id", "reco_version"}
)
MOST_REASON: Final = 200  # characters of a reason that are kept
MOST_LISTED: Final = 256  # refunds of an order that are listed one by one
COUNTS: Final = frozenset(
    {"dwell_ms", "visible_ms", "share_depth", "pay_cents", "list_cents", "discount_cents"}
)
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

SHOP: Final = "CNY"  # its currency, unless another is set
NOBODY: Final = frozenset(  # as the shop's setting has them before anybody changes it
    {"undefined", "null", "nan", "false", "0", "[object object]", "none", "nil", "(null)"}
    | {"<null>", "<nil>", "(none)", "(not set)", "n/a", "unknown", "-1", "0" * 32}
    | {"00000000-0000-0000-0000-000000000000", ""}
)

Fields = Mapping[str, Any]  # one JSON object
OWN: Final = "~own"  # beside what was sent: by one of the KOL's accounts
Accounts = Mapping[str, frozenset[str]]  # KOL -> user_ids that are his as well, all the time
Cell = tuple[str, int, str, int, int]  # KOL, minute, stream, age, partition


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
class GivenBack:
    """What refunds, cancels and reversals did to an order."""

    cents: int
    excess_cents: int  # asked back beyond what was paid
    reversed_cents: int  # of reversals that count
    unasked_cents: int  # reversed beyond what was asked back
    outside: int  # refunds, cancels and reversals outside the window
    foreign: int  # those inside it in another currency
    first: float = math.inf  # when something was first asked back that counts
    entries: tuple[tuple[int, int, str, str], ...] = ()  # time, cents, kind, reason of each


@dataclass(frozen=True, slots=True)
class Product:
    """What else the `paid` that stands says; texts are empty where absent."""

    category: str
    price_tier: str
    sku: str
    size: str
    qty: float | None
    coupon_id: str
    promo: int
    member: int
    list_cents: int
    discount_cents: int
    margin_cents: int | None


PRODUCT: Final = tuple(Product.__dataclass_fields__)


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
    currency: str
    product: "Product"
    paid_cents: int
    given_back: "GivenBack"
    touches: tuple[Touch, ...]  # those that count, in order of (last, kol, kind)
    again: tuple[int, int]  # further `paid` with another amount, that of the last in the log
    after: tuple[int, int]  # touches that begin within ten minutes after it, ms to the first
    via: Mapping[str, str]  # KOL -> direct, share; organic -> none
    credits: Mapping[str, Mapping[str, tuple[int, int]]]  # model -> KOL -> credit, refunded

    @property
    def refunded_cents(self) -> int:
        """Given back, at most what was paid."""
        return self.given_back.cents


@dataclass(frozen=True, slots=True)
class Expected:
    """Everything that must be found once the whole log was read."""

    doors: Counter[tuple[str, int, str]]  # topic, partition, door (written, duplicate, ...)
    rejected: Mapping[tuple[str, int, int], frozenset[str]]  # topic, partition, offset -> reasons
    dropped: Mapping[tuple[str, int, int], str]  # purchases that are dead letters too -> reason
    differing: Counter[str]  # topic -> duplicates that say something else than what counts
    orders: Mapping[tuple[str, str, int], Order]  # user_id, order_id, ordered_at
    crowded: int  # events that would be a touch too many of their user's half hour
    nameless: int  # events that count under `~others`: too many KOLs are named
    counters: Counter[str]  # what else is counted, by the counter's name
    cells: Mapping[tuple[str, int], Mapping[str, int]]  # KOL or ~brand:, minute -> field -> sum
    depth: Mapping[str, int]  # KOL -> 1e-6, over all minutes
    watermarks: Mapping[int, float]  # partition -> the least of its topics' greatest times
    stated: Sequence[tuple[str, Fields, int]] = ()  # topic, accepted behaviour, record time

    def credit_rows(self) -> Counter[tuple[str, str, int, str, str, int, int]]:
        """Model, kol_id, ordered_at, order_id, via, credit and refunded cents; zeros left out."""
        return Counter(
            (model, kol, order.ordered_at, order.order_id, order.via[kol], credit, refunded)
            for order in self.orders.values()
            for model, shares in order.credits.items()
            for kol, (credit, refunded) in shares.items()
            if credit or refunded
        )

    def observations(self, *, final: bool = True) -> dict[Cell, tuple[int, int]]:
        """What is observed of orders: n, and k bad ones, each of the KOL with the greatest part.

        By the model time_decay; of equal parts that of the first KOL by UTF-8 bytes. Minutes are
        observed once they are final by all three topics of their partition; without `final`, all.
        """
        seen: dict[Cell, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for order in self.orders.values():
            earned = order.credits["time_decay"]
            kol = min(earned, key=lambda name: (-earned[name][0], name.encode()))
            partition = partition_of(order.user_id, len(self.watermarks))
            until = self.watermarks[partition] if final else math.inf
            for stream, age, at, is_bad in [] if kol == "organic" else observed(order):
                minute = at // MINUTE_MS
                if (minute + 1) * MINUTE_MS + LATENESS_MS <= until:
                    n, k = seen[kol, minute, stream, age, partition]
                    seen[kol, minute, stream, age, partition] = n + 1, k + is_bad
        return dict(seen)

    def product_rows(self) -> Counter[tuple[object, ...]]:
        """ordered_at, order_id and all of `Product`."""
        return Counter(
            (order.ordered_at, order.order_id, *astuple(order.product))
            for order in self.orders.values()
        )

    def refund_rows(self) -> Counter[tuple[int, str, int, int, str, str]]:
        """ordered_at, order_id, and time, cents, kind and reason of each refund."""
        return Counter(
            (order.ordered_at, order.order_id, *entry)
            for order in self.orders.values()
            for entry in order.given_back.entries
        )

    def order_rows(self) -> Counter[tuple[int, str, str, str, str, int, int, int, str]]:
        """ordered_at, order_id, brand, platform, channel, paid, refunded, touches, currency."""
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
                order.currency,
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


@cache
def partition_of(user_id: str, partitions: int) -> int:
    """The partition a producer with kafka-python's default partitioner puts this user in."""
    return int(murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions


def oracle(
    log: Iterable[Record],
    partitions: int,
    most: int = MOST_TOUCHES,
    most_kols: int = MOST_KOLS,
    shop: str = SHOP,
    accounts: Accounts = MappingProxyType({}),
) -> Expected:
    """Read a whole log; within a topic partition the records are taken by offset.

    `most` touches are made by one topic of one user in one half hour, `most_kols` have cells
    of their own by one topic partition in four weeks: the first of its log. `shop` is the
    shop's currency. `accounts` says which users a KOL is beside the one of his name.
    """
    by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in sorted(log, key=lambda r: (r.topic, r.partition, r.offset)):
        by_partition[record.topic, record.partition].append(record)
    reading = Reading(partitions, most_kols, shop, accounts)
    for part in by_partition.values():
        reading.partition(part)
    stories, crowded = stories_of(reading.accepted, most)
    orders = orders_of(reading.bought, stories)
    counters = reading.counters + counters_of(orders.values())
    for bought in reading.bought:
        counters += bought.counted
        counters["refund_unmatched"] += len(bought.unmatched)
        counters["foreign_currency"] += sum(e["in_cell"] != shop for e in bought.in_cells)
    return Expected(
        doors=reading.doors,
        rejected=reading.rejected,
        dropped=reading.dropped,
        differing=reading.differing,
        orders=orders,
        crowded=crowded,
        nameless=reading.nameless,
        counters=counters,
        cells=cells_of(reading.counted, reading.felt, reading.bought, shop),
        depth=depth_of(reading.felt),
        watermarks={p: min(reading.newest[topic, p] for topic in KINDS) for p in range(partitions)},
        stated=reading.stated,
    )


@dataclass(slots=True)
class Reading:
    """How the messages of a log leave, and the events of it that are accepted."""

    partitions: int
    most_kols: int
    shop: str
    accounts: Accounts
    doors: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    rejected: dict[tuple[str, int, int], frozenset[str]] = field(default_factory=dict)
    dropped: dict[tuple[str, int, int], str] = field(default_factory=dict)
    differing: Counter[str] = field(default_factory=Counter)
    accepted: list[tuple[str, Fields]] = field(default_factory=list)
    counted: list[tuple[str, Fields]] = field(default_factory=list)  # under the names of cells
    felt: list[tuple[str, Fields]] = field(default_factory=list)  # of them, what has depth
    bought: list["Bought"] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    newest: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(_never))
    stated: list[tuple[str, Fields, int]] = field(default_factory=list)
    nameless: int = 0

    def partition(self, part: Iterable[Record]) -> None:
        """Read one partition of a topic."""
        gate = Gate(self.shop)
        named: dict[int, set[str]] = defaultdict(set)  # four weeks -> KOLs with cells
        for record in part:
            event = self.read(record, gate)
            self.newest[record.topic, record.partition] = gate.newest
            if event is not None and record.topic != "purchases":
                self.accepted.append((record.topic, event))
                self.stated.append((record.topic, event, record.received_at))
                self.behaved(record.topic, event, named[event["ts"] // FOUR_WEEKS_MS])
        self.bought += gate.bought

    def read(self, record: Record, gate: "Gate") -> Fields | None:
        """Let a message leave; its event if it is accepted."""
        topic, place = record.topic, (record.topic, record.partition, record.offset)
        faults = faults_of(record, self.partitions)
        if faults:
            self.rejected[place] = faults
            return None
        sent = json.loads(record.value or b"")
        event = meant(topic, sent, self.shop)
        if event["user_id"] in self.accounts.get(event.get("kol_id") or "", ()):
            event = {**event, OWN: True}
        door = gate.door(topic, event)
        self.doors[topic, record.partition, door] += 1
        differs = door == "duplicate" and gate.differs(topic, event)
        self.differing[topic] += differs
        is_told = door == "duplicate_order" and gate.is_told
        if topic == "purchases" and (door == "too_late" or differs or is_told):
            self.dropped[place] = door
        if door not in {"written", "duplicate_order"}:
            return None
        self.count(topic, sent, event)
        return event

    def count(self, topic: str, sent: Fields, event: Fields) -> None:
        """Count what is odd about an accepted event."""
        if topic == "purchases":
            self.counters["placeholder_user"] += is_nobody(event["user_id"])
            return
        self.counters["placeholder_kol"] += bool(sent.get("kol_id")) and not event.get("kol_id")
        self.counters["own_event"] += is_own(event)

    def behaved(self, topic: str, event: Fields, kols: set[str]) -> None:
        """Count an event in the cells of its KOL, or of `~others`; `kols` have cells already."""
        own, kol = is_own(event), event.get("kol_id")
        if kol and kol not in kols:
            if len(kols) < self.most_kols:
                kols.add(kol)
            else:
                self.nameless += 1
                event = {**event, "kol_id": "~others"}
        self.counted.append((topic, event))
        if not own:
            self.felt.append((topic, event))


def _never() -> float:
    return -math.inf


def meant(topic: str, event: Fields, shop: str) -> Fields:
    """An event as it is understood: a placeholder is no KOL; currencies are folded.

    Without a currency a `paid` is in the shop's; for what concerns an order it stays empty.
    """
    if topic == "purchases":
        currency = (event.get("currency") or "").strip().upper()
        return {**event, "currency": currency or (shop if event["kind"] == "paid" else "")}
    if is_nobody(event.get("kol_id") or ""):
        return {**event, "kol_id": None}
    return event


def is_own(event: Fields) -> bool:
    """Whether a KOL did this about himself."""
    return bool(event["user_id"] == event.get("kol_id") or OWN in event)


def counters_of(orders: Collection[Order]) -> Counter[str]:
    """What is counted of orders."""
    counters: Counter[str] = Counter()
    for given_back in (order.given_back for order in orders):
        counters["refund_outside"] += given_back.outside
        counters["refund_foreign"] += given_back.foreign
        counters["refund_excess_cents"] += given_back.excess_cents
        counters["reversal_excess_cents"] += given_back.unasked_cents
    counters["touch_after_order"] = sum(order.after[0] for order in orders)
    return counters


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
    if record.topic != "purchases":
        faults |= _faults_of_ids(record.topic, event.get("user_id"), event.get("kol_id"))
    at = event.get("ts")
    if type(at) is int and at < YEAR_2000_MS:
        faults.add("bad_time")
    if type(at) is int and at > record.received_at + PATIENCE_MS:
        faults.add("from_the_future")
    user = event.get("user_id")
    if isinstance(user, str) and partition_of(user, partitions) != record.partition:
        faults.add("wrong_partition")
    return faults


def _faults_of_ids(topic: str, user: object, kol: object) -> set[str]:
    """Why behaviour is refused for whose it is."""
    faults = set()
    if isinstance(kol, str) and (folded(kol) == "organic" or folded(kol).startswith("~")):
        faults.add("reserved_id")
    nobody = [name for name in (user, kol) if isinstance(name, str) and name and is_nobody(name)]
    if user in nobody or (kol in nobody and topic == "content-interactions"):
        faults.add("placeholder_id")
    return faults


@cache
def is_nobody(name: str) -> bool:
    r"""Whether an id means nobody.

    >>> [is_nobody(name) for name in (" ＮＵＬＬ ", "[object \t Object]", "\u200b", "00", "u0")]
    [True, True, True, False, False]

    """
    return folded(name) in NOBODY


@cache
def folded(name: str) -> str:
    r"""NFKC, no case, nothing invisible, white space as one space and none at the ends.

    >>> folded("\u200eOrga\u200bnic\u3000 \u2060 Life ")
    'organic life'

    """
    compatible = unicodedata.normalize("NFKC", name)
    seen = "".join(c for c in compatible if not is_invisible(c))
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())


def is_invisible(character: str) -> bool:
    r"""Whether a screen may ignore it: what formats, joins, selects and fills.

    >>> [is_invisible(c) for c in ("\u200b", "\ufe0f", "\u3164", "\u0600", "\u0301")]
    [True, True, True, False, False]

    """
    if "HANGUL" in (name := unicodedata.name(character, "")):
        return name.endswith("FILLER")
    if unicodedata.category(character) == "Cf":
        return not 0x600 <= ord(character) < 0x8E3 or character == "\u061c"
    return "VARIATION SELECTOR" in name or character == "\u034f"


def _well_typed(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in TEXTS:
        return isinstance(value, str) and len(value) <= MAX_ID
    if name in TAGS:
        return type(value) in {int, float} or (isinstance(value, str) and len(value) <= MAX_ID)
    if name == "qty":
        return type(value) in {int, float}
    if name == "reason":
        return isinstance(value, str)
    if name in {"promo_flag", "is_member", "first_screen"}:
        return isinstance(value, bool)
    if name == "margin_cents":
        return type(value) is int and -MOST <= value <= MOST
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

    shop: str
    newest: float = -math.inf  # greatest accepted time
    ids: dict[tuple[str, str], int] = field(default_factory=dict)  # user, event_id -> its time
    known: dict[tuple[str, str], "Bought"] = field(default_factory=dict)  # user, order_id
    bought: list["Bought"] = field(default_factory=list)  # also what is not known any more
    stands: dict[tuple[str, str], Fields] = field(default_factory=dict)  # user, event_id -> event

    is_told: bool = False  # whether the last purchase that was dropped is a dead letter

    def differs(self, topic: str, event: Fields) -> bool:
        """Whether a duplicate says something else than the event that stands."""
        stands = self.stands[event["user_id"], event["event_id"]]
        return said(topic, event) != said(topic, stands)

    def door(self, topic: str, event: Fields) -> str:
        """Where this event leaves."""
        at: int = event["ts"]
        before, oldest = self.newest, self.newest - LATENESS_MS
        if at < oldest:
            return "too_late"
        identity = (event["user_id"], event["event_id"])
        if self.ids.get(identity, -math.inf) >= oldest and identity in self.ids:
            return "duplicate"
        self.ids[identity] = at
        self.stands[identity] = event
        self.newest = max(before, at)
        if topic != "purchases":
            return "written"
        bought = self._bought(event, before)
        was = bought.standing if event["kind"] == "paid" and bought.paid else None
        bought.add(event, before, self.shop)
        outcome = None if was is None else bought.paid_again(was, event)
        self.is_told = outcome in {"paid_differs", "paid_after_cancel"}
        return "written" if outcome in {None, "paid_replaced"} else "duplicate_order"

    def _bought(self, event: Fields, before: float) -> "Bought":
        """What an event belongs to; begun anew once its order is too old to be known."""
        key = (event["user_id"], order_of(event))
        bought = self.known.get(key)
        if bought is None or (bought.paid and bought.standing["ts"] + KNOWN_MS < before):
            bought = self.known[key] = Bought()
            self.bought.append(bought)
        return bought


@dataclass(slots=True)
class Bought:
    """The purchases of one order of one user, in the order of the log.

    `in_cell` of an event is the currency in which it is in a cell. What names none has that of
    its order, the shop's while it waits, and keeps it once its minute is closed: two hours below
    the greatest time before the `paid` that would change it.
    """

    paid: list[Fields] = field(default_factory=list)
    concerning: list[dict[str, Any]] = field(default_factory=list)
    waiting_since: float = -math.inf  # what is older had stopped waiting when the order came
    again: int = 0  # further `paid` with another amount or currency
    again_cents: int = 0  # of the last of them
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def standing(self) -> Fields:
        """The `paid` that stands."""
        return min(self.paid, key=lambda event: (event["ts"], event["event_id"]))

    @property
    def in_cells(self) -> list[Fields]:
        """What counts for the cells of brands."""
        return [*([self.standing] if self.paid else []), *self.concerning]

    @property
    def matched(self) -> list[dict[str, Any]]:
        """What concerns the order and met it."""
        return [e for e in self.concerning if self.paid and e["ts"] >= self.waiting_since]

    @property
    def unmatched(self) -> list[Fields]:
        """What concerns an order that never came, or came too late."""
        return [event for event in self.concerning if event not in self.matched]

    def paid_again(self, was: Fields, event: Fields) -> str:
        """What became of a further `paid`, beside the one that stood when it was read."""
        stands = self.standing["event_id"] == event["event_id"] != was["event_id"]
        differs = (was["pay_cents"], was["currency"]) != (event["pay_cents"], event["currency"])
        if differs:
            self.again += 1
            self.again_cents = was["pay_cents"] if stands else event["pay_cents"]
        if stands:
            self.counted += Counter(paid_replaced=1, paid_differs=int(differs))
            return "paid_replaced"
        if any(e["kind"] == "cancel" and e["ts"] <= event["ts"] for e in self.concerning):
            self.counted += Counter(paid_after_cancel=1)
            return "paid_after_cancel"
        self.counted += Counter(paid_differs=int(differs))
        return "paid_differs" if differs else "same"

    def add(self, event: Fields, before: float, shop: str) -> None:
        """Take in the next accepted event; `before`: the greatest time before it."""
        if event["kind"] != "paid":
            currency = self.standing["currency"] if self.paid else shop
            self.concerning.append({**event, "in_cell": event["currency"] or currency})
            return
        if not self.paid:
            self.waiting_since = before - WAITS_MS
        self.paid.append({**event, "in_cell": event["currency"]})
        for one in self.matched:
            ends = (one["ts"] // MINUTE_MS + 1) * MINUTE_MS
            is_open = ends + LATENESS_MS > before or not one.get("brand_id")
            if is_open and not one["currency"]:
                one["in_cell"] = self.standing["currency"]


def said(topic: str, event: Fields) -> tuple[object, ...]:
    """What two events with one identity should agree on."""
    if topic != "purchases":
        return event["event"], event["ts"], event.get("kol_id") or None
    cents = 0 if event["kind"] == "cancel" else event["pay_cents"]
    return event["kind"], event["ts"], order_of(event), cents, event["currency"]


def order_of(event: Fields) -> str:
    """The order that a purchase concerns, as its user calls it."""
    is_paid = event["kind"] == "paid"
    return str(event["order_id"] if is_paid else event.get("ref_order_id") or event["order_id"])


# ---------------------------------------------------------------- touches and orders


def touch_of(topic: str, event: Fields) -> str | None:
    """The class of touch an event is, or None."""
    if topic == "purchases" or not event.get("kol_id") or is_own(event):
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


def stories_of(behaviour: Iterable[tuple[str, Fields]], most: int) -> tuple[dict[str, Story], int]:
    """How every user behaved, each topic in the order of its log; events beyond the touch limit."""
    stories: dict[str, Story] = defaultdict(Story)
    crowded = 0
    for topic, event in behaviour:
        story = stories[event["user_id"]]
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


def orders_of(
    bought: Iterable[Bought], stories: Mapping[str, Story]
) -> dict[tuple[str, str, int], Order]:
    """Every order as it stands in the end."""
    orders = [_order(one, stories[one.standing["user_id"]]) for one in bought if one.paid]
    return {(order.user_id, order.order_id, order.ordered_at): order for order in orders}


def given_back_of(order: Fields, concerning: Iterable[Fields]) -> GivenBack:
    """What was given back of an order by the refunds, cancels and reversals that concern it.

    >>> order = {"ts": 0, "pay_cents": 10, "currency": "CNY"}
    >>> asked = {"kind": "refund", "ts": 1, "pay_cents": 14, "currency": ""}
    >>> failed = {"kind": "refund_reversed", "ts": 2, "pay_cents": 8, "currency": "CNY"}
    >>> given_back_of(order, [asked, failed]).cents, given_back_of(order, [asked]).excess_cents
    (6, 4)

    """
    earliest, latest = order["ts"] - REFUND_BEFORE_MS, order["ts"] + REFUND_AFTER_MS
    inside, outside, foreign = [], 0, 0
    for one in concerning:
        if not earliest <= one["ts"] <= latest:
            outside += 1
        elif one["currency"] not in {"", order["currency"]}:
            foreign += 1
        else:
            inside.append(one)
    asked = sum(one["pay_cents"] for one in inside if one["kind"] == "refund")
    failed = sum(one["pay_cents"] for one in inside if one["kind"] == "refund_reversed")
    is_cancelled = any(one["kind"] == "cancel" for one in inside)
    asking = [
        one["ts"]
        for one in inside
        if one["kind"] == "cancel" or (one["kind"] == "refund" and one["pay_cents"] > 0)
    ]
    paid = order["pay_cents"]
    return GivenBack(
        cents=paid if is_cancelled else min(paid, max(0, asked - failed)),
        excess_cents=0 if is_cancelled else max(0, asked - failed - paid),
        reversed_cents=failed,
        unasked_cents=max(0, failed - asked),
        outside=outside,
        foreign=foreign,
        first=min(asking, default=math.inf),
    )


def entries_of(order: Fields, concerning: Iterable[Fields]) -> list[tuple[int, int, str, str]]:
    """Time, cents, kind and reason of all that concerns an order: what it was worth in its turn.

    >>> order = {"ts": 0, "pay_cents": 10, "currency": "CNY"}
    >>> asked = {"kind": "refund", "ts": 1, "pay_cents": 14, "currency": "", "reason": "late"}
    >>> failed = {"kind": "refund_reversed", "ts": 2, "pay_cents": 8, "currency": "CNY"}
    >>> entries_of(order, [failed, asked])
    [(1, 10, 'refund', 'late'), (2, -4, 'reversal', '')]

    """
    kinds = {"refund": "refund", "cancel": "cancel", "refund_reversed": "reversal"}

    def turn(one: Fields) -> tuple[object, ...]:
        cents = 0 if one["kind"] == "cancel" else one["pay_cents"]
        is_foreign = one["currency"] not in {"", order["currency"]}
        return one["ts"], list(kinds).index(one["kind"]), cents, why(one), not is_foreign

    turns = sorted(concerning, key=turn)
    after = [given_back_of(order, turns[:n]).cents for n in range(len(turns) + 1)]
    entries = [
        (one["ts"], after[n + 1] - after[n], kinds[one["kind"]], why(one))
        for n, one in enumerate(turns)
    ]
    if len(entries) <= MOST_LISTED:
        return entries
    quarters: dict[int, list[tuple[int, int, str, str]]] = defaultdict(list)
    for entry in entries:
        quarters[entry[0] // (15 * MINUTE_MS)].append(entry)
    return [
        each[0] if len(each) == 1 else (each[-1][0], sum(one[1] for one in each), "merged", "")
        for each in quarters.values()
    ]


def why(event: Fields) -> str:
    """Why something was given back, as far as it is kept."""
    return readable(event.get("reason") or "")[:MOST_REASON]


def readable(text: str) -> str:
    r"""A text in which half a surrogate pair is a mark of what cannot be read.

    >>> readable("a\ud83d") == "a\ufffd"
    True

    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def product_of(paid: Fields) -> Product:
    """What was bought, as the `paid` says."""
    return Product(
        *(readable(paid.get("category") or ""), tag(paid.get("price_tier"))),
        *(readable(paid.get("sku") or ""), tag(paid.get("size"))),
        qty=paid.get("qty"),
        coupon_id=readable(paid.get("coupon_id") or ""),
        promo=int(paid.get("promo_flag") or False),
        member=int(paid.get("is_member") or False),
        list_cents=paid.get("list_cents") or 0,
        discount_cents=paid.get("discount_cents") or 0,
        margin_cents=paid.get("margin_cents"),
    )


def tag(value: str | float | None) -> str:
    """A word or number of the producer's own as a text.

    >>> tag(3), tag(3.0), tag(0.5), tag("3"), tag(1e300), tag(None)
    ('3', '3', '0.5', '3', '1e+300', '')

    """
    if isinstance(value, float) and abs(value) < 2**53 and value == int(value):
        value = int(value)
    return "" if value is None else readable(str(value))


def seen_by(story: Story, at: int) -> list[Touch]:
    """The touches that count for an order at a time: no moment after it exists."""
    seen = []
    for (kol, kind, _), moments in story.touches.items():
        until = [moment for moment in moments if moment <= at]
        if until:
            seen.append(Touch(max(until), kol, kind, min(until)))
    newest = sorted(seen)[-LOOKED_AT:]
    return [touch for touch in newest if touch.last >= at - LOOKBACK_MS[touch.kind]]


def observed(order: Order) -> Iterator[tuple[str, int, int, bool]]:
    """Stream, age, moment and badness of what is observed of an order, in time."""
    yield "promo", 0, order.ordered_at, bool(order.product.promo)
    for age, days in enumerate((1, 3, 7, 14, 30, 90)):
        ends = order.ordered_at + days * DAY_MS
        is_bad = order.given_back.first < ends
        yield "refund", age, ends, is_bad
        if is_bad:
            return


def soon_after(story: Story, at: int) -> tuple[int, int]:
    """How many touches begin within ten minutes after an order, and how long after it the first."""
    begins = [min(moments) - at for moments in story.touches.values()]
    soon = [ms for ms in begins if 0 < ms <= PATIENCE_MS]
    return len(soon), min(soon, default=0)


def _order(bought: Bought, story: Story) -> Order:
    standing = bought.standing
    at, paid = standing["ts"], standing["pay_cents"]
    entries = tuple(entries_of(standing, bought.matched))
    given_back = replace(given_back_of(standing, bought.matched), entries=entries)
    counting = seen_by(story, at)
    via = {touch.kol: "share" for touch in counting}
    via.update({touch.kol: "direct" for touch in counting if touch.via == "direct"})
    credits_ = {}
    for model in MODELS:
        earned = split(paid, weights_of(model, counting, at))
        returned = split(given_back.cents, earned)
        credits_[model] = {kol: (earned[kol], returned[kol]) for kol in earned}
    return Order(
        user_id=standing["user_id"],
        order_id=standing["order_id"],
        event_id=standing["event_id"],
        ordered_at=at,
        brand_id=standing.get("brand_id") or "",
        platform=standing.get("platform") or "",
        channel=standing.get("channel_type") or "",
        currency=standing["currency"],
        product=product_of(standing),
        paid_cents=paid,
        given_back=given_back,
        touches=tuple(counting),
        again=(bought.again, bought.again_cents),
        after=(0, 0) if counting else soon_after(story, at),
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
    behaviour: Iterable[tuple[str, Fields]],
    felt: Sequence[tuple[str, Fields]],
    bought: Iterable[Bought],
    shop: str,
) -> dict[tuple[str, int], dict[str, int]]:
    """Sums of every KOL's and brand's minute; the evidence fields are left out.

    Of what a KOL did about himself there are only plain counts (`felt` has the others). Purchases
    in another currency than the shop's are in none.
    """
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for name, minute, fields in (*_deepened(felt), *_reached(felt), *_unfollowed(felt)):
        cells[name, minute].update(fields)
    seen: list[tuple[str, str, int]] = []  # cell name, user, time
    for _, event in behaviour:
        if kol := event.get("kol_id"):
            seen.append((kol, event["user_id"], event["ts"]))
            cells[kol, event["ts"] // MINUTE_MS].update(_behaviour(event))
    for event in (event for one in bought for event in one.in_cells):
        brand = event.get("brand_id")
        if brand and event["in_cell"] == shop:
            name, is_paid = f"~brand:{brand}", event["kind"] == "paid"
            seen.append((name, event["user_id"], event["ts"]))
            fields = _commerce(event) if is_paid else _given_back(event)
            cells[name, event["ts"] // MINUTE_MS].update(fields)
    for name, minute in _first_minutes(seen, MINUTE_MS, 0):
        cells[name, minute]["users"] += 1
    for name, minute in _first_minutes(seen, HOUR_MS, 0):
        cells[name, minute]["users_hour"] += 1
    for name, minute in _first_minutes(seen, DAY_MS, 0):
        cells[name, minute]["users_day"] += 1
    for name, minute in _first_minutes(seen, 7 * DAY_MS, 3 * DAY_MS):  # 1970-01-01: a Thursday
        cells[name, minute]["users_week"] += 1
    return {key: {n: v for n, v in sums.items() if v} for key, sums in cells.items()}


def _behaviour(event: Fields) -> dict[str, int]:
    kind = event["event"]
    fields = {"events": 1}
    if kind in COUNTED:
        fields[COUNTED[kind]] = 1
    dwell = event.get("dwell_ms")
    if kind == "view" and dwell is not None:
        fields |= {"dwell_ms": dwell, "dwell_views": 1, "short_views": int(dwell < SECOND_MS)}
        fields["live_ms"] = dwell if event.get("live_id") else 0
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


def _given_back(event: Fields) -> dict[str, int]:
    kind = event["kind"]
    cents = {"refund": 1, "cancel": 0, "refund_reversed": -1}[kind] * (event.get("pay_cents") or 0)
    return {"events": 1, "refunds": int(kind != "refund_reversed"), "refund_cents": cents}


def _first_minutes(
    seen: Iterable[tuple[str, str, int]], bucket_ms: int, shift_ms: int
) -> list[tuple[str, int]]:
    """Cell name and minute of each user's earliest event in each bucket."""
    first: dict[tuple[str, str, int], int] = {}
    for name, user, at in seen:
        key = (name, user, (at + shift_ms) // bucket_ms)
        first[key] = min(at, first.get(key, at))
    return [(name, at // MINUTE_MS) for (name, _, _), at in first.items()]


Added = Iterable[tuple[str, int, dict[str, int]]]  # cell name, minute, what is added to it


def _deepened(felt: Iterable[tuple[str, Fields]]) -> Added:
    """What each interaction adds to the depth of its user's day, and the first one once a day."""
    days: dict[tuple[str, str, int], Day] = {}
    for topic, event in felt:
        if topic != "content-interactions":
            continue
        key = (event["kol_id"], event["user_id"], event["ts"] // DAY_MS)
        age = event.get("account_age_d")
        added: Counter[str] = Counter()
        if key not in days:
            c = credibility(age)
            days[key] = Day(c)
            added.update(credible_days=c, credible_days_square=c * c, aged_days=age is not None)
            added["young_days"] = age is not None and age < 7
        before = days[key].depth()
        days[key].every += _weight(event)
        days[key].grown += _weight(event) if age is None or age >= 3 else 0
        added.update(days[key].depth())
        added.subtract(before)
        yield event["kol_id"], event["ts"] // MINUTE_MS, added


@dataclass(slots=True)
class Day:
    """What a user did in a UTC day about a KOL."""

    c: int  # credibility, in millionths
    every: float = 0.0  # weights of all interactions
    grown: float = 0.0  # of those by an account that is not known to be younger than three days

    def depth(self) -> dict[str, int]:
        """What the day adds to the fields of cells in all, in millionths.

        >>> Day(250_000, every=1.0, grown=0.0).depth()["credible_depth"]  # ln 2 / 4
        173287

        """
        every, grown = math.log1p(self.every), math.log1p(self.grown)
        return {
            "depth": millionths(grown),
            "depth_square": millionths(grown * grown),
            "credible_depth": self.weighted(every),
            "credible_depth_square": self.weighted(every * every),
        }

    def weighted(self, value: float) -> int:
        """A number times c, both in millionths first; half a millionth is a whole one."""
        return math.floor(Fraction(self.c * millionths(value), MILLION) + Fraction(1, 2))


def millionths(value: float) -> int:
    """A number in millionths, rounded."""
    return round(MILLION * value)


def credibility(age: float | None) -> int:
    """A quarter for an account of thirty days, in millionths; 21 days where the age is not known.

    >>> [credibility(age) for age in (None, 1, 29.9, 30, 400)]
    [122500, 278, 248336, 250000, 250000]

    """
    days = Fraction(21 if age is None else min(age, 30))
    return round(MILLION * (days / 30) ** 2 / 4)


def _reached(felt: Iterable[tuple[str, Fields]]) -> Added:
    """Each user once a KOL, day and distance, in the minute of the earliest event by a share."""
    seen: dict[str, list[tuple[str, str, int]]] = {"users_near": [], "users_far": []}
    for _, event in felt:
        hops = event.get("share_depth") or 0
        if event.get("kol_id") and hops and event["event"] != "share":
            name = "users_near" if hops == 1 else "users_far"
            seen[name].append((event["kol_id"], event["user_id"], event["ts"]))
    for name, by in seen.items():
        for kol, minute in _first_minutes(by, DAY_MS, 0):
            yield kol, minute, {name: 1}


def _unfollowed(felt: Iterable[tuple[str, Fields]]) -> Added:
    """Each user who unfollowed a KOL in a minute."""
    left = {
        (event["kol_id"], event["user_id"], event["ts"] // MINUTE_MS)
        for _, event in felt
        if event["event"] == "unfollow"
    }
    for kol, _, minute in left:
        yield kol, minute, {"unfollowers": 1}


def depth_of(accepted: Iterable[tuple[str, Fields]]) -> dict[str, int]:
    """Per KOL the sum over users and UTC days of round(1e6 * ln(1 + weights of the day))."""
    days: dict[tuple[str, str, int], float] = defaultdict(float)
    for topic, event in accepted:
        if topic == "content-interactions":
            age = event.get("account_age_d")
            if age is None or age >= 3:
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
