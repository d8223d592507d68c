"""Forgotten users: whatever way the log is read, their orders are nobody's, and nothing else moves.

The law: with an erasure, the rows are those of the same log in which everything appended after
its moment is another user's, with the first one's orders under NOBODY. `tests.oracle` gives
them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.codec import decode
from schemas.erasures import NOBODY, erasure_record, read_erasures
from schemas.events import INPUTS, PURCHASES
from schemas.identity import user_key
from schemas.topics import ERASURES
from schemas.values import plain
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from tests import keyed
from tests.builders import (
    KEY,
    MINUTE,
    NAMES,
    NOON,
    Message,
    click,
    copied,
    decoded,
    interaction,
    paid,
    refund,
    topic_of,
)
from tests.core.user.test_memory_laws import (
    ACTS,
    NOW,
    TIMES,
    Table,
    batch,
    expected_orders,
    latest_cells,
    latest_depth,
    latest_doors,
    latest_orders,
    reordered,
    user_hash,
)
from tests.messy import KOLS, Line, records
from tests.oracle import DAY_MS, HOUR_MS, MINUTE_MS, PRODUCT, Expected, Record, oracle

SECOND: Final = 1_000
ENDLESS: Final = 1 << 47  # later than everything


def later_hash(before: str, since: int) -> str:
    """The user_hash of who came after `before` was forgotten."""
    return keyed.later_hash(KEY, before, since)


# ---------------------------------------------------------------- a log in which u1 is forgotten


@dataclass(frozen=True)
class Case:
    """Messages a second apart, u1's of different lives with different ids, and when lives end."""

    lines: list[Line]
    ends: list[int]  # how many lines were appended up to each

    @property
    def moments(self) -> list[int]:
        return [NOW + SECOND * end - 1 for end in self.ends]

    def log(self, *, renamed: bool = False) -> list[Record]:
        """The log; with `renamed` every life of u1 but the first is a user of its own."""
        lines = []
        for i, line in enumerate(self.lines):
            life = sum(i >= end for end in self.ends)
            value = dict(line.value or {})
            if value["user_id"] == "u1":
                value["event_id"] += f"-{life}"
                value |= {"order_id": f"{value['order_id']}-{life}"} if "order_id" in value else {}
                value["user_id"] = f"u1-{life}" if renamed and life else "u1"
            lines.append(replace(line, value=value))
        log = records(lines, 1, NOW)
        return [replace(one, received_at=NOW + SECOND * i) for i, one in enumerate(log)]

    def expected(self) -> tuple[Expected, dict[Any, Any]]:
        """What the definitions give, and the orders with their names on rows."""
        expected = oracle(self.log(renamed=True), 1)
        hashes = {user_hash("u2"): user_hash("u2")}
        lives = [user_hash("u1"), *(user_hash(f"u1-{n}") for n in range(1, len(self.ends) + 1))]
        hashes |= dict.fromkeys(lives[:-1], NOBODY)
        since = self.moments[-1:] if self.ends else []
        hashes[lives[-1]] = later_hash(lives[0], since[0]) if since else lives[0]
        orders = expected_orders(expected).items()
        return expected, {
            (at, of, hashes[who]): nameless(order) if hashes[who] == NOBODY else order
            for (at, of, who), order in orders
        }


