"""What becomes of orders in thirty days, as evidence of trust in the KOL who earned them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keyed_names import KeyedNames
from streams.core.user.formats import conversions
from streams.core.user.memory import UserMemory
from streams.core.user.refund_reasons import BUYERS_OWN, is_buyers_own
from tests.builders import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOON,
    Message,
    cancel,
    click,
    copied,
    interaction,
    paid,
    refund,
)
from tests.core.user.test_memory import Reader

DUE = 30 * DAY
SAID = DUE + 2 * HOUR + MINUTE  # the first minute that is open whenever it is counted
KEPT = {"for_O": 500_000, "square_O": 250_000_000_000}  # agreement 1/2, by a buyer
COMPLAINED = {"against_O": 500_000, "square_O": 250_000_000_000}

Said = dict[tuple[str, int], dict[str, int]]


def passing(reader: Reader, at: int) -> None:
    """Let all three inputs come to a time, and write what that makes final."""
    reader.fold(
        click(event_id=f"c{at}", kol_id="k9", user_id="u9", ts=at),
        interaction(event_id=f"i{at}", kol_id="k9", user_id="u9", ts=at),
        refund(f"none{at}", event_id=f"r{at}", user_id="u9", ts=at),
    )
    reader.collect()
    reader.prune()


def said(reader: Reader) -> Said:
    """KOL, time after noon -> fields of outcomes."""

    def fields(row: dict[str, Any]) -> dict[str, int]:
        return {name: row[name] for name in ("for_O", "against_O", "square_O") if row[name]}

    return {
        (row["kol_id"], row["minute"] * 1000 - NOON): fields(row)
        for row in reader.rows("minute_cell")
        if fields(row)
    }


def after(*messages: Message, days: float = 40) -> Said:
    reader = Reader(slack=0)
    reader.fold(click(), *(one | {"event_id": f"m{n}"} for n, one in enumerate(messages)))
    reader.collect()
    passing(reader, NOON + int(days * DAY))
    assert ("purchases", "closed_minute", "counter") not in {
        (row["topic"], row["door"], row["kind"]) for row in reader.rows("door_count")
    }
    return said(reader)


@pytest.mark.parametrize(
    ("given_back", "expected"),
    [
        ([], KEPT),
        ([refund(ts=NOON + HOUR)], COMPLAINED),
        ([refund(ts=NOON + DUE - 1, reason="quality")], COMPLAINED),
        ([refund(ts=NOON + DUE)], KEPT),
        ([refund(ts=NOON + DAY, reason="七天无理由退货")], {}),
        ([cancel(ts=NOON + HOUR)], {}),
        ([refund(ts=NOON + DAY, reason="size"), refund(ts=NOON + 2 * DAY)], COMPLAINED),
        ([refund(ts=NOON + DAY, reason="Wrong_Size"), refund(ts=NOON + 40 * DAY)], {}),
        ([refund(ts=NOON + DAY, pay_cents=0)], KEPT),
    ],
)
def test_an_order_speaks_once_it_is_thirty_days_old(
    given_back: list[Message], expected: dict[str, int]
) -> None:
    wanted = {("k1", SAID): expected} if expected else {}

    assert after(paid(), *given_back) == wanted


def test_nothing_is_said_before_by_what_came_back_at_once() -> None:
    """Else a KOL who began last week were known by what came back alone."""
    assert after(paid(), refund(ts=NOON + HOUR), days=30) == {}


def test_an_order_that_nobody_earned_speaks_of_nobody() -> None:
    assert after(paid(user_id="u2")) == {}


def test_a_user_s_second_order_says_what_the_allowance_has_recovered() -> None:
    """After 60 days, one half-life, half of it."""
    later = NOON + 60 * DAY
    messages = (paid(), click(ts=later), paid("o2", ts=later))

    assert after(*messages, days=100) == {
        ("k1", SAID): KEPT,
        ("k1", 60 * DAY + SAID): {"for_O": 250_000, "square_O": 62_500_000_000},
    }


def test_a_leap_of_months_loses_nothing() -> None:
    assert after(paid(), days=300) == {("k1", SAID): KEPT}


@pytest.mark.parametrize("reason", BUYERS_OWN)
def test_a_buyer_s_own_reason_is_found_in_what_was_said(reason: str) -> None:
    assert is_buyers_own(f"({reason.upper()})")


orders = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2"]),
        st.integers(0, 3),  # days
        st.sampled_from(["", "quality", "size"]),
        st.integers(-1, 32),  # days until it comes back; -1: it does not
    ),
    max_size=5,
)


@settings(max_examples=30)
@given(bought=orders, stops=st.lists(st.integers(1, 80), max_size=4), restarts=st.booleans())
def test_neither_cuts_nor_restarts_show_in_a_bit(
    bought: list[tuple[str, int, str, int]], stops: list[int], *, restarts: bool
) -> None:
    messages: list[Message] = []
    for n, (user, day, reason, back) in enumerate(bought):
        at = NOON + day * DAY + n
        messages.append(click(event_id=f"c{n}", user_id=user, kol_id=f"k{n % 2}", ts=at))
        messages.append(paid(f"o{n}", event_id=f"p{n}", user_id=user, ts=at + 1))
        if back >= 0:
            at += back * DAY
            one = refund(f"o{n}", event_id=f"b{n}", user_id=user, ts=at, reason=reason)
            messages.append(one)
    messages.sort(key=lambda one: one["ts"])

    def passed(ends: list[int], life: int) -> Said:
        reader, place = Reader(slack=0), 0
        for end in [*sorted(ends), 100]:
            until = NOON + end * DAY
            while place < len(messages) and messages[place]["ts"] < until:
                reader.fold(messages[place])
                place += 1
            passing(reader, until)
            if restarts and life:
                life += 1
                reader.restart(life=life)
        return said(reader)

    assert passed(stops, 1) == passed([], 0)


def test_what_is_read_while_rows_are_written_takes_nothing_from_a_minute() -> None:
    """Rows take a while to be written; then what is final by then leaves, what was read or not."""
    reader = Reader(slack=0)
    reader.fold(click(), paid())
    passing(reader, NOON + DUE)
    reader.fold(interaction(event_id="x1", kol_id="k1", user_id="u5", ts=NOON + SAID))
    reader.collect()
    reader.fold(
        *(click(event_id=f"c{n}", kol_id="k9", user_id="u9", ts=NOON + 40 * DAY) for n in "12"),
        interaction(event_id="x2", kol_id="k9", user_id="u9", ts=NOON + 40 * DAY),
        refund("none", event_id="r2", user_id="u9", ts=NOON + 40 * DAY),
    )
    reader.prune()

    assert said(reader) == {("k1", SAID): KEPT}
    assert reader.cell(at=NOON + SAID)["views"] == 1


def test_an_allowance_is_asked_for_before_it_is_whole() -> None:
    """Of orders 60 days apart, also where all else that is read by then is years younger."""
    later = NOON + 60 * DAY
    reader = Reader(slack=0)
    reader.fold(click(), paid(event_id="p1"), click(event_id="c2", ts=later))
    reader.fold(paid("o2", event_id="p2", ts=later))
    reader.collect()
    passing(reader, NOON + 40 * DAY)
    passing(reader, NOON + 62 * DAY)
    for one in (
        click(event_id="c3", kol_id="k9", user_id="u9", ts=NOON + 800 * DAY),
        interaction(event_id="i3", kol_id="k9", user_id="u9", ts=NOON + 800 * DAY),
        refund("none", event_id="r3", user_id="u9", ts=NOON + 800 * DAY),
    ):
        reader.fold(one)
    reader.prune()

    assert said(reader) == {
        ("k1", SAID): KEPT,
        ("k1", 60 * DAY + SAID): {"for_O": 250_000, "square_O": 62_500_000_000},
    }


def test_a_kol_beyond_the_limit_of_names_is_still_known_by_its_orders() -> None:
    """When they are counted is not the log's to say: so who is too many could not be, either."""
    reader = Reader(slack=0, name_limit=0)
    reader.fold(click(), paid())
    reader.collect()
    passing(reader, NOON + 40 * DAY)

    assert said(reader) == {("k1", SAID): KEPT}


