"""The laws of the user side: the final rows depend on the log alone.

However the log is read (topics interleaved, cut into batches, statements asked early or
late, memory pruned or not, a crash and a replay with another interleaving), the rows that
stand in a replacing table in the end are those of the definitions in `tests.oracle`.
"""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from random import Random
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.cells import NAMES
from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.rows import MODELS, TABLES, Rows
from schemas.values import plain
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_orders, collect_updates
from tests import keyed
from tests.builders import KEY, copied
from tests.messy import KOLS, Line, messy_lines, records
from tests.oracle import (
    DAY_MS,
    HALF_HOUR_MS,
    HOUR_MS,
    LOOKBACK_MS,
    MINUTE_MS,
    MOST_KOLS,
    MOST_TOUCHES,
    PRODUCT,
    REFUND_AFTER_MS,
    REFUND_BEFORE_MS,
    Expected,
    Record,
    oracle,
)

NOW: Final = 1_760_000_400_000  # when everything is appended; a whole half hour
UNEXPECTED: Final = ("for_", "against_", "square_")  # by the oracle's cells

REFUNDS: Final = ("refund_at", "refund_cents", "refund_kind", "refund_reason")
GIVEN_BACK: Final = ("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign")
COUNTERS: Final = (
    *("placeholder_user", "placeholder_kol", "own_event", "foreign_currency"),
    *("refund_unmatched", "refund_outside", "refund_foreign"),
    *("refund_excess_cents", "reversal_excess_cents"),
    *("paid_differs", "paid_replaced", "paid_after_cancel", "touch_after_order"),
)

Topic = Sequence[Record]


# ---------------------------------------------------------------- a replacing table


@dataclass(slots=True)
class Table:
    """What stands in ClickHouse: of each key the newest version, of equal ones the last."""

    rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def take(self, statements: Iterable[Rows]) -> None:
        for rows in statements:
            rows.validate()
            table = self.rows[rows.table]
            key = TABLES[rows.table].key
            columns = {name: plain(column) for name, column in rows.columns.items()}
            for values in zip(*columns.values(), strict=True):
                row = dict(zip(columns, values, strict=True))
                identity = tuple(row[name] for name in key)
                if identity not in table or table[identity]["version"] <= row["version"]:
                    table[identity] = row

    def of(self, table: str) -> Iterable[dict[str, Any]]:
        return self.rows[table].values()


# ---------------------------------------------------------------- ways to read a log


@dataclass(frozen=True, slots=True)
class Way:
    """How a log is read; every chance is drawn from `seed`."""

    seed: int = 0
    interleaved: bool = True  # any topic's batch may be next; else by arrival
    longest: int = 40  # records in a batch
    flushing: float = 0.3  # how likely statements are asked after a batch
    hurrying: float = 0.2  # and those of orders alone
    pruning: float = 0.3
    keeping: float = 0.2  # how likely a snapshot is taken after statements
    crashing: float = 0.0
    slack: int = 4  # rows below which nothing is dropped: few, so that much is
    touch_limit: int = MOST_TOUCHES
    name_limit: int = MOST_KOLS


def read(log: Sequence[Record], partitions: int, way: Way, table: Table | None = None) -> Table:
    """Read the whole log, each partition by a memory of its own, and state all of it."""
    table = Table() if table is None else table
    for partition in range(partitions):
        topics = {
            topic: [r for r in log if (r.topic, r.partition) == (topic, partition)]
            for topic in INPUTS
        }
        _Reader(partition, partitions, {t: r for t, r in topics.items() if r}, way, table).run()
    return table