def nameless(order: dict[str, Any]) -> dict[str, Any]:
    """An order of nobody: without its coupon, and without why something was given back."""
    product = dict(zip(PRODUCT, order["product"], strict=True)) | {"coupon_id": ""}
    refunds = [(at, cents, kind, "") for at, cents, kind, _ in order["refunds"]]
    return order | {"product": tuple(product.values()), "refunds": refunds}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few users, KOLs and orders, so that they meet; up to two erasures of u1."""
    lines = []
    for _ in range(draw(st.integers(1, 14))):
        topic, fields = draw(st.sampled_from(ACTS))
        user = draw(st.sampled_from(("u1", "u1", "u2")))
        event = {
            "event_id": draw(st.sampled_from("abcdefghijklmnop")),
            "ts": NOW - 200 * DAY_MS + draw(st.sampled_from(TIMES)),
            "user_id": user,
            **fields,
        }
        name = "order_id" if topic == PURCHASES else "kol_id"
        event[name] = draw(st.sampled_from(("o1", "o1", "o2") if topic == PURCHASES else KOLS[:3]))
        lines.append(Line(topic, user, event))
    lines = reordered(lines, draw(st.sampled_from((MINUTE_MS, 2 * HOUR_MS, 400 * DAY_MS))))
    ends = draw(st.sets(st.integers(0, len(lines)), max_size=2))
    return Case(lines, sorted(ends))


@dataclass
class Way:
    """How a log is read; every chance is drawn from `seed`."""

    seed: int
    known: bool  # the erasures, before the first event; else in time
    crashing: float = 0.0


@dataclass
class Reader:
    """One partition that reads the log, and hears of erasures before it reads beyond them."""

    case: Case
    way: Way
    table: Table = field(default_factory=Table)
    erasures_read: int = 0  # erasures
    at: dict[str, int] = field(default_factory=dict)
    kept: tuple[dict[str, NDArray[Any]], dict[str, int]] | None = None

    def __post_init__(self) -> None:
        self.rng = Random(self.way.seed)
        log = self.case.log()
        self.topics = {topic: [r for r in log if r.topic == topic] for topic in INPUTS}
        self.begin()
        if self.way.known:
            self.fold_erasures(len(self.case.ends))

    def begin(self) -> None:
        self.memory = UserMemory(0, hmac_key=KEY, slack=4)
        self.at = dict.fromkeys(INPUTS, 0)

    def fold_erasures(self, count: int) -> None:
        """Read the erasures from the beginning up to the first `count`."""
        self.erasures_read = max(self.erasures_read, count)
        values = [
            erasure_record("u1", at, NAMES)[1] for at in self.case.moments[: self.erasures_read]
        ]
        self.memory.fold_erasures(read_erasures(values, range(len(values)), NAMES), len(values))

    def run(self) -> Table:
        lives = 4
        while unread := [t for t in INPUTS if self.at[t] < len(self.topics[t])]:
            self.fold(self.rng.choice(unread))
            if self.rng.random() < 0.3:
                self.memory.prune(self.memory.watermark([t for t in INPUTS if self.topics[t]]))
            if self.rng.random() < 0.3:
                self.table.take(collect_updates(self.memory).rows)
                self.memory.erase()
                if self.rng.random() < 0.5:
                    self.kept = copied(self.memory.arrays()), dict(self.at)
            if lives and self.rng.random() < self.way.crashing:
                lives -= 1
                self.crash()
        self.fold_erasures(len(self.case.ends))
        self.table.take(collect_updates(self.memory).rows)
        for topic in INPUTS:
            self.memory.mark_read_to(topic, ENDLESS)
        self.memory.erase()
        self.table.take(collect_updates(self.memory).rows)
        return self.table

    def fold(self, topic: str) -> None:
        first = self.at[topic]
        part = self.topics[topic][first : first + self.rng.randint(1, 3)]
        self.fold_erasures(sum(at < part[-1].received_at for at in self.case.moments))
        if self.erasures_read < len(self.case.ends) and self.rng.random() < 0.3:
            self.fold_erasures(self.erasures_read + 1)
        self.memory.fold(decode(batch(part, 1), self.memory.keyed_names))
        self.at[topic] += len(part)

    def crash(self) -> None:
        life = self.memory.life + 1
        if self.kept is None:
            self.begin()
        else:
            arrays, at = self.kept
            self.memory = UserMemory.restored(copied(arrays), 0, hmac_key=KEY, slack=4)
            self.at = dict(at)
        self.memory.life = life
        self.fold_erasures(self.erasures_read)


def finish(table: Table, hashes: Iterable[str]) -> None:
    """What `kol forget` does at the end: rows under old hashes go to NOBODY, or lose there."""
    rows = table.rows["order_credit"]
    for key in [key for key in rows if key[-1] in set(hashes)]:
        row = rows.pop(key) | {"user_hash": NOBODY}
        under = (*key[:-1], NOBODY)
        if row["kols"] and (under not in rows or rows[under]["version"] < row["version"]):
            rows[under] = row


def assert_as_expected(table: Table, case: Case) -> None:
    expected, orders = case.expected()

    assert latest_orders(table) == orders
    assert latest_cells(table) == expected.cells
    assert latest_depth(table) == expected.depth
    assert latest_doors(table, "door") == expected.doors


@settings(deadline=None)
@given(cases(), st.integers(0, 2**20))
def test_an_erasure_known_from_the_start_only_renames(case: Case, seed: int) -> None:
    table = Reader(case, Way(seed, known=True)).run()

    assert_as_expected(table, case)
    if case.ends:
        assert user_hash("u1") not in {row["user_hash"] for row in table.of("order_credit")}


@settings(deadline=None)
@given(cases(), st.integers(0, 2**20))
def test_living_through_an_erasure_says_what_a_replay_says(case: Case, seed: int) -> None:
    assert_as_expected(Reader(case, Way(seed, known=False)).run(), case)


@settings(deadline=None)
@given(cases(), st.integers(0, 2**20), st.booleans())
def test_a_crash_on_the_way_leaves_no_trace(case: Case, seed: int, known: bool) -> None:  # noqa: FBT001  # Hypothesis gives it
    """A crashed run may have written rows under a hash; `kol forget` takes them away."""
    table = Reader(case, Way(seed, known=known, crashing=0.3)).run()
    first = user_hash("u1")
    lives = [first, *(later_hash(first, at) for at in case.moments)]
    finish(table, lives[: len(case.ends)])

    assert_as_expected(table, case)


@settings(deadline=None, max_examples=30)
@given(cases(), st.integers(0, 2**20))
def test_what_is_forgotten_is_nowhere_in_memory(case: Case, seed: int) -> None:
    case = Case(case.lines, [len(case.lines)])
    reader = Reader(case, Way(seed, known=False))
    reader.run()

    assert not traces(reader.memory, "u1")


def traces(memory: UserMemory, user_id: str) -> list[str]:
    """The arrays that hold the user's id, key or hash; those that list the erased left out."""
    name = keyed.words(KEY, "user", user_key(user_id))
    halves = [word.to_bytes(8, "little") for word in (*user_key(user_id), *name)]
    signs = (user_id.encode(), *halves, bytes.fromhex(user_hash(user_id)))
    arrays = {n: a for n, a in memory.arrays().items() if not n.startswith("forgotten.user")}
    texts = {n: a for n, a in arrays.items() if n.endswith("utf8") or n == "letters"}
    return [
        name
        for name, array in arrays.items()
        if any(sign in array.tobytes() for sign in signs[1:])
        or (name in texts and signs[0] in array.tobytes())
    ]