@pytest.mark.parametrize(
    ("back", "upgraded", "expected"),
    [
        (HOUR, 20, {("k1", SAID): COMPLAINED}),
        (10 * DAY, 20, {("k1", SAID): COMPLAINED}),
        (HOUR, 31, {}),  # its minute has left
    ],
)
def test_orders_that_came_back_before_an_upgrade_speak_as_those_that_are_kept_do(
    back: int, upgraded: int, expected: Said
) -> None:
    reader = Reader(slack=0)
    reader.fold(click(), paid())
    reader.collect()
    passing(reader, NOON + 2 * HOUR)
    reader.fold(refund(ts=NOON + back))
    passing(reader, NOON + 20 * DAY)
    arrays = copied(reader.memory.arrays())
    [stage] = arrays["orders.order.stage"][arrays["orders.order.at"] == NOON]
    assert stage == 7  # it waits; format 5 had it as one that is observed no more
    is_it = arrays["orders.order.at"] == NOON
    former = arrays | {
        "allowances.left": np.zeros(len(arrays["allowances.at"]), np.int64),
        "orders.order.stage": np.where(is_it, np.uint8(1 if back < DAY else 4), 0),
        "orders.order.due_at": np.where(is_it, 1 << 62, arrays["orders.order.due_at"]),
        "scalars": np.array([arrays["scalars"][0], NOON + upgraded * DAY]),
    }
    reader.memory = UserMemory.restored(
        conversions(KeyedNames(KEY))[-1](former), 3, hmac_key=KEY, slack=0
    )
    reader.memory.life = 1
    passing(reader, NOON + 40 * DAY)

    assert said(reader) == expected