@dataclass(slots=True)
class _Reader:
    """One partition: memory, how far each topic is read, and the last snapshot."""

    partition: int
    partitions: int
    topics: Mapping[str, Topic]
    way: Way
    table: Table
    rng: Random = field(init=False)
    memory: UserMemory = field(init=False)
    at: dict[str, int] = field(init=False)
    kept: tuple[dict[str, NDArray[Any]], dict[str, int]] | None = None

    def __post_init__(self) -> None:
        self.rng = Random(self.way.seed + self.partition)
        self.begin()

    def begin(self) -> None:
        self.memory = UserMemory(self.partition, hmac_key=KEY, **self.bounds())
        self.at = dict.fromkeys(self.topics, 0)

    def bounds(self) -> dict[str, Any]:
        names = ("slack", "touch_limit", "name_limit")
        return {name: getattr(self.way, name) for name in names}

    def run(self) -> None:
        lives = 6
        while unread := [
            topic for topic in self.topics if self.at[topic] < len(self.topics[topic])
        ]:
            self.fold(self.rng.choice(unread) if self.way.interleaved else self.oldest(unread))
            if self.rng.random() < self.way.pruning:
                self.memory.prune(self.memory.watermark(list(self.topics)))
            if self.rng.random() < self.way.hurrying:
                self.table.take(collect_orders(self.memory))
            if self.rng.random() < self.way.flushing:
                self.collect()
                if self.rng.random() < self.way.keeping:
                    self.keep()
            if lives and self.rng.random() < self.way.crashing:
                lives -= 1
                self.crash()
        self.collect()
        self.memory.prune(self.memory.watermark(list(self.topics)))
        self.collect()

    def oldest(self, unread: Sequence[str]) -> str:
        """The topic that is least far, as a part of it."""
        return min(unread, key=lambda topic: self.at[topic] / len(self.topics[topic]))

    def fold(self, topic: str) -> None:
        first = self.at[topic]
        part = self.topics[topic][first : first + self.rng.randint(1, self.way.longest)]
        self.memory.fold(decode(batch(part, self.partitions), self.memory.keyed_names))
        self.at[topic] += len(part)

    def collect(self) -> None:
        self.table.take(collect_updates(self.memory).rows)

    def keep(self) -> None:
        self.kept = copied(self.memory.arrays()), dict(self.at)

    def crash(self) -> None:
        """The memory is gone; a new life begins at the last snapshot, or at the beginning."""
        life = self.memory.life + 1
        if self.kept is None:
            self.begin()
        else:
            arrays, at = self.kept
            self.memory = UserMemory.restored(
                copied(arrays), self.partition, hmac_key=KEY, **self.bounds()
            )
            self.at = dict(at)
        self.memory.life = life
        self.memory.resend_totals()  # the earlier life may have written others


def batch(part: Topic, partitions: int) -> RecordBatch:
    first = part[0]
    return RecordBatch(
        topic=first.topic,
        partition=first.partition,
        partitions=partitions,
        first_offset=first.offset,
        next_offset=part[-1].offset + 1,
        values=[record.value for record in part],
        offsets=np.array([record.offset for record in part], np.int64),
        received_at=np.array([record.received_at for record in part], np.int64),
    )


# ---------------------------------------------------------------- what stands, what should


def user_hash(user_id: str) -> str:
    return keyed.user_hash(KEY, user_id)


def latest_orders(table: Table) -> dict[tuple[int, str, str], dict[str, Any]]:
    found = {}
    for row in table.of("order_credit"):
        if not row["kols"]:
            assert row["paid_cents"] == row["refunded_cents"] == 0
            continue
        columns = [row[f"touch_{name}"] for name in ("begin", "at", "kol", "class", "via")]
        found[row["ordered_at"], row["order_id"], row["user_hash"]] = {
            "about": [row[name] for name in ("brand_id", "platform", "channel", "currency")],
            "product": tuple(row[name] for name in PRODUCT),
            "cents": [row["paid_cents"], row["refunded_cents"]],
            "refunds": list(zip(*(row[name] for name in REFUNDS), strict=True)),
            "given_back": [row[name] for name in GIVEN_BACK],
            "touches": list(zip(*columns, strict=True)),
            "again": (row["paid_again"], row["paid_again_cents"]),
            "after": (row["touches_after"], row["first_after_ms"]),
            "via": dict(zip(row["kols"], row["kol_via"], strict=True)),
            "kols": row["kols"],
        } | {
            model: dict(
                zip(
                    row["kols"],
                    zip(row[f"credit_{model}"], row[f"refunded_{model}"], strict=True),
                    strict=True,
                )
            )
            for model in MODELS
        }
    return found