# ---------------------------------------------------------------- one by one

END: Final = NOON + MINUTE  # when u1 is forgotten: record times of builders are event times


class Shop:
    """A partition, its log and what stands."""

    def __init__(self) -> None:
        self.memory = UserMemory(0, hmac_key=KEY)
        self.table = Table()
        self.offsets = dict.fromkeys(INPUTS, 0)

    def fold(self, *messages: Message) -> None:
        for message in messages:
            topic = topic_of(message)
            self.memory.fold(decoded(topic, [message], first_offset=self.offsets[topic]))
            self.offsets[topic] += 1

    def forget(self, at: int = END, user_id: str = "u1") -> None:
        value = erasure_record(user_id, at, NAMES)[1]
        self.memory.fold_erasures(read_erasures([value], [0], NAMES), 1)

    def erase(self) -> None:
        self.collect()
        for topic in INPUTS:
            self.memory.mark_read_to(topic, ENDLESS)
        self.memory.erase()

    def collect(self) -> dict[tuple[int, str, str], dict[str, Any]]:
        self.table.take(collect_updates(self.memory).rows)
        return latest_orders(self.table)

    def cents(self) -> dict[str, list[int]]:
        """Hash -> paid and given back, added up."""
        sums: dict[str, list[int]] = {}
        for (_, _, who), order in self.collect().items():
            before = sums.get(who, [0, 0])
            sums[who] = [a + b for a, b in zip(before, order["cents"], strict=True)]
        return sums

    def count(self, counter: str) -> int:
        return self.memory.door_counts[ERASURES, counter]


