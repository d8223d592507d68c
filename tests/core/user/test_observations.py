"""Orders as observations: once their minute is final, and where their ages end."""

from typing import Any

import pytest

from streams.core.user.observations import AGES_D
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Message,
    cancel,
    click,
    interaction,
    paid,
    refund,
)
from tests.core.user.test_memory import Reader

FINAL = 2 * HOUR + MINUTE  # after the beginning of a minute


def passing(reader: Reader, at: int) -> None:
    """Let all three inputs come to a time, and write what that makes final."""
    reader.fold(
        click(event_id=f"c{at}", kol_id="k9", user_id="u9", ts=at),
        interaction(event_id=f"i{at}", kol_id="k9", user_id="u9", ts=at),
        refund(f"none{at}", event_id=f"r{at}", user_id="u9", ts=at),
    )
    reader.collect()
    reader.prune()


def observed(*messages: Message, at: int) -> list[tuple[str, str, int, int, int, int]]:
    """KOL, stream, bucket, time after noon, n and k, once the inputs have come so far."""
    reader = Reader(slack=0)
    reader.fold(*messages)
    reader.collect()
    passing(reader, at)
    return rows_of(reader)


def rows_of(reader: Reader) -> list[tuple[str, str, int, int, int, int]]:
    def cell(row: dict[str, Any]) -> tuple[str, str, int, int, int, int]:
        after = row["minute"] * 1000 - NOON
        return row["kol_id"], row["stream"], row["bucket"], after, row["n"], row["k"]

    return sorted(map(cell, reader.rows("detector_cell")), key=lambda one: (one[3], one))


def test_an_order_is_observed_once_its_minute_is_final() -> None:
    order = (click(), paid(promo_flag=True))

    assert observed(*order, at=NOON + FINAL - 1) == []
    assert observed(*order, at=NOON + FINAL) == [("k1", "promo", 0, 0, 1, 1)]


def test_an_order_is_of_the_kol_with_the_largest_part() -> None:
    found = observed(
        *(click(kol_id="k2", event_id=f"a{n}", ts=NOON - n * HOUR) for n in range(1, 4)),
        click(kol_id="k1", ts=NOON - 30 * MINUTE),
        paid(),
        at=NOON + FINAL,
    )

    assert found == [("k2", "promo", 0, 0, 1, 0)]


def test_of_equal_parts_the_first_kol_by_utf8_has_it_and_of_organic_orders_nobody() -> None:
    touches = [click(kol_id=kol, event_id=kol, ts=NOON - MINUTE) for kol in ("z", "é", "k")]

    found = observed(*touches, paid(pay_cents=0), paid("o2", user_id="u2"), at=NOON + FINAL)

    assert found == [("k", "promo", 0, 0, 1, 0)]


def test_a_touch_read_later_decides_whose_the_order_is() -> None:
    reader = Reader(slack=0)
    reader.fold(click(kol_id="k1", ts=NOON - DAY), paid())
    reader.collect()
    reader.fold(click(kol_id="k2", ts=NOON - MINUTE))
    passing(reader, NOON + FINAL)

    assert rows_of(reader) == [("k2", "promo", 0, 0, 1, 0)]


def test_orders_of_one_minute_add_up() -> None:
    found = observed(
        *(click(user_id=f"u{n}", event_id=f"c{n}") for n in range(3)),
        *(paid(f"o{n}", user_id=f"u{n}", ts=NOON + n, promo_flag=n > 0) for n in range(3)),
        at=NOON + FINAL,
    )

    assert found == [("k1", "promo", 0, 0, 3, 2)]


@pytest.mark.parametrize(
    ("given_back", "bads"),
    [
        ([], [0, 0, 0, 0, 0, 0]),
        ([refund(ts=NOON + DAY - 1)], [1]),
        ([refund(ts=NOON + DAY)], [0, 1]),
        ([refund(ts=NOON - HOUR)], [1]),
        ([cancel(ts=NOON + 20 * DAY)], [0, 0, 0, 0, 1]),
        ([refund(ts=NOON + 91 * DAY)], [0, 0, 0, 0, 0, 0]),
        ([refund(ts=NOON + HOUR, pay_cents=0)], [0, 0, 0, 0, 0, 0]),
        ([refund(ts=NOON + HOUR, currency="USD")], [0, 0, 0, 0, 0, 0]),
        (
            [refund(ts=NOON + HOUR), refund(ts=NOON + 2 * HOUR, kind="refund_reversed")],
            [1],  # that it failed later does not undo that it was asked
        ),
    ],
)
def test_an_order_is_observed_where_its_ages_end_until_something_is_given_back(
    given_back: list[Message], bads: list[int]
) -> None:
    messages = [one | {"event_id": f"b{n}"} for n, one in enumerate(given_back)]

    found = observed(click(), paid(), *messages, at=NOON + 100 * DAY)

    ages = [
        ("k1", "refund", age, days * DAY, 1, bad)
        for age, (days, bad) in enumerate(zip(AGES_D, bads, strict=False))
    ]
    assert found == [("k1", "promo", 0, 0, 1, 0), *ages]


def test_ages_are_observed_one_by_one_as_time_passes() -> None:
    reader = Reader(slack=0)
    reader.fold(click(), paid(), refund(ts=NOON + 2 * DAY))
    reader.collect()
    seen = []
    for days in (0, 1, 2, 3, 7):
        passing(reader, NOON + days * DAY + FINAL)
        seen.append(len(rows_of(reader)))

    assert seen == [1, 2, 2, 3, 3]


def test_an_order_that_waits_to_be_observed_is_not_dropped() -> None:
    reader = Reader(slack=0)
    reader.fold(click(), paid())
    reader.collect()
    late = NOON + 200 * DAY  # in one leap, and memory is pruned before anything is written
    reader.fold(
        click(event_id="c", user_id="u9", ts=late),
        interaction(event_id="i", user_id="u9", ts=late),
        refund("none", event_id="r", user_id="u9", ts=late),
    )
    reader.prune()
    reader.collect()

    assert len(rows_of(reader)) == 1 + len(AGES_D)
