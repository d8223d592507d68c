"""A shop whose orders, cells and scores change in every way, beside a plain account of them.

The account is kept in Python: days come from `zoneinfo`, sums from loops. Nothing of the trainer
is used for what is expected. What was given back by the day of the refund is compared with a plain
GROUP BY of `v_refund_credit`.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from schemas.erasures import NOBODY
from schemas.rows import MODELS, TABLES, Rows
from sinks.connection import HttpInserter
from streams.trainer.generations import Version
from streams.trainer.report import Report
from streams.trainer.rollups import RollUps
from tests.sinks.samples import order, orders, rows

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
NOW: Final = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
SHOP: Final = "CNY"
KOLS: Final = ("k1", "k2", "k3", "k4")
PLACES: Final = [(b, p, c) for b in ("b1", "b2") for p in ("", "p1") for c in ("c1", "c2")]
LATE: Final = (3 * HOUR, 30 * DAY, 170 * DAY)  # refunds, after their orders
PARTS: Final = [name for name, kind in TABLES["order_credit"].columns.items() if "Array" in kind]

Sums = dict[tuple[Any, ...], tuple[Any, ...]]
Bucket = Callable[[int], str]  # of a moment in milliseconds


@dataclass(frozen=True, slots=True)
class Paid:
    """An order as it stands."""

    order_id: str
    at: int
    user: str
    currency: str
    touches: tuple[str, ...]
    cents: int
    place: tuple[str, str, str]  # brand, platform, channel
    refunds: tuple[tuple[int, int], ...] = ()  # when, cents

    @property
    def kols(self) -> list[str]:
        """Whom it concerns by models that give a part to everyone."""
        return sorted(set(self.touches)) or ["organic"]

    def concerned(self, model: str) -> list[str]:
        """Whom it concerns by a model."""
        if model in {"first", "last"} and self.touches:
            return [self.touches[0 if model == "first" else -1]]
        return self.kols

    def split(self, model: str, cents: int) -> dict[str, int]:
        """Cents of each: all of it to the first of them but for one cent to each other."""
        first, *others = self.concerned(model)
        given = {kol: min(1, cents - n) for n, kol in enumerate(others) if cents > n}
        return {first: cents - sum(given.values()), **given}

    @property
    def back(self) -> int:
        """Given back in all."""
        return sum(cents for _, cents in self.refunds)

    def row(self, version: int) -> Mapping[str, Any]:
        """As the worker states it."""
        back = {model: self.split(model, self.back) for model in MODELS}
        brand, platform, channel = self.place
        return order(
            self.order_id,
            self.touches,
            {model: self.split(model, self.cents) for model in MODELS},
            ordered_at=self.at,
            user_hash=self.user,
            brand_id=brand,
            platform=platform,
            channel=channel,
            currency=self.currency,
            paid_cents=self.cents,
            refunded_cents=self.back,
            refund_at=[at for at, _ in self.refunds],
            refund_cents=[cents for _, cents in self.refunds],
            refund_kind=["refund"] * len(self.refunds),
            refund_reason=[""] * len(self.refunds),
            version=version,
            **{f"refunded_{m}": [back[m].get(kol, 0) for kol in self.kols] for m in MODELS},
        )


@dataclass(slots=True)
class Shop:
    """What stands, and a client that states it."""

    client: Client
    rng: random.Random
    paid: dict[str, Paid] = field(default_factory=dict)
    views: dict[tuple[str, int, int], int] = field(default_factory=dict)  # kol, minute, partition
    trust: dict[tuple[str, int], float] = field(default_factory=dict)  # kol, minute
    versions: "count[int]" = field(default_factory=lambda: count(1))

    def insert(self, given: Rows) -> None:
        """State rows, as a worker does."""
        HttpInserter(lambda: self.client, {})(given, f"{id(self)}-{next(self.versions)}")

    def state(self, *changed: Paid, gone: Iterable[Paid] = ()) -> None:
        """State orders, and keys that they moved away from."""
        version = next(self.versions)
        empty: dict[str, Any] = {name: [] for name in PARTS}
        left = [{**one.row(version), **empty, "paid_cents": 0} for one in gone]
        stated = [one.row(version) for one in changed]
        if left or stated:
            self.insert(orders(*left, *stated))
        self.paid |= {one.order_id: one for one in changed}

    def some(self, most: int = 3) -> list[Paid]:
        """Some of the orders."""
        there = sorted(self.paid)
        return [self.paid[name] for name in self.rng.sample(there, min(len(there), most))]

    # ------------------------------------------------------------ what may happen

    def pay(self, number: int = 5) -> None:
        """Orders of any time, most of the last days."""
        self.state(*(self.new(self._moment()) for _ in range(number)))

    def new(self, at: int) -> Paid:
        """An order that was not there."""
        rng = self.rng
        touches = tuple(rng.choice(KOLS) for _ in range(rng.randrange(4)))
        name = f"o{next(self.versions)}"
        currency = "USD" if rng.random() < 0.1 else SHOP
        cents, place = rng.randrange(100, 9_999), rng.choice(PLACES)
        return Paid(name, at, f"u-{name}", currency, touches, cents, place)

    def _moment(self) -> int:
        ages = ((60, HOUR), (50, HOUR), (20, DAY), (220, DAY))
        most, unit = self.rng.choice(ages)
        return NOW - int(self.rng.random() * most * unit)

    def refund(self) -> None:
        """Some are given back, three hours or months later."""
        self.state(*(self.refunded(one, self.rng.choice(LATE)) for one in self.some()))

    def refunded(self, one: Paid, late: int) -> Paid:
        """An order of which more is given back."""
        cents = self.rng.randrange(1 + one.cents - one.back)
        refunds = tuple(sorted((*one.refunds, (one.at + late, cents))))
        return replace(one, refunds=refunds)

    def hand_over(self) -> None:
        """Some are found to be touched by others."""
        self.state(*(replace(one, touches=self.new(0).touches) for one in self.some()))

    def replace_paid(self) -> None:
        """An earlier `paid` stands instead of some; an order moves to its key and place."""
        before = self.some(2)
        ages = [self.rng.choice((HOUR, 2 * DAY)) for _ in before]
        earlier = [
            replace(one, at=one.at - age, place=self.rng.choice(PLACES))
            for one, age in zip(before, ages, strict=True)
        ]
        self.state(*earlier, gone=before)

    def lag(self) -> None:
        """A version is written that was stated before the one that stands."""
        old = [replace(one, cents=one.cents + 1).row(0) for one in self.some(2)]
        if old:
            self.insert(orders(*old))

    def delete(self, *, lightweight: bool) -> None:
        """Some are deleted."""
        for one in self.some(1):
            how = "DELETE FROM order_credit" if lightweight else "ALTER TABLE order_credit DELETE"
            settings = "" if lightweight else " SETTINGS mutations_sync = 2"
            self.client.command(f"{how} WHERE order_id = '{one.order_id}'{settings}")
            del self.paid[one.order_id]

    def forget(self) -> None:
        """A person is forgotten: their orders become nobody's."""
        for one in self.some(1):
            self.state(replace(one, user=NOBODY))
            if one.user != NOBODY:
                self.client.command(
                    "ALTER TABLE order_credit DELETE WHERE user_hash = {user:String}"
                    " AND order_id = {order:String} SETTINGS mutations_sync = 2",
                    {"user": one.user, "order": one.order_id},
                )

    def count_cells(self) -> None:
        """Minutes are counted, some of them anew."""
        places = [
            (self.rng.choice(KOLS), self._moment() % (80 * DAY) + NOW - 80 * DAY, at)
            for at in range(4)
        ]
        told = {(kol, at // 60_000 * 60, part): self.rng.randrange(99) for kol, at, part in places}
        known = sorted(self.views)
        told |= {key: self.rng.randrange(99) for key in self.rng.sample(known, min(len(known), 2))}
        version = next(self.versions)
        cells = [
            {"kol_id": k, "minute": m, "source_partition": p, "views": n, "version": version}
            for (k, m, p), n in told.items()
        ]
        self.insert(rows("minute_cell", cells))
        self.views |= told

    def score(self) -> None:
        """Trust is computed for some minutes, of some of them anew."""
        told = {
            (self.rng.choice(KOLS), (NOW - self.rng.randrange(4 * DAY)) // 60_000 * 60): n / 8
            for n in range(1, 6)
        }
        version = next(self.versions)
        scores = [
            {"kol_id": kol, "minute": at, "model_version": "m", "trust": t, "version": version}
            for (kol, at), t in told.items()
        ]
        self.insert(rows("kol_score", scores))
        self.trust |= told

    def anything(self) -> None:
        """One of all these."""
        happens: Sequence[tuple[int, Callable[[], None]]] = (
            (4, self.pay),
            (4, self.refund),
            (2, self.hand_over),
            (2, self.replace_paid),
            (1, self.lag),
            (1, lambda: self.delete(lightweight=True)),
            (1, lambda: self.delete(lightweight=False)),
            (1, self.forget),
            (2, self.count_cells),
            (2, self.score),
        )
        weights = [weight for weight, _ in happens]
        self.rng.choices([do for _, do in happens], weights)[0]()


# ---------------------------------------------------------------- what is expected, what is read


def hour_of(at: int) -> str:
    """The hour of a moment."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%d %H:00:00")


def day_in(zone: str) -> Bucket:
    """The day of a moment in a zone."""
    there = ZoneInfo(zone)
    return lambda at: datetime.fromtimestamp(at // 1000, there).strftime("%Y-%m-%d")


def earned(shop: Shop, bucket: Bucket) -> Sums:
    """Orders, credit and refunded cents of each model, KOL and bucket."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in shop.paid.values():
        for model in MODELS if one.currency == SHOP else ():
            owed, back = one.split(model, one.cents), one.split(model, one.back)
            for kol in one.concerned(model):
                sums = found[model, kol, bucket(one.at)]
                sums[0] += 1
                sums[1] += owed.get(kol, 0)
                sums[2] += back.get(kol, 0)
    return {key: tuple(sums) for key, sums in found.items()}


def earned_at_places(shop: Shop, bucket: Bucket) -> Sums:
    """Those of each place, KOL and bucket, model by model in one row."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 3 * len(MODELS))
    for one in shop.paid.values():
        for at, model in enumerate(MODELS if one.currency == SHOP else ()):
            owed, back = one.split(model, one.cents), one.split(model, one.back)
            for kol in one.kols:
                sums = found[*one.place, kol, bucket(one.at)]
                sums[3 * at] += kol in one.concerned(model)
                sums[3 * at + 1] += owed.get(kol, 0)
                sums[3 * at + 2] += back.get(kol, 0)
    return {key: tuple(sums) for key, sums in found.items()}


def cells(shop: Shop, bucket: Bucket) -> Sums:
    """Views of each KOL and bucket."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for (kol, minute, _), views in shop.views.items():
        found[kol, bucket(minute * 1000)] += views
    return {key: (views,) for key, views in found.items()}


def scores(shop: Shop, bucket: Bucket) -> Sums:
    """The last trust of each KOL and bucket, the least and the greatest."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (kol, minute), trust in sorted(shop.trust.items(), key=lambda item: item[0][1]):
        found[kol, bucket(minute * 1000)].append(trust)
    return {key: (seen[-1], min(seen), max(seen)) for key, seen in found.items()}


SUMS: Final = [f"{kind}_{m}" for m in MODELS for kind in ("orders", "credit", "refunded")]
SHOWN: Final = {  # view -> its columns, the first ones are the key
    "v_credit_1h": (3, "model, kol_id, toString(hour), orders, credit_cents, refunded_cents"),
    "v_credit_1d": (3, "model, kol_id, toString(day), orders, credit_cents, refunded_cents"),
    "v_place_credit_1d": (
        5,
        f"brand_id, platform, channel, kol_id, toString(day), {', '.join(SUMS)}",
    ),
    "v_refund_1d": (3, "model, kol_id, toString(day), refunds, refunded_cents"),
    "v_cell_1h": (2, "kol_id, toString(hour), views"),
    "v_cell_1d": (2, "kol_id, toString(day), views"),
    "v_score_1h": (2, "kol_id, toString(hour), trust, trust_min, trust_max"),
    "v_score_1d": (2, "kol_id, toString(day), trust, trust_min, trust_max"),
}
GROUPED_REFUNDS: Final = """
    SELECT model, kol_id, toString(toDate(refunded_at, {zone:String})) AS day, count(),
           sum(refunded_cents)
    FROM v_refund_credit
    WHERE currency = 'CNY' AND refunded_cents != 0
    GROUP BY model, kol_id, day
"""


def keyed(rows_: Iterable[Sequence[Any]], length: int) -> Sums:
    """Rows by their first columns; none may be there twice."""
    found: Sums = {}
    for row in rows_:
        key = tuple(row[:length])
        assert key not in found
        found[key] = tuple(row[length:])
    return found


def shown(client: Client, views: Iterable[str] = tuple(SHOWN)) -> dict[str, Sums]:
    """What views of roll-ups say."""
    found = {}
    for view in views:
        length, columns = SHOWN[view]
        rows_ = client.query(f"SELECT {columns} FROM {view}").result_rows  # noqa: S608  # names of ours
        found[view] = keyed(rows_, length)
    return found


def expected(shop: Shop, zone: str) -> dict[str, Sums]:
    """What they should say."""
    day = day_in(zone)
    refunds = shop.client.query(GROUPED_REFUNDS, {"zone": zone}).result_rows
    return {
        "v_credit_1h": earned(shop, hour_of),
        "v_credit_1d": earned(shop, day),
        "v_place_credit_1d": earned_at_places(shop, day),
        "v_refund_1d": keyed(refunds, 3),
        "v_cell_1h": cells(shop, hour_of),
        "v_cell_1d": cells(shop, day),
        "v_score_1h": scores(shop, hour_of),
        "v_score_1d": scores(shop, day),
    }


def differences(shop: Shop, zone: str, views: Iterable[str] = tuple(SHOWN)) -> dict[str, Any]:
    """Where views differ from what they should say: view -> key -> (is, should be)."""
    found = {}
    there, wanted = shown(shop.client, views), expected(shop, zone)
    for view in views:
        sums = wanted[view]
        keys = sums.keys() | there[view].keys()
        wrong = {key: (there[view].get(key), sums.get(key)) for key in keys}
        wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
        if wrong:
            found[view] = wrong
    return found


# ---------------------------------------------------------------- trainers


NEVER: Final = -1  # no statement has this number


class Interrupted:
    """A client of a trainer to which something happens before one of its statements.

    Args:
        client: does the work.
        at: before which statement, from 0; or before the first one with this text in it.
        happens: what happens there; what it raises ends the turn.
        is_stalled: whether an insert of that number reads before, and lands after it.
        is_always: whether it happens before each statement with the text.

    """

    def __init__(
        self,
        client: Client,
        at: int | str,
        happens: Callable[[], None],
        *,
        is_stalled: bool = False,
        is_always: bool = False,
    ) -> None:
        self._is_always = is_always
        self._client = client
        self._at = at
        self._happens = happens
        self._is_stalled = is_stalled
        self.number = 0  # of statements

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a client has
        found = getattr(self._client, name)
        if name not in {"raw_query", "command"}:
            return found

        def counted(sql: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401  # as the client's own
            if self._at != self.number and not (isinstance(self._at, str) and self._at in sql):
                self.number += 1
                return found(sql, *args, **more)
            self._at = self._at if self._is_always else NEVER
            head, is_insert, select = sql.partition("SETTINGS insert_deduplicate = 0")
            if not (self._is_stalled and is_insert):
                self._happens()
                return found(sql, *args, **more)
            reads = "SELECT" + select.partition("SELECT")[2]
            found(f"CREATE TABLE stalled ENGINE = Memory AS {reads}", *args, **more)
            try:
                self._happens()
            finally:  # the server goes on, also without the one who asked
                found(f"{head} {is_insert} SELECT * FROM stalled")  # noqa: S608  # names of ours
                found("DROP TABLE stalled SYNC")
            return None

        return counted


@dataclass(slots=True)
class Trainers:
    """Those that take turns on a database, each holder with a greater generation."""

    client: Client
    zone: str
    generation: int = 0
    turns: "count[int]" = field(default_factory=lambda: count(1))

    def holder(self) -> int:
        """The generation of the next holder."""
        self.generation += 1
        return self.generation

    def turn(self, generation: int, client: Any = None, **more: Any) -> Report:  # noqa: ANN401
        """A turn of a holder, which collects nothing unless it is told to."""
        version = Version(generation, next(self.turns))
        given = {"now_ms": NOW, "at_once": True, **more}
        return RollUps(client or self.client, str(self.client.database), self.zone).turn(
            version, **given
        )