def test_a_refund_that_comes_later_meets_the_order() -> None:
    shop = Shop()
    shop.fold(click(), paid("o1", 10_000))
    shop.forget()
    shop.erase()
    shop.fold(refund("o1", 1_000, ts=END + MINUTE))

    assert shop.cents() == {NOBODY: [10_000, 1_000]}
    assert [order["kols"] for order in shop.collect().values()] == [["k1"]]


def test_a_refund_that_came_before_its_order_meets_it_afterwards() -> None:
    shop = Shop()
    shop.fold(refund("o1", 1_000))
    shop.forget()
    shop.erase()
    shop.fold(paid("o1", 10_000, ts=END + MINUTE))

    assert shop.cents() == {later_hash(user_hash("u1"), END): [10_000, 1_000]}


def test_who_comes_later_does_not_replace_the_payment_of_who_was_forgotten() -> None:
    shop = Shop()
    shop.fold(paid("o1", 10_000, ts=NOON))
    shop.forget()
    again = paid("o1", 7, ts=NOON - MINUTE)
    shop.memory.fold(decoded(PURCHASES, [again], first_offset=1, received_at=END + 1))

    assert shop.cents() == {NOBODY: [10_000, 0]}


@pytest.mark.parametrize("erased", [False, True])
def test_nothing_links_who_comes_later_to_who_was_forgotten(erased: bool) -> None:  # noqa: FBT001  # of a test
    shop = Shop()
    shop.fold(click(), paid("o1"))
    shop.forget()
    if erased:
        shop.erase()
    shop.fold(paid("o2", 50, ts=END + MINUTE))
    later = {who: order["kols"] for (_, _, who), order in shop.collect().items() if who != NOBODY}

    assert later == {later_hash(user_hash("u1"), END): ["organic"]}


def test_the_row_under_the_old_hash_is_told_empty_with_the_new_one() -> None:
    shop = Shop()
    shop.fold(paid("o1"))
    shop.collect()
    shop.forget()
    (rows,) = [r for r in collect_updates(shop.memory).rows if r.table == "order_credit"]

    assert plain(rows.columns["user_hash"]) == [NOBODY, user_hash("u1")]
    assert plain(rows.columns["kols"]) == [["organic"], []]


def test_an_order_of_nobody_keeps_its_product_and_loses_coupon_and_reasons() -> None:
    shop = Shop()
    shop.fold(
        paid("o1", 100, coupon_id="for-u1-alone", sku="s", category="c", qty=2),
        refund("o1", 30, ts=NOON + 1, reason="call me at home"),
    )
    [named] = shop.collect().values()
    shop.forget()
    [nameless_] = shop.collect().values()

    assert named["refunds"] == [(NOON + 1, 30, "refund", "call me at home")]
    assert nameless_["refunds"] == [(NOON + 1, 30, "refund", "")]
    product = dict(zip(PRODUCT, nameless_["product"], strict=True))
    assert [product[name] for name in ("sku", "category", "qty", "coupon_id")] == ["s", "c", 2, ""]


def test_memory_has_neither_coupon_nor_reasons_of_who_was_erased() -> None:
    shop = Shop()
    shop.fold(
        paid("o1", coupon_id="for-u1-alone"),
        refund("o1", reason="call me at home"),
        refund("not yet", reason="call me at home"),
    )
    shop.forget()
    shop.fold(refund("o1", 7, ts=END - 1, reason="call me at home"))
    shop.erase()
    held = b"".join(array.tobytes() for array in shop.memory.arrays().values())

    assert b"for-u1-alone" not in held
    assert b"call me at home" not in held