def expected_orders(expected: Expected) -> dict[tuple[int, str, str], dict[str, Any]]:
    return {
        (order.ordered_at, order.order_id, user_hash(order.user_id)): {
            "about": [order.brand_id, order.platform, order.channel, order.currency],
            "product": astuple(order.product),
            "cents": [order.paid_cents, order.refunded_cents],
            "refunds": list(order.given_back.entries),
            "given_back": [
                *(order.given_back.excess_cents, order.given_back.reversed_cents),
                *(order.given_back.outside, order.given_back.foreign),
            ],
            "touches": [(t.begin, t.last, t.kol, t.kind, t.via) for t in order.touches],
            "again": order.again,
            "after": order.after,
            "via": dict(order.via),
            "kols": sorted(order.via, key=str.encode),
        }
        | {model: dict(shares) for model, shares in order.credits.items()}
        for order in expected.orders.values()
    }


def latest_cells(table: Table) -> dict[tuple[str, int], dict[str, int]]:
    """KOL and minute -> fields that are not zero, summed over source partitions."""
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for row in table.of("minute_cell"):
        fields = {n: row[n] for n in NAMES if row[n] and not n.startswith(UNEXPECTED)}
        cells[row["kol_id"], row["minute"] // 60].update(fields)
    return {key: dict(fields) for key, fields in cells.items() if fields}


def latest_depth(table: Table) -> dict[str, int]:
    depth: Counter[str] = Counter()
    for row in table.of("minute_cell"):
        depth[row["kol_id"]] += row["depth"]
    return {kol: total for kol, total in depth.items() if total}


def latest_observations(table: Table) -> dict[tuple[Any, ...], tuple[int, int]]:
    """KOL, minute, stream, bucket and partition -> observations, bad ones."""
    return {
        (
            row["kol_id"],
            row["minute"] // 60,
            row["stream"],
            row["bucket"],
            row["source_partition"],
        ): (
            row["n"],
            row["k"],
        )
        for row in table.of("detector_cell")
    }


def latest_doors(table: Table, kind: str) -> Counter[tuple[str, int, str]]:
    return Counter(
        {
            (row["topic"], row["partition"], row["door"]): row["n"]
            for row in table.of("door_count")
            if row["kind"] == kind and row["n"]
        }
    )


def assert_letters(table: Table, expected: Expected, log: Iterable[Record]) -> None:
    """Every refused message, every late or clashing purchase is a dead letter, byte for byte."""
    values = {(r.topic, r.partition, r.offset): r.value for r in log}
    reasons: dict[tuple[str, int, int], frozenset[str]] = dict(expected.rejected) | {
        place: frozenset({reason}) for place, reason in expected.dropped.items()
    }
    found = {(r["topic"], r["partition"], r["offset"]): r for r in table.of("dead_letter")}

    assert found.keys() == reasons.keys()
    for place, row in found.items():
        assert row["reason"] in reasons[place]
        payload = row["payload"].encode() if row["encoding"] == "utf8" else b""
        if row["encoding"] == "base64":
            payload = base64.b64decode(row["payload"], validate=True)
        assert payload == (values[place] or b"")


def assert_as_expected(
    table: Table,
    log: Sequence[Record],
    partitions: int,
    most: int = MOST_TOUCHES,
    most_kols: int = MOST_KOLS,
) -> None:
    """The latest rows are those of the definitions."""
    expected = oracle(log, partitions, most, most_kols)

    assert latest_orders(table) == expected_orders(expected)
    assert latest_cells(table) == expected.cells
    assert latest_depth(table) == expected.depth
    assert latest_observations(table) == expected.observations()
    assert latest_doors(table, "door") == expected.doors
    counted: Counter[str] = Counter()
    for (_, _, counter), n in latest_doors(table, "counter").items():
        counted[counter] += n
    assert counted["touch_limit"] == expected.crowded
    assert counted["name_limit"] == expected.nameless
    assert counted["duplicate_differs"] == expected.differing.total()
    assert {n: counted[n] for n in COUNTERS} == {n: expected.counters[n] for n in COUNTERS}
    assert_letters(table, expected, log)
    refused: Counter[tuple[str, int]] = Counter()
    for (topic, partition, _), n in latest_doors(table, "rejected").items():
        refused[topic, partition] += n
    assert refused == Counter((topic, partition) for topic, partition, _ in expected.rejected)


# ---------------------------------------------------------------- logs


TIMES: Final = sorted(
    {
        *(n * MINUTE_MS for n in (0, 1, 10, 29, 30, 31, 60, 119, 120, 121, 130, 240)),
        *(n * HALF_HOUR_MS - 1 for n in range(1, 6)),
        2 * HOUR_MS + 1,
        *(DAY_MS * n for n in (1, 2, 7, 8)),
        *(lookback + delta for lookback in LOOKBACK_MS.values() for delta in (-1, 0, 1)),
        *(REFUND_BEFORE_MS + delta for delta in (-1, 1)),
        *(REFUND_AFTER_MS + delta for delta in (-1, 0, 1)),
    }
)
ACTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("clickstream", {"event": "click"}),
    ("clickstream", {"event": "click", "share_id": "s"}),
    ("clickstream", {"event": "impression", "visible_ms": 1_000}),
    ("content-interactions", {"event": "like"}),
    ("content-interactions", {"event": "view", "live_id": "l", "dwell_ms": 30_000}),
    ("content-interactions", {"event": "view", "dwell_ms": 1}),
    ("clickstream", {"event": "click", "share_id": "s", "share_depth": 1}),
    ("clickstream", {"event": "add_cart", "share_depth": 3}),
    ("content-interactions", {"event": "save", "account_age_d": 6.9, "share_depth": 2}),
    ("content-interactions", {"event": "comment", "account_age_d": 2.9}),
    ("content-interactions", {"event": "share", "account_age_d": 400, "share_depth": 1}),
    ("content-interactions", {"event": "unfollow", "account_age_d": 7}),
    ("purchases", {"kind": "paid", "pay_cents": 100, "brand_id": "x"}),
    ("purchases", {"kind": "paid", "pay_cents": 7, "coupon_id": "c", "sku": "s", "size": 1}),
    ("purchases", {"kind": "paid", "pay_cents": 50, "brand_id": "y", "currency": "usd"}),
    ("purchases", {"kind": "refund", "pay_cents": 6, "reason": "late", "brand_id": "x"}),
    ("purchases", {"kind": "refund", "pay_cents": 60, "brand_id": "x", "currency": " USD"}),
    ("purchases", {"kind": "refund_reversed", "pay_cents": 4, "brand_id": "x"}),
    ("purchases", {"kind": "cancel", "brand_id": "x", "reason": "太大"}),
)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """One small message; ids, users, KOLs and orders are few, so that they meet."""
    topic, fields = draw(st.sampled_from(ACTS))
    user = draw(st.sampled_from(("u1", "u2")))
    event = {
        "event_id": draw(st.sampled_from("abcdefghijklmnop")),
        "ts": NOW - 200 * DAY_MS + draw(st.sampled_from(TIMES)),
        "user_id": user,
        **fields,
    }
    if topic == "purchases":
        event["order_id"] = draw(st.sampled_from(("o1", "o1", "o2")))
    else:
        event["kol_id"] = draw(st.sampled_from((*KOLS[:3], "u1", "Null ")))
    return Line(topic, user, event)


