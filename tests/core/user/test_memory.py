"""The memory of the user side: laws of reading, golden examples by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cells import BRAND, NAMES
from schemas.columns import Purchases
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.reference_types import CONSENTS
from schemas.rows import MODELS, TABLES, Rows
from schemas.topics import ERASURES
from schemas.values import plain
from schemas.version import version_of
from streams.core.moments import HORIZON_MS
from streams.core.user.door_counts import SERIES
from streams.core.user.memory import UserMemory
from streams.core.user.updates import Updates, collect_updates
from tests.builders import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOON,
    SECOND,
    Message,
    cancel,
    click,
    copied,
    decoded,
    interaction,
    paid,
    refund,
    topic_of,
)
from tests.keyed import user_hash
from tests.messy import messy_lines, records
from tests.strategies import events

IN_FULL: dict[str, Any] = {
    "category": "奶粉",
    "price_tier": 3,
    "sku": "s-1",
    "size": "900g",
    "qty": 2.5,
    "coupon_id": "c-1",
    "promo_flag": True,
    "is_member": True,
    "list_cents": 12_000,
    "discount_cents": 2_000,
    "margin_cents": -7,
}
Row = dict[str, Any]


class Reader:
    """A memory and what stands of its statements: of each key the row of the newest version."""

    def __init__(self, slack: int = 1 << 16, **settings: int | str) -> None:
        self.settings: dict[str, Any] = {"slack": slack, **settings}
        self.memory = UserMemory(3, hmac_key=KEY, **self.settings)
        self.read = dict.fromkeys(INPUTS, 0)
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}

    def fold(self, *messages: Message) -> None:
        """Read messages, each in a batch of its own."""
        for message in messages:
            self.fold_batch(topic_of(message), [message])

    def fold_batch(self, topic: str, batch: Sequence[Message | bytes | None]) -> None:
        self.memory.fold(decoded(topic, batch, first_offset=self.read[topic]))
        self.read[topic] += len(batch)

    def prune(self) -> None:
        self.memory.prune(
            self.memory.watermark([t for t in INPUTS if self.memory.greatest_time(t)])
        )

    def collect(self) -> Updates:
        statements = collect_updates(self.memory)
        for rows in statements.rows:
            rows.validate()
            columns = {name: plain(values) for name, values in rows.columns.items()}
            for values in zip(*columns.values(), strict=True):
                row = dict(zip(columns, values, strict=True))
                key = tuple(row[name] for name in TABLES[rows.table].key)
                standing = self.tables[rows.table].get(key)
                assert standing is None or standing["version"] < row["version"]
                self.tables[rows.table][key] = row
        return statements

    def restart(self, *, life: int) -> None:
        """Go on with a memory restored from a snapshot of this one."""
        arrays = copied(self.memory.arrays())
        self.memory = UserMemory.restored(arrays, 3, hmac_key=KEY, **self.settings)
        self.memory.life = life

    def rows(self, table: str) -> list[Row]:
        """All that stands, without versions; rows that moved away and counts of 0 left out."""
        self.collect()
        rows = [
            {name: value for name, value in row.items() if name != "version"}
            for row in self.tables[table].values()
            if row.get("kols") != [] and row.get("n") != 0
        ]
        return sorted(rows, key=repr)

    def order(self, order_id: str = "o1") -> Row:
        [row] = [row for row in self.rows("order_credit") if row["order_id"] == order_id]
        return row

    def cell(self, kol: str = "k1", at: int = NOON) -> dict[str, int]:
        """The fields of a cell that are not zero."""
        rows = self.rows("minute_cell")
        minute = at // MINUTE * 60
        [row] = [row for row in rows if (row["kol_id"], row["minute"]) == (kol, minute)]
        return {name: row[name] for name in NAMES if row[name]}

    def doors(self) -> dict[tuple[str, str], int]:
        return {(row["topic"], row["door"]): row["n"] for row in self.rows("door_count")}


def texts(updates: Sequence[Rows]) -> list[str]:
    return [str({n: plain(v) for n, v in rows.columns.items()}) for rows in updates]


def credit(row: Row, model: str = "linear") -> dict[str, int]:
    return dict(zip(row["kols"], row[f"credit_{model}"], strict=True))


def given_back(row: Row, model: str = "linear") -> dict[str, int]:
    return dict(zip(row["kols"], row[f"refunded_{model}"], strict=True))


def read(*messages: Message, slack: int = 1 << 16) -> Reader:
    reader = Reader(slack)
    reader.fold(*messages)
    return reader


# ---------------------------------------------------------------- laws

logs = st.fixed_dictionaries({topic: st.lists(events(topic), max_size=12) for topic in INPUTS})
TABLES_OF_USERS = ("order_credit", "minute_cell", "dead_letter", "door_count")


def latest_rows(reader: Reader) -> dict[str, list[Row]]:
    return {table: reader.rows(table) for table in TABLES_OF_USERS}


@settings(deadline=None)
@given(logs, st.data())
def test_any_interleaving_and_any_cut_say_the_same(
    log: dict[str, list[Message]], data: st.DataObject
) -> None:
    plain, mixed = Reader(), Reader(slack=0)
    for topic in INPUTS:
        plain.fold_batch(topic, log[topic])
    left = {topic: list(messages) for topic, messages in log.items()}
    while topics := [topic for topic in INPUTS if left[topic]]:
        topic = data.draw(st.sampled_from(topics))
        size = data.draw(st.integers(1, len(left[topic])))
        mixed.fold_batch(topic, left[topic][:size])
        left[topic] = left[topic][size:]
        if data.draw(st.booleans()):
            mixed.memory.prune(mixed.memory.watermark([t for t in INPUTS if log[t]]))
        if data.draw(st.booleans()):
            mixed.collect()
        if data.draw(st.booleans()):
            mixed.restart(life=0)

    assert latest_rows(mixed) == latest_rows(plain)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_when_memory_forgets_does_not_matter(seed: int) -> None:
    log = records(messy_lines(seed, NOON, users=3, days=40), 1, NOON)
    unpruned, pruned = Reader(), Reader(slack=0)
    for start in range(0, len(log), 60):
        for topic in INPUTS:
            values = [r.value for r in log[start : start + 60] if r.topic == topic]
            for reader in (unpruned, pruned):
                reader.fold_batch(topic, values)
        pruned.memory.prune(pruned.memory.watermark(INPUTS))
        pruned.collect()

    assert latest_rows(pruned) == latest_rows(unpruned)
    assert len(pruned.memory.arrays()["gate.clickstream.at"]) < len(
        unpruned.memory.arrays()["gate.clickstream.at"]
    )


@settings(deadline=None, max_examples=20)
@given(logs, logs)
def test_a_restored_memory_says_the_same_words(
    first: dict[str, list[Message]], more: dict[str, list[Message]]
) -> None:
    one, other = Reader(slack=0), Reader(slack=0)
    for reader in (one, other):
        for topic in INPUTS:
            reader.fold_batch(topic, [b"{", *first[topic]])
        reader.prune()
    other.restart(life=0)
    for topic in INPUTS:
        for reader in (one, other):
            reader.fold_batch(topic, more[topic])
        updates, again = one.collect(), other.collect()

        assert texts(updates.rows) == texts(again.rows)
        assert updates.letters == again.letters
    assert one.memory.offsets == other.memory.offsets


@settings(deadline=None, max_examples=50)
@given(logs)
def test_every_model_pays_every_order_out_to_the_cent(log: dict[str, list[Message]]) -> None:
    reader = Reader()
    for topic in INPUTS:
        reader.fold_batch(topic, log[topic])

    for row in reader.rows("order_credit"):
        for model in MODELS:
            assert sum(row[f"credit_{model}"]) == row["paid_cents"]
            assert sum(row[f"refunded_{model}"]) == row["refunded_cents"]
            assert all(
                0 <= back <= earned
                for back, earned in zip(
                    row[f"refunded_{model}"], row[f"credit_{model}"], strict=True
                )
            )


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(INPUTS), st.data())
def test_every_message_leaves_by_exactly_one_door(topic: str, data: st.DataObject) -> None:
    messages = data.draw(st.lists(events(topic), max_size=9))
    reader = Reader()
    reader.fold_batch(topic, [*messages, b"{", None, *messages])
    doors = reader.rows("door_count")

    assert sum(row["n"] for row in doors if row["kind"] != "counter") == 2 * len(messages) + 2
    assert sum(row["n"] for row in doors if row["kind"] == "rejected") == 2


# ---------------------------------------------------------------- touches and orders


def test_a_purchase_nobody_touched_is_organic() -> None:
    row = read(paid()).order()

    assert credit(row) == {"organic": 10_000}
    assert row["kol_via"] == ["none"]
    assert row["touch_kol"] == []


def test_an_order_says_all_that_was_paid_and_by_which_touches() -> None:
    reader = read(
        click(ts=NOON - HOUR, kol_id="b"),
        click(ts=NOON - 2 * HOUR, kol_id="a", share_id="s"),
        paid(brand_id="x", platform="tmall", channel_type="live", currency="USD", **IN_FULL),
    )

    assert reader.order() == {
        "ordered_at": NOON,
        "order_id": "o1",
        "user_hash": user_hash(KEY, "u1"),
        "brand_id": "x",
        "platform": "tmall",
        "channel": "live",
        "currency": "USD",
        "category": "奶粉",
        "price_tier": "3",
        "sku": "s-1",
        "size": "900g",
        "qty": 2.5,
        "coupon_id": "c-1",
        "promo": 1,
        "member": 1,
        "paid_cents": 10_000,
        "list_cents": 12_000,
        "discount_cents": 2_000,
        "margin_cents": -7,
        "refunded_cents": 0,
        "excess_cents": 0,
        "reversed_cents": 0,
        "refunds_outside": 0,
        "refunds_foreign": 0,
        "refund_at": [],
        "refund_cents": [],
        "refund_kind": [],
        "refund_reason": [],
        "touch_kol": ["a", "b"],
        "touch_at": [NOON - 2 * HOUR, NOON - HOUR],
        "touch_class": ["share", "click"],
        "touch_via": ["share", "direct"],
        "touch_begin": [NOON - 2 * HOUR, NOON - HOUR],
        "paid_again": 0,
        "paid_again_cents": 0,
        "touches_after": 0,
        "first_after_ms": 0,
        "kols": ["a", "b"],
        "kol_via": ["share", "direct"],
        "credit_first": [10_000, 0],
        "credit_last": [0, 10_000],
        "credit_linear": [5_000, 5_000],
        "credit_position": [5_000, 5_000],
        "credit_time_decay": [4_990, 5_010],
        "credit_shapley": [5_000, 5_000],
        **{f"refunded_{model}": [0, 0] for model in MODELS},
        "snapshot": 0,
    }


def test_a_touch_that_arrives_after_its_order_states_it_again() -> None:
    reader = read(paid())
    before = credit(reader.order())
    reader.fold(click(ts=NOON - HOUR))

    assert before == {"organic": 10_000}
    assert credit(reader.order()) == {"k1": 10_000}


def test_an_earlier_moment_of_a_touch_states_its_order_again() -> None:
    reader = read(click(ts=NOON - MINUTE), paid())
    before = reader.order()
    reader.fold(click(ts=NOON - 2 * MINUTE))
    now = reader.order()

    assert [before["touch_begin"], before["touch_at"]] == [[NOON - MINUTE], [NOON - MINUTE]]
    assert [now["touch_begin"], now["touch_at"]] == [[NOON - 2 * MINUTE], [NOON - MINUTE]]


def test_the_last_touch_is_whose_last_event_is_the_newest() -> None:
    half = NOON - 25 * MINUTE  # A, B, A and the order in one half hour
    touches = [(0, "A"), (10, "B"), (20, "A")]
    order = paid(ts=half + 24 * MINUTE)
    reader = read(*(click(ts=half + m * MINUTE, kol_id=kol) for m, kol in touches), order)
    row = reader.order()

    assert row["touch_kol"] == ["B", "A"]
    assert credit(row, "last") == credit(row, "first") == {"A": 10_000, "B": 0}
    assert credit(row, "position") == {"A": 5_000, "B": 5_000}


def test_an_order_between_two_events_of_a_touch_sees_the_first_alone() -> None:
    half = NOON - 25 * MINUTE
    reader = read(
        click(ts=half, kol_id="A"),
        click(ts=half + 10 * MINUTE, kol_id="B"),
        paid(ts=half + 15 * MINUTE),
        click(ts=half + 20 * MINUTE, kol_id="A"),
    )
    row = reader.order()

    assert row["touch_at"] == [half, half + 10 * MINUTE]
    assert credit(row, "last") == {"A": 0, "B": 10_000}
    assert row["touches_after"] == 0


def test_a_touch_soon_after_the_order_is_noted_and_not_counted() -> None:
    reader = read(paid())
    reader.collect()
    reader.fold(click(ts=NOON + 15_000))
    soon = reader.order()
    reader.fold(click(ts=NOON + 10 * MINUTE + 1, kol_id="k2"))
    row = reader.order()

    assert (soon["touches_after"], soon["first_after_ms"]) == (1, 15_000)
    assert (row["touches_after"], row["first_after_ms"]) == (1, 15_000)
    assert credit(row) == {"organic": 10_000}


def test_a_touch_long_after_the_order_states_nothing() -> None:
    reader = read(paid())
    reader.collect()
    reader.fold(click(ts=NOON + 10 * MINUTE + 1))

    assert "order_credit" not in {rows.table for rows in reader.collect().rows}


def test_the_touches_of_another_user_do_not_count() -> None:
    row = read(click(ts=NOON - HOUR, user_id="u2"), paid()).order()

    assert credit(row) == {"organic": 10_000}


def test_of_33_touches_the_oldest_is_not_looked_at() -> None:
    touches = [click(ts=NOON - n * HOUR // 2, kol_id=f"k{n:02}") for n in reversed(range(33))]
    row = read(*touches, paid()).order()

    assert row["touch_kol"] == [f"k{n:02}" for n in range(31, -1, -1)]


def test_names_tie_by_their_bytes() -> None:
    touches = [click(ts=NOON - HOUR, kol_id=name) for name in ("é", "z", "妈妈", "Z")]
    row = read(*touches, paid(pay_cents=101)).order()

    assert row["touch_kol"] == row["kols"] == ["Z", "z", "é", "妈妈"]
    assert credit(row) == {"Z": 26, "z": 25, "é": 25, "妈妈": 25}
    assert credit(row, "first")["Z"] == credit(row, "last")["妈妈"] == 101


def test_a_frozen_order_keeps_its_touches_for_a_refund_months_later() -> None:
    reader = Reader(slack=0)
    reader.fold(click(ts=NOON - HOUR), interaction("like", ts=NOON - MINUTE, kol_id="k2"), paid())
    for days in (1, 50, 150):
        reader.fold(click(ts=NOON + days * DAY), interaction(ts=NOON + days * DAY))
        reader.fold(paid(f"p{days}", ts=NOON + days * DAY, user_id="u2"))
        reader.collect()
        reader.prune()
    reader.restart(life=1)
    reader.fold(refund(pay_cents=2_000, ts=NOON + 170 * DAY))
    row = reader.order()

    assert len(reader.memory.arrays()["touches.last"]) == 1
    assert row["touch_kol"] == ["k1", "k2"]
    assert given_back(row) == {"k1": 1_000, "k2": 1_000}


def test_of_a_user_with_too_many_touches_the_first_of_the_half_hour_stand() -> None:
    reader = Reader(touch_limit=8)
    reader.fold_batch(CLICKSTREAM, [click(ts=NOON + n, kol_id=f"k{n}") for n in range(20)])
    reader.fold(click(ts=NOON - 1, kol_id="k19"), paid(ts=NOON + MINUTE))

    assert reader.doors()["*", "touch_limit"] == 12
    assert reader.order()["touch_kol"] == ["k19", *(f"k{n}" for n in range(8))]
    assert reader.cell("k15") == {"events": 1, "users": 1, "clicks": 1} | {
        f"users_{bucket}": 1 for bucket in ("hour", "day", "week")
    }


# ---------------------------------------------------------------- which `paid` stands


def test_the_earlier_paid_stands_and_the_old_key_is_told_empty() -> None:
    reader = read(paid(pay_cents=500, brand_id="x"))
    reader.collect()
    reader.fold(paid(pay_cents=700, ts=NOON - HOUR, brand_id="y"))
    row = reader.order()

    assert (row["ordered_at"], row["paid_cents"], row["brand_id"]) == (NOON - HOUR, 700, "y")
    assert (PURCHASES, "duplicate_order") not in reader.doors()  # it stands, so it is not dropped
    assert reader.doors()[PURCHASES, "written"] == 2
    assert reader.doors()[PURCHASES, "paid_replaced"] == 1
    assert (row["paid_again"], row["paid_again_cents"]) == (1, 500)
    hashed = row["user_hash"]
    moved = reader.tables["order_credit"][NOON, "o1", hashed]
    assert (moved["kols"], moved["paid_cents"], moved["touch_kol"]) == ([], 0, [])


def test_a_key_that_only_a_dead_run_told_is_told_empty_too() -> None:
    reader = Reader()
    reader.fold_batch(PURCHASES, [paid(ts=NOON), paid(ts=NOON - HOUR), paid(ts=NOON - MINUTE)])
    reader.collect()
    times = {row["ordered_at"]: row["kols"] for row in reader.tables["order_credit"].values()}

    assert times == {NOON - HOUR: ["organic"], NOON: []}


def test_a_refund_with_the_event_id_of_its_paid_is_a_letter() -> None:
    reader = read(paid(event_id="o74"), refund(event_id="o74", pay_cents=5_000, ts=NOON + MINUTE))
    reader.collect()
    [letter] = reader.tables["dead_letter"].values()

    assert reader.order()["refunded_cents"] == 0
    assert reader.doors()[PURCHASES, "duplicate"] == 1
    assert reader.doors()[PURCHASES, "duplicate_differs"] == 1
    assert letter["reason"] == "duplicate"
    assert "this refund of 5000" in letter["error"]


def test_a_duplicate_that_says_the_same_is_no_letter() -> None:
    reader = read(paid(event_id="e"), paid(event_id="e"))
    reader.collect()

    assert not reader.tables["dead_letter"]
    assert (PURCHASES, "duplicate_differs") not in reader.doors()


def test_the_later_paid_changes_nothing() -> None:
    reader = read(paid(pay_cents=500))
    reader.collect()
    reader.fold(paid(pay_cents=500, ts=NOON + 1))

    assert {rows.table for rows in reader.collect().rows} == {"door_count"}
    assert reader.doors()[PURCHASES, "duplicate_order"] == 1
    assert reader.order()["paid_cents"] == 500
    assert reader.order()["paid_again"] == 0


@pytest.mark.parametrize("other", [{"pay_cents": 700}, {"currency": "USD"}])
def test_a_later_paid_with_another_amount_is_noted_and_a_letter(other: dict[str, Any]) -> None:
    reader = read(paid(pay_cents=500), paid(ts=NOON + 1, **{"pay_cents": 500, **other}))
    row = reader.order()
    [letter] = reader.tables["dead_letter"].values()

    assert (row["paid_cents"], row["paid_again"]) == (500, 1)
    assert row["paid_again_cents"] == other.get("pay_cents", 500)
    assert reader.doors()[PURCHASES, "paid_differs"] == 1
    assert letter["reason"] == "duplicate_order"
    assert letter["error"].startswith("order o1 stands with another amount")


def test_a_cancel_that_is_read_later_decides_nothing_about_a_paid_of_the_same_batch() -> None:
    reader = Reader()
    reader.fold(paid(pay_cents=500), paid(pay_cents=7, ts=NOON + 2), cancel(ts=NOON + 1))
    doors = reader.doors()

    assert doors[PURCHASES, "paid_differs"] == 1
    assert (PURCHASES, "paid_after_cancel") not in doors


def test_a_paid_after_a_cancel_is_a_letter_and_the_order_stays_cancelled() -> None:
    reader = read(paid(pay_cents=500), cancel(ts=NOON + 1), paid(pay_cents=500, ts=NOON + 2))
    row = reader.order()
    [letter] = reader.tables["dead_letter"].values()

    assert row["refunded_cents"] == 500
    assert reader.doors()[PURCHASES, "paid_after_cancel"] == 1
    assert letter["error"].startswith("order o1 was cancelled before")


@pytest.mark.parametrize("ids", ["ab", "ba"])
def test_of_two_at_one_moment_the_smaller_event_id_stands(ids: str) -> None:
    reader = read(*(paid(event_id=one, pay_cents=ord(one)) for one in ids))

    assert reader.order()["paid_cents"] == ord("a")
    assert len(reader.tables["order_credit"]) == 1


def test_event_ids_are_compared_by_their_bytes() -> None:
    reader = read(paid(event_id="\ufffd", pay_cents=1), paid(event_id="\U0001f476", pay_cents=2))

    assert reader.order()["paid_cents"] == 1


def test_a_brands_cell_follows_the_paid_that_stands() -> None:
    reader = read(
        paid(pay_cents=500, list_cents=600, discount_cents=100, brand_id="x", promo_flag=True),
        paid("o2", pay_cents=50, brand_id="x", is_member=True),
    )
    before = reader.cell("~brand:x")
    reader.fold(paid(pay_cents=700, ts=NOON - HOUR, brand_id="y"))
    users = {"users": 1, "users_hour": 1, "users_day": 1, "users_week": 1}

    assert before == users | {
        "events": 2,
        "orders": 2,
        "paid_cents": 550,
        "list_cents": 600,
        "discount_cents": 100,
        "promo_cents": 500,
        "member_cents": 50,
    }
    assert reader.cell("~brand:x") == users | {
        "events": 1,
        "orders": 1,
        "paid_cents": 50,
        "member_cents": 50,
    }
    assert reader.cell("~brand:y", NOON - HOUR) == users | {
        "events": 1,
        "orders": 1,
        "paid_cents": 700,
    }


def test_a_buyer_who_moved_to_another_brand_is_no_buyer_of_the_first() -> None:
    reader = read(paid(brand_id="x"), paid(ts=NOON - HOUR))

    assert reader.cell("~brand:x") == {}


def test_an_order_is_unknown_again_after_180_days_and_its_id_can_be_paid_anew() -> None:
    for slack in (0, 1 << 16):
        reader = Reader(slack)
        later = NOON + 180 * DAY + HORIZON_MS + 1
        reader.fold(paid(pay_cents=5), paid("o9", ts=later, user_id="u9"))
        reader.prune()
        reader.fold_batch(
            PURCHASES, [paid(pay_cents=7, ts=later), paid("o8"), refund(ts=later, pay_cents=3)]
        )
        amounts = {
            (row["ordered_at"], row["paid_cents"], row["refunded_cents"])
            for row in reader.rows("order_credit")
            if row["order_id"] == "o1"
        }

        assert amounts == {(NOON, 5, 0), (later, 7, 3)}


def test_a_batch_that_outlives_an_order_is_read_like_one_event_after_the_other() -> None:
    later = NOON + 180 * DAY + HORIZON_MS + 1
    log = [paid(pay_cents=5), paid("o2", ts=later), paid(pay_cents=6, ts=later), refund(ts=later)]
    at_once, singly = Reader(), read(*log)
    at_once.fold_batch(PURCHASES, log)

    assert latest_rows(at_once) == latest_rows(singly)
    assert (PURCHASES, "duplicate_order") not in at_once.doors()


# ---------------------------------------------------------------- given back


def test_refunds_are_split_like_the_credits() -> None:
    row = read(
        click(ts=NOON - HOUR, kol_id="a"),
        click(ts=NOON - HOUR, kol_id="b"),
        click(ts=NOON - HOUR, kol_id="c"),
        paid(pay_cents=100),
        refund(pay_cents=10, ts=NOON + DAY),
        refund(pay_cents=40, ts=NOON + 2 * DAY),
    ).order()

    assert row["refunded_cents"] == 50
    assert credit(row) == {"a": 34, "b": 33, "c": 33}
    assert given_back(row) == {"a": 17, "b": 17, "c": 16}


def test_a_refund_before_its_order_counts() -> None:
    reader = read(refund(pay_cents=30, ts=NOON - HOUR))
    waiting = reader.doors()
    reader.fold(paid(pay_cents=100))

    assert waiting[PURCHASES, "refund_unmatched"] == 1
    assert reader.order()["refunded_cents"] == 30
    assert (PURCHASES, "refund_unmatched") not in reader.doors()


@pytest.mark.parametrize(
    ("after", "counts"),
    [(-DAY, True), (-DAY - 1, False), (180 * DAY, True), (180 * DAY + 1, False)],
)
def test_a_refund_counts_from_24_hours_before_to_180_days_after(
    after: int, *, counts: bool
) -> None:
    first, second = sorted([paid(), refund(ts=NOON + after, pay_cents=7)], key=lambda m: m["ts"])
    reader = read(first, second)

    assert reader.order()["refunded_cents"] == (7 if counts else 0)
    assert reader.doors().get((PURCHASES, "refund_outside"), 0) == (0 if counts else 1)


def test_a_cancel_gives_the_whole_order_back() -> None:
    reader = read(
        refund(pay_cents=30), cancel(), paid(pay_cents=100), refund(pay_cents=90, ts=NOON + 1)
    )

    assert reader.order()["refunded_cents"] == 100
    assert (PURCHASES, "refund_excess_cents") not in reader.doors()


def test_what_is_asked_back_beyond_the_payment_is_counted_not_booked() -> None:
    reader = read(paid(pay_cents=100), refund(pay_cents=70), refund(pay_cents=80, ts=NOON + 1))

    assert reader.order()["refunded_cents"] == 100
    assert reader.doors()[PURCHASES, "refund_excess_cents"] == 50


def test_nothing_was_paid_so_nothing_is_given_back() -> None:
    row = read(click(ts=NOON - HOUR), paid(pay_cents=0), cancel(ts=NOON + 1)).order()

    assert (credit(row), given_back(row)) == ({"k1": 0}, {"k1": 0})


def test_a_refund_of_an_unknown_order_is_written_and_counted() -> None:
    reader = read(refund("nowhere"), cancel("nowhere"))

    assert reader.rows("order_credit") == []
    assert reader.doors()[PURCHASES, "written"] == 2
    assert reader.doors()[PURCHASES, "refund_unmatched"] == 2


def test_names_are_those_of_kols_and_brands_that_something_is_remembered_of() -> None:
    reader = read(click(kol_id="k7"), paid(brand_id="b7"))

    assert set(reader.memory.names.names) == {"k7", BRAND + "b7"}


def test_totals_are_what_is_said_of_doors() -> None:
    reader = read(click(event_id="e"), click(event_id="e"), refund("nowhere"))
    counts = reader.doors()
    totals = dict(zip(SERIES, reader.memory.totals.tolist(), strict=True))

    assert {(topic, label): n for (topic, label, _), n in totals.items() if n} == counts
    assert counts[PURCHASES, "refund_unmatched"] == counts[CLICKSTREAM, "duplicate"] == 1


def test_a_refund_that_waited_too_long_stays_unmatched() -> None:
    for slack in (0, 1 << 16):
        reader = read(refund(pay_cents=5), slack=slack)
        after = NOON + DAY + HORIZON_MS + 1
        reader.fold(paid("o9", ts=after))
        reader.prune()
        reader.collect()
        reader.prune()
        reader.fold(paid(ts=after - HORIZON_MS))

        assert reader.doors()[PURCHASES, "refund_unmatched"] == 1
        assert (PURCHASES, "refund_outside") not in reader.doors()


def test_refunds_and_cancels_count_in_their_own_minute_as_sent() -> None:
    reader = read(
        refund(pay_cents=30, brand_id="x"),
        refund(pay_cents=5_000, brand_id="x", ts=NOON + 1),
        cancel(brand_id="x", ts=NOON + 2, user_id="u2"),
        refund(pay_cents=1),
    )
    fields = reader.cell("~brand:x")

    assert {n: fields[n] for n in ("events", "refunds", "refund_cents", "users")} == {
        "events": 3,
        "refunds": 3,
        "refund_cents": 5_030,
        "users": 2,
    }


# ---------------------------------------------------------------- cells


def test_a_cell_counts_what_happened_around_its_kol() -> None:
    reader = read(
        click(),
        click(event="pdp_view", user_id="u2"),
        click(event="impression", visible_ms=1),
        click(event="add_cart"),
        click(event="search"),
        interaction(dwell_ms=7_000, account_age_d=30),
        interaction("mark_helpful", account_age_d=30),
    )

    assert reader.cell() == {
        "events": 7,
        "users": 2,
        "users_hour": 2,
        "users_day": 2,
        "users_week": 2,
        "impressions": 1,
        "clicks": 2,
        "carts": 1,
        "views": 1,
        "dwell_ms": 7_000,
        "depth": 405_465,
        "depth_square": 164_402,
        "for_B": 250_000,
        "square_B": 62_500_000_000,
        "credible_days": 250_000,
        "credible_days_square": 62_500_000_000,
        "credible_depth": 101_366,  # a quarter of ln 1.5
        "credible_depth_square": 41_101,  # and of its square, 164 402 / 4 rounded up
        "aged_days": 1,
        "dwell_views": 1,
    }


def test_an_event_without_a_kol_belongs_to_no_cell() -> None:
    reader = read(click(kol_id=None), click(kol_id=""), paid())

    assert reader.rows("minute_cell") == []
    assert len(reader.memory.arrays()["users.lo"]) == 1


def test_an_earlier_event_moves_the_user_of_the_hour() -> None:
    reader = read(click(ts=NOON + 10 * MINUTE))
    reader.collect()
    reader.fold(click(ts=NOON + 5 * MINUTE))

    assert "users_hour" not in reader.cell(at=NOON + 10 * MINUTE)
    assert reader.cell(at=NOON + 5 * MINUTE)["users_hour"] == 1


def test_a_duplicate_changes_no_cell() -> None:
    reader = read(click(), click())

    assert reader.cell()["events"] == 1
    assert reader.doors()[CLICKSTREAM, "duplicate"] == 1


def test_a_topic_that_did_not_count_does_not_reopen_final_minutes() -> None:
    reader = Reader(slack=0)
    reader.fold(click(ts=NOON + DAY))
    reader.memory.prune(reader.memory.watermark([CLICKSTREAM]))
    reader.fold_batch(INTERACTIONS, [interaction("like"), interaction("like", ts=NOON + DAY)])
    reader.fold(paid(brand_id="x"), refund(brand_id="x"), paid(brand_id="y", ts=NOON - MINUTE))
    minutes = {row["minute"] for row in reader.rows("minute_cell")}

    assert minutes == {(NOON + DAY) // SECOND}
    assert reader.doors()[INTERACTIONS, "closed_minute"] == 1
    assert reader.doors()[PURCHASES, "closed_minute"] == 4


def test_an_order_frozen_before_its_topic_counted_can_still_be_replaced() -> None:
    reader = Reader(slack=0)
    reader.fold(click(ts=NOON + DAY), click(ts=NOON - HOUR + DAY))
    reader.fold(paid())
    reader.memory.prune(NOON + DAY)
    reader.fold(paid(ts=NOON - MINUTE, pay_cents=3))
    reader.memory.prune(NOON + DAY)

    assert reader.order()["paid_cents"] == 3


def test_cells_of_kols_and_brands_are_given_as_columns_too() -> None:
    reader = read(click(), paid(brand_id="x"))
    statements = reader.collect()
    cells = statements.cells

    assert sorted(cells.kols[code] for code in cells.kol) == ["k1", "~brand:x"]
    assert cells.fields.shape == (2, len(NAMES))
    assert set(cells.minute.tolist()) == {NOON // MINUTE}
    assert set(cells.version.tolist()) == {statements.version}
    assert len(cells) == 2


# ---------------------------------------------------------------- doors, time, statements


def test_a_late_purchase_is_a_dead_letter_with_its_bytes() -> None:
    late = paid("late", ts=NOON - HORIZON_MS - 1)
    reader = read(paid(), late)
    [row] = reader.rows("dead_letter")

    assert (row["reason"], row["encoding"], row["offset"]) == ("too_late", "utf8", 1)
    assert '"late"' in row["payload"]
    assert reader.doors()[PURCHASES, "too_late"] == 1
    assert [order["order_id"] for order in reader.rows("order_credit")] == ["o1"]


def test_late_behaviour_is_dropped_and_counted() -> None:
    reader = read(click(), click(ts=NOON - HORIZON_MS - 1))

    assert reader.rows("dead_letter") == []
    assert reader.doors()[CLICKSTREAM, "too_late"] == 1


def test_what_can_not_be_read_is_a_dead_letter_as_it_came() -> None:
    reader = Reader()
    reader.fold_batch(CLICKSTREAM, [b"{", b"\xff\x00", None])
    letters = reader.collect().letters
    rows = {row["offset"]: row for row in reader.rows("dead_letter")}

    assert [(r["encoding"], r["payload"]) for r in (rows[0], rows[1], rows[2])] == [
        ("utf8", "{"),
        ("base64", "/wA="),
        ("utf8", ""),
    ]
    assert {row["state"] for row in rows.values()} == {"new"}
    assert {row["target"] for row in rows.values()} == {"input"}
    assert [letter.raw for letter in letters] == [b"{", b"\xff\x00", None]
    assert reader.doors()[CLICKSTREAM, "null_value"] == 1


def test_only_what_counts_holds_the_watermark() -> None:
    reader = read(click(ts=NOON), interaction(ts=NOON - MINUTE))
    watermark = reader.memory.watermark

    assert watermark([CLICKSTREAM, INTERACTIONS]) == NOON - MINUTE
    assert watermark(INPUTS) is None
    assert watermark([]) is None
    assert reader.memory.greatest_time(PURCHASES) is None


def test_a_quiet_topic_comes_as_far_as_the_least_of_the_others() -> None:
    reader = read(click(ts=NOON), interaction(ts=NOON - 5 * HOUR), paid(ts=NOON - HOUR))
    reader.memory.advance_idle([INTERACTIONS])
    raised = reader.memory.greatest_time(INTERACTIONS)
    reader.memory.advance_idle([CLICKSTREAM])
    reader.fold(interaction("like", ts=NOON - 4 * HOUR))

    assert raised == NOON - HOUR
    assert reader.memory.greatest_time(CLICKSTREAM) == NOON
    assert reader.doors()[INTERACTIONS, "too_late"] == 1


def test_a_quiet_topic_alone_stays_where_it_is() -> None:
    reader = read(click())
    reader.memory.advance_idle([CLICKSTREAM])
    reader.memory.advance_idle([PURCHASES])

    assert (
        reader.memory.greatest_time(CLICKSTREAM) == reader.memory.greatest_time(PURCHASES) == NOON
    )


def test_idle_topics_do_not_hold_back_each_other() -> None:
    reader = read(click(ts=NOON), paid(ts=NOON - HOUR))
    has_moved = reader.memory.advance_idle([INTERACTIONS, PURCHASES])

    assert has_moved
    assert reader.memory.watermark(INPUTS) == NOON
    assert not reader.memory.advance_idle([INTERACTIONS, PURCHASES])


def test_where_all_topics_are_idle_each_waits_for_the_others() -> None:
    reader = read(click(ts=NOON), paid(ts=NOON - HOUR))
    reader.memory.advance_idle(INPUTS)

    assert reader.memory.greatest_time(INTERACTIONS) == NOON - HOUR


@pytest.mark.parametrize("was_kept", [True, False])
def test_a_total_that_a_dead_life_told_behind_its_snapshot_is_told_anew(*, was_kept: bool) -> None:
    """It knew the refund without its order; who reads both at once has nothing to write of it."""
    dead = Reader()
    if was_kept:
        dead.fold(click())
        dead.collect()
    kept = copied(dead.memory.arrays())
    back, order = refund(ref_order_id="o1", pay_cents=10), paid(order_id="o1", pay_cents=100)
    dead.fold(back)
    dead.collect()
    ahead = dead.doors()

    dead.memory = UserMemory.restored(kept, 3, hmac_key=KEY)
    dead.memory.life = 1
    dead.memory.resend_totals()
    dead.fold(back, order)

    assert ahead[PURCHASES, "refund_unmatched"] == 1
    assert (PURCHASES, "refund_unmatched") not in dead.doors()


def test_nothing_is_said_when_nothing_changed() -> None:
    reader = read(click())
    first, second = reader.collect(), reader.collect()

    assert (first.version, second.version) == (1, 1)
    assert second.rows == []
    assert (len(second.cells), second.letters) == (0, [])


def test_a_version_is_made_of_epoch_life_and_the_number_of_the_statement() -> None:
    reader = read(click())
    reader.memory.epoch, reader.memory.life = 2, 5
    reader.collect()
    reader.fold(click(ts=NOON + 1))

    assert reader.collect().version == version_of(2, 5, 2)


def test_offsets_say_where_reading_goes_on() -> None:
    reader = Reader()
    reader.fold_batch(CLICKSTREAM, [click(), b"{"])

    assert reader.memory.offsets == {CLICKSTREAM: 2} | dict.fromkeys(
        (INTERACTIONS, PURCHASES, ERASURES, CONSENTS), 0
    )


def test_an_empty_batch_only_moves_the_offset() -> None:
    reader = Reader()
    reader.fold_batch(PURCHASES, [])
    batch = decoded(PURCHASES, [], first_offset=7)
    reader.memory.fold(batch)

    assert isinstance(batch.facts, Purchases)
    assert reader.memory.offsets[PURCHASES] == 7
    assert reader.collect().rows == []


def test_users_of_whom_nothing_is_remembered_are_forgotten() -> None:
    reader = Reader(slack=0)
    for day in range(60):
        for message in (click, interaction):
            reader.fold(message(user_id=f"u{day}", ts=NOON + day * DAY))
        reader.prune()
        reader.collect()

    assert len(reader.memory.arrays()["users.lo"]) < 40


def test_memory_is_not_rewritten_for_a_few_users() -> None:
    reader = Reader(slack=4)
    reader.fold(*(click(user_id=f"u{n}", ts=NOON + n) for n in range(20)))
    reader.prune()

    assert len(reader.memory.arrays()["users.lo"]) == 20


def test_names_nothing_refers_to_any_more_are_forgotten_without_a_trace() -> None:
    unpruned, pruned = Reader(), Reader(slack=0)
    for day in range(60):
        for reader in (unpruned, pruned):
            reader.fold(
                click(kol_id=f"k{day}", user_id=f"u{day}", ts=NOON + day * DAY),
                interaction(kol_id=f"l{day}", user_id="u", ts=NOON + day * DAY),
                paid(f"o{day}", user_id="u", ts=NOON + day * DAY, brand_id=f"b{day}"),
            )
        pruned.prune()
        pruned.collect()
    known = [len(reader.memory.arrays()["names.end"]) for reader in (unpruned, pruned)]

    assert known[0] == 180
    assert known[1] < 60 + 60 + 32  # brands and `l…` of orders, `k…` of a month
    assert latest_rows(pruned) == latest_rows(unpruned)


def test_platforms_channels_and_currencies_go_with_their_orders() -> None:
    reader = Reader(slack=0)
    for n in range(4):
        words: Message = {"platform": f"p{n}", "channel_type": f"c{n}", "currency": f"m{n}"}
        reader.fold(paid(f"o{n}", ts=NOON + n * 100 * DAY) | words)
        reader.fold(click(ts=NOON + n * 100 * DAY), interaction(ts=NOON + n * 100 * DAY))
        reader.collect()
        reader.prune()
    row = reader.order("o3")

    assert len(reader.memory.arrays()["labels.end"]) == 6  # of two orders: the others are too old
    assert [row["platform"], row["channel"], row["currency"]] == ["p3", "c3", "M3"]


def test_memory_is_not_rewritten_for_a_few_names() -> None:
    reader = Reader(slack=4)
    reader.fold(*(click(kol_id=f"k{n}", ts=NOON + n) for n in range(20)))
    reader.fold(*(paid(f"o{n}", ts=NOON + n, platform=f"p{n}") for n in range(20)))
    reader.prune()

    known = [len(reader.memory.arrays()[f"{of}.end"]) for of in ("names", "labels")]
    assert known == [20 + 20, 21]  # platforms have a limit as KOLs have: their words are names


def test_kols_beyond_the_limit_share_a_cell_and_are_paid_by_name() -> None:
    reader = Reader(name_limit=2)
    kols = ["k1", "k2", "k3", "k1", "k4"]
    clicks = [click(ts=NOON + n, kol_id=kol) for n, kol in enumerate(kols)]
    reader.fold_batch(CLICKSTREAM, clicks)
    reader.fold(interaction("like", ts=NOON, kol_id="k3"), paid(ts=NOON + MINUTE))
    once = {"users": 1, "users_hour": 1, "users_day": 1, "users_week": 1}

    assert reader.cell("~others") == once | {"events": 2, "clicks": 2}
    assert reader.cell("k1")["clicks"] == 2
    assert reader.cell("k3")["likes"] == 1  # the other topic has room of its own
    assert reader.doors()[CLICKSTREAM, "name_limit"] == 2
    assert credit(reader.order(), "shapley") == dict.fromkeys(("k1", "k2", "k3", "k4"), 2_500)


# ---------------------------------------------------------------- extremes


def test_a_thousand_refunds_one_after_the_other_add_up() -> None:
    reader = read(click(ts=NOON - HOUR), paid(pay_cents=10_000))
    for start in range(0, 1_000, 50):
        refunds = [refund(pay_cents=n % 7, ts=NOON + n) for n in range(start, start + 50)]
        reader.fold_batch(PURCHASES, refunds)
        asked = sum(n % 7 for n in range(start + 50))

        assert reader.order()["refunded_cents"] == asked
    reader.fold(cancel(ts=NOON + DAY))

    assert reader.order()["refunded_cents"] == 10_000


def test_of_hundreds_of_orders_of_one_user_each_looks_at_what_was_before_it() -> None:
    reader = Reader()
    clicks = [click(ts=NOON + n * MINUTE, kol_id=f"k{n}") for n in range(200)]
    orders = [paid(f"o{n}", ts=NOON + n * MINUTE + 1) for n in range(200)]
    reader.fold_batch(PURCHASES, orders)
    reader.collect()
    reader.fold_batch(CLICKSTREAM, clicks)

    for row in reader.rows("order_credit"):
        n = int(row["order_id"][1:])
        assert row["touch_kol"] == [f"k{i}" for i in range(max(0, n - 31), n + 1)]


def test_a_user_of_thousands_of_events_costs_memory_what_an_order_may_look_at() -> None:
    reader = Reader(slack=200, touch_limit=50)
    for hour in range(60):
        at = NOON + hour * HOUR
        reader.fold_batch(CLICKSTREAM, [click(ts=at + n, kol_id=f"k{n}") for n in range(60)])
        reader.fold(paid(f"o{hour}", ts=at + 1_000), interaction(ts=at))
        reader.prune()
        reader.collect()

    assert reader.doors()["*", "touch_limit"] == 60 * 10
    assert len(reader.memory.arrays()["touches.last"]) <= 2 * (32 + 4 * 50 + 200)
    assert reader.order("o59")["touch_kol"] == [f"k{n}" for n in range(18, 50)]