def test_why_who_comes_later_was_given_something_back_stays() -> None:
    shop = Shop()
    shop.fold(refund("o1", 30, reason="of the former"))
    shop.fold(
        paid("o1", 100, ts=END + 1, coupon_id="c2"), refund("o1", 5, ts=END + 2, reason="own")
    )
    shop.forget()
    [order] = shop.collect().values()

    assert [entry[1:] for entry in order["refunds"]] == [(30, "refund", ""), (5, "refund", "own")]
    assert "c2" in order["product"]


def test_an_order_paid_behind_a_moment_heard_of_late_is_who_comes_laters() -> None:
    shop = Shop()
    shop.fold(paid("o1", 1), paid("o2", 2, ts=END + MINUTE))
    shop.collect()
    shop.forget()

    assert shop.cents() == {NOBODY: [1, 0], later_hash(user_hash("u1"), END): [2, 0]}
    assert shop.count("erasure_late") == 1


def test_the_same_erasure_again_changes_nothing() -> None:
    shop = Shop()
    shop.fold(paid("o1"))
    shop.forget()
    shop.erase()
    before = copied(shop.memory.arrays())
    shop.forget()
    shop.erase()

    assert {name: array.tobytes() for name, array in before.items()} == {
        name: array.tobytes() for name, array in shop.memory.arrays().items()
    }


def test_memory_stays_until_every_input_is_read_beyond_the_moment() -> None:
    shop = Shop()
    shop.fold(click(), paid("o1"))
    shop.forget()
    shop.collect()
    for topic in INPUTS:
        assert not shop.memory.has_erasures_due
        shop.memory.erase()
        assert traces(shop.memory, "u1")
        shop.memory.mark_read_to(topic, END + 1)

    assert shop.memory.has_erasures_due
    shop.memory.erase()
    assert not traces(shop.memory, "u1")


def test_an_offset_is_safe_once_all_is_gone() -> None:
    shop = Shop()
    shop.fold(click())
    shop.memory.fold_erasures(read_erasures([erasure_record("u1", END, NAMES)[1]], [5], NAMES), 8)
    before = shop.memory.durable_offsets[ERASURES]
    shop.erase()

    assert (shop.memory.offsets[ERASURES], before) == (8, 5)
    assert shop.memory.durable_offsets[ERASURES] == 8


def test_who_is_read_again_after_being_dropped_is_dropped_again() -> None:
    shop = Shop()
    shop.forget()
    shop.erase()
    shop.fold(click(), interaction("mark_correct"), paid("o1"))
    shop.erase()

    assert not traces(shop.memory, "u1")
    assert list(shop.cents()) == [NOBODY]


def test_letters_of_who_is_forgotten_are_not_written_again() -> None:
    shop = Shop()
    shop.forget()
    shop.forget(user_id="u-2")
    values = [b'{"user_id":"u1"}', b'{"user_id":"u1', b'x "u-2"', b'{"user_id":"u3"}', b"u11", None]
    batch_ = decoded("clickstream", values, received_at=NOON)
    shop.memory.fold(batch_)
    shop.memory.fold(decoded("clickstream", values[:1], first_offset=6, received_at=END + 1))
    letters = collect_updates(shop.memory).letters

    assert [letter.offset for letter in letters] == [3, 4, 5, 6]
    assert sum(shop.memory.door_counts["clickstream", r] for r in ("invalid", "not_json")) == 6


def test_a_late_purchase_of_who_is_forgotten_is_no_letter() -> None:
    shop = Shop()
    shop.forget(at=ENDLESS)
    late = [paid("o1", ts=NOON - 3 * HOUR_MS, user_id=user) for user in ("u1", "u3")]
    shop.memory.fold(decoded(PURCHASES, [paid("o2", user_id="u3"), *late], received_at=NOON))
    letters = collect_updates(shop.memory).letters

    assert [letter.offset for letter in letters] == [2]


def test_records_that_name_nobody_are_counted_once() -> None:
    shop = Shop()
    values = [
        b"{",
        None,
        erasure_record("u1", 5, NAMES)[1],
        b'{"user":"U","at":1}',
        b'{"user":"' + b"0" * 32,
    ]
    for _ in range(2):
        shop.memory.fold_erasures(read_erasures(values, range(len(values)), NAMES), len(values))

    assert shop.count("erasure_unreadable") == 3