@st.composite
def close_lines(draw: st.DrawFn) -> Line:
    """A touch or an order of one user in one half hour, where two KOLs and two classes meet."""
    topic, fields = draw(st.sampled_from((ACTS[0], ACTS[3], ACTS[6])))
    moment = draw(st.sampled_from((0, 10, 20))) * MINUTE_MS + draw(st.sampled_from((0, 1)))
    event = {"event_id": "a", "ts": NOW - 200 * DAY_MS + moment, "user_id": "u1", **fields}
    if topic == "purchases":
        event["order_id"] = draw(st.sampled_from(("o1", "o2")))
    else:
        event["kol_id"] = draw(st.sampled_from(KOLS[:2]))
    return Line(topic, "u1", event)


def reordered(of: list[Line], disorder_ms: int) -> list[Line]:
    """In order of time, but for lines of the same two hours, or the same day, ..."""
    return sorted(of, key=lambda line: int((line.value or {})["ts"]) // disorder_ms)


small_logs = st.builds(
    reordered,
    st.lists(lines(), min_size=1, max_size=14),
    st.sampled_from((MINUTE_MS, 2 * HOUR_MS, DAY_MS, 400 * DAY_MS)),
)
seeds = st.integers(0, 2**20)
slacks = st.sampled_from((0, 4, 1_000))

TROUBLED: Final = Way(longest=3, keeping=0.5, crashing=0.2)


def small(of: Sequence[Line]) -> list[Record]:
    return records(of, 1, NOW)


def messy_log(seed: int, days: int = 45, users: int = 4) -> list[Record]:
    return records(messy_lines(seed, NOW, users=users, days=days, malformed=0.05), 2, NOW)


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("days", [3, 45, 200])
@pytest.mark.parametrize("seed", range(4))
def test_what_stands_in_the_end_is_what_the_definitions_say(seed: int, days: int) -> None:
    log = messy_log(seed, days, users=12)

    assert_as_expected(read(log, 2, Way(interleaved=False, longest=200)), log, 2)


@settings(deadline=None)
@given(small_logs, seeds)
def test_the_order_in_which_topics_are_read_does_not_matter(of: list[Line], seed: int) -> None:
    log = small(of)

    assert_as_expected(read(log, 1, Way(seed, longest=2, pruning=0.0)), log, 1)


@settings(deadline=None)
@given(small_logs, seeds, st.sampled_from((1, 3, 100)))
def test_no_cut_into_batches_matters(of: list[Line], seed: int, longest: int) -> None:
    log = small(of)

    assert_as_expected(read(log, 1, Way(seed, interleaved=False, longest=longest)), log, 1)


@settings(deadline=None)
@given(small_logs, seeds)
def test_a_settled_memory_says_what_an_unsettled_one_says(of: list[Line], seed: int) -> None:
    log = small(of)

    assert_as_expected(read(log, 1, Way(seed, longest=1, pruning=1.0)), log, 1)


@settings(deadline=None)
@given(small_logs, seeds)
def test_statements_may_be_asked_at_any_moment(of: list[Line], seed: int) -> None:
    log = small(of)

    assert_as_expected(read(log, 1, Way(seed, longest=2, flushing=1.0)), log, 1)


@settings(deadline=None)
@given(small_logs, seeds)
def test_a_crash_and_a_replay_in_another_order_leave_no_trace(of: list[Line], seed: int) -> None:
    log = small(of)

    assert_as_expected(read(log, 1, Way(seed, longest=2, keeping=0.5, crashing=0.4)), log, 1)


@settings(max_examples=20, deadline=None)
@given(seeds, seeds, st.sampled_from((3, 45, 200)))
def test_a_mess_survives_every_kind_of_trouble_at_once(world: int, seed: int, days: int) -> None:
    log = messy_log(world, days)

    assert_as_expected(read(log, 2, Way(seed, flushing=0.5, keeping=0.5, crashing=0.1)), log, 2)


def assert_troubled(of: Sequence[Line], way: Way) -> None:
    """However it is read: with the way's own limits the oracle gives the same."""
    log = small(of)
    limits = {"most": way.touch_limit, "most_kols": way.name_limit}
    assert_as_expected(read(log, 1, way), log, 1, **limits)


@settings(deadline=None)
@given(small_logs, seeds, st.integers(0, 3), slacks)
def test_which_touches_are_too_many_is_the_log_s_to_say(
    of: list[Line], seed: int, limit: int, slack: int
) -> None:
    assert_troubled(of, replace(TROUBLED, seed=seed, slack=slack, touch_limit=limit))


@settings(deadline=None)
@given(small_logs, seeds, st.integers(0, 2), slacks)
def test_which_kols_are_too_many_is_the_log_s_to_say(
    of: list[Line], seed: int, limit: int, slack: int
) -> None:
    assert_troubled(of, replace(TROUBLED, seed=seed, slack=slack, name_limit=limit))


@settings(max_examples=20, deadline=None)
@given(seeds, seeds, st.integers(1, 4), st.integers(1, 4))
def test_limits_survive_every_kind_of_trouble(
    world: int, seed: int, touches: int, kols: int
) -> None:
    log = messy_log(world, days=30)
    way = Way(seed, flushing=0.5, keeping=0.5, crashing=0.1)
    limited = replace(way, touch_limit=touches, name_limit=kols)

    assert_as_expected(read(log, 2, limited), log, 2, most=touches, most_kols=kols)


@pytest.mark.parametrize("seed", range(3))
def test_a_month_read_at_once_says_what_living_through_it_said(seed: int) -> None:
    log = messy_log(seed, 35, users=10)

    at_once = read(log, 2, Way(longest=10**6, flushing=0.0, pruning=0.0))
    piecewise = read(log, 2, Way(interleaved=False, longest=5, flushing=1.0, pruning=1.0))

    for rows_of in (latest_orders, latest_cells, latest_depth):
        assert rows_of(at_once) == rows_of(piecewise)
    assert latest_doors(at_once, "door") == latest_doors(piecewise, "door")


@settings(deadline=None)
@given(small_logs)
def test_every_message_leaves_by_exactly_one_door(of: list[Line]) -> None:
    log = small(of) + [
        Record(topic, 0, 1_000 + n, NOW, body)
        for topic in INPUTS
        for n, body in enumerate((None, b"{", b"{}"))
    ]

    table = read(log, 1, Way(interleaved=False))

    left = latest_doors(table, "door").total() + latest_doors(table, "rejected").total()
    assert left == len(log)


@settings(deadline=None)
@given(small_logs, seeds)
def test_what_comes_twice_while_it_could_be_accepted_counts_once(of: list[Line], seed: int) -> None:
    log = small(
        [
            Line(line.topic, line.key, (line.value or {}) | {"event_id": f"e{n}"})
            for n, line in enumerate(of)
        ]
    )
    at = {r: json.loads(r.value or b"")["ts"] for r in log}
    newest = {topic: max((at[r] for r in log if r.topic == topic), default=0) for topic in INPUTS}
    again = [r for r in log if at[r] >= newest[r.topic] - 2 * HOUR_MS]
    copies = [Record(r.topic, 0, r.offset + len(log), NOW, r.value) for r in again]

    once, twice = read(log, 1, Way(seed)), read([*log, *copies], 1, Way(seed))

    assert latest_orders(once) == latest_orders(twice)
    assert latest_cells(once) == latest_cells(twice)
    left = latest_doors(twice, "door").total() + latest_doors(twice, "rejected").total()
    assert left == len(log) + len(copies)


@settings(deadline=None)
@given(
    st.builds(
        reordered,
        st.lists(lines() | close_lines() | close_lines(), max_size=14),
        st.sampled_from((1, 2 * HOUR_MS)),
    ),
    seeds,
)
def test_no_behaviour_after_an_order_changes_who_earns_it(of: list[Line], seed: int) -> None:
    """Nothing of these is too late, so what is read is what is accepted."""
    log = small(
        [
            Line(line.topic, line.key, (line.value or {}) | {"event_id": f"e{n}"})
            for n, line in enumerate(of)
        ]
    )
    way = Way(seed, longest=3, keeping=0.5, crashing=0.1)
    earned = {key: _earned(order) for key, order in latest_orders(read(log, 1, way)).items()}

    for key, whole in earned.items():
        until = [r for r in log if r.topic == "purchases" or _at(r) <= key[0]]
        assert _earned(latest_orders(read(until, 1, way))[key]) == whole


def _at(record: Record) -> int:
    return int(json.loads(record.value or b"")["ts"])


def _earned(order: Mapping[str, Any]) -> dict[str, Any]:
    """All of an order but how many touches came soon after it."""
    return {name: value for name, value in order.items() if name != "after"}


@pytest.mark.parametrize("seed", range(3))
def test_no_behaviour_after_an_order_changes_who_earns_it_in_a_mess(seed: int) -> None:
    calm = reordered(
        [line for line in messy_lines(seed, NOW, users=3, malformed=0) if line.value], 1
    )
    log = records(calm, 1, NOW)
    orders = latest_orders(read(log, 1, Way(seed)))

    for key in Random(seed).sample(sorted(orders), 4):
        until = [r for r in log if r.topic == "purchases" or _at(r) <= key[0]]
        found = latest_orders(read(until, 1, Way(seed + 1)))
        assert _earned(found[key]) == _earned(orders[key])


@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_the_number_of_partitions_does_not_matter(partitions: int) -> None:
    calm = reordered(
        [line for line in messy_lines(11, NOW, users=14, malformed=0) if line.value], 1
    )
    log = records(calm, partitions, NOW)

    assert {r.partition for r in log} == set(range(partitions))
    assert_as_expected(read(log, partitions, Way(interleaved=False)), log, partitions)
