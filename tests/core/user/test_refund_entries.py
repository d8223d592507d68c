"""Each refund's own part of what was given back, against the definition read literally."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, permutations, starmap
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.core.arrays.names import NO_TEXT
from streams.core.user.refund_entries import (
    CANCEL,
    KINDS,
    MERGED,
    MOST,
    QUARTER_MS,
    REFUND,
    REVERSAL,
    Concerning,
    RefundEntries,
    entries_of,
)
from tests.builders import DAY, HOUR, MINUTE, NOON


@dataclass(frozen=True, order=True)
class One:
    """One refund, cancel or reversal; sorted as entries are, within an order."""

    at: int = NOON
    kind: int = REFUND
    cents: int = 10
    reason: str = ""
    counts: bool = True


def _zone_offset(name: str, moment: int) -> float:
    """Seconds that a zone is ahead of UTC."""
    offset = datetime.fromtimestamp(moment, ZoneInfo(name)).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


Entry = tuple[int, int, int, str]  # at, cents, kind, reason


def listed(paid: list[int], *concerning: list[One]) -> list[list[Entry]]:
    """The entries of orders, one list each."""
    return by_order(entries_of(concerned(*concerning), np.array(paid, np.int64)), len(paid))


def concerned(*concerning: list[One], read: list[int] | None = None) -> Concerning:
    """What concerns orders; `read` takes in the numbers of the reasons that are read."""
    all_of = [(order, one) for order, many in enumerate(concerning) for one in many]
    reasons = [one.reason for _, one in all_of]

    def texts(numbers: NDArray[np.int64]) -> list[str]:
        if read is not None:
            read.extend(numbers[numbers != NO_TEXT].tolist())
        return ["" if number == NO_TEXT else reasons[number] for number in numbers.tolist()]

    return Concerning(
        np.array([order for order, _ in all_of], np.int64),
        np.array([one.at for _, one in all_of], np.int64),
        np.array([one.kind for _, one in all_of], np.int64),
        np.array([one.cents for _, one in all_of], np.int64),
        np.array([one.counts for _, one in all_of], np.bool_),
        np.array([n if reason else NO_TEXT for n, reason in enumerate(reasons)], np.int64),
        texts,
    )


def by_order(found: RefundEntries, orders: int) -> list[list[Entry]]:
    rows = list(
        zip(
            *(column.tolist() for column in (found.order, found.at, found.cents, found.kind)),
            found.reason,
            strict=True,
        )
    )
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    return [[row[1:] for row in rows if row[0] == order] for order in range(orders)]


def cents(paid: int, *many: One) -> list[int]:
    return [entry[1] for entry in listed([paid], list(many))[0]]


def defined(paid: int, many: list[One]) -> list[Entry]:
    """The definition, entry by entry."""
    entries, before, asked, is_cancelled = [], 0, 0, False
    for one in sorted(many):
        if one.counts:
            asked += {REFUND: one.cents, CANCEL: 0, REVERSAL: -one.cents}[one.kind]
            is_cancelled |= one.kind == CANCEL
        back = paid if is_cancelled else min(paid, max(0, asked))
        entries.append((one.at, back - before, one.kind, one.reason))
        before = back
    return entries


def bounded(entries: list[Entry]) -> list[Entry]:
    """Those of a quarter of an hour as one, where there are too many."""
    if len(entries) <= MOST:
        return entries
    quarters = [list(each) for _, each in groupby(entries, key=lambda one: one[0] // QUARTER_MS)]
    return [
        each[0] if len(each) == 1 else (each[-1][0], sum(one[1] for one in each), MERGED, "")
        for each in quarters
    ]


def history(random: Random, count: int, quarters: int) -> list[One]:
    """Refunds, cancels and reversals of some quarters of an hour, in any order."""
    cancels = min(count, random.choice([0, 0, 1, 20]))
    return [
        One(
            NOON + random.randrange(quarters) * QUARTER_MS + random.choice([0, 1, QUARTER_MS - 1]),
            *random.choice([(REFUND, 9), (REFUND, 0), (REVERSAL, 7), (REVERSAL, 40), (REFUND, 40)]),
            reason=random.choice(["", "a", "太大"]),
            counts=random.random() < 0.9,
        )
        for _ in range(count - cancels)
    ] + [One(NOON + random.randrange(quarters) * QUARTER_MS, CANCEL, 0) for _ in range(cancels)]


ones = st.builds(
    One,
    at=st.sampled_from([NOON, NOON + 1, NOON + HOUR, NOON + DAY]),
    kind=st.sampled_from([REFUND, REFUND, REVERSAL, CANCEL]),
    cents=st.sampled_from([0, 1, 7, 40, 10**12]),
    reason=st.sampled_from(["", "a", "a\0", "太大", "b"]),
    counts=st.booleans() | st.just(value=True),
)
orders = st.lists(st.tuples(st.sampled_from([0, 5, 100, 10**12]), st.lists(ones, max_size=6)))


@given(orders)
def test_entries_are_those_of_the_definition(orders: list[tuple[int, list[One]]]) -> None:
    found = listed([paid for paid, _ in orders], *[many for _, many in orders])

    assert found == list(starmap(defined, orders))


@given(orders)
def test_entries_add_up_to_what_was_given_back(orders: list[tuple[int, list[One]]]) -> None:
    found = listed([paid for paid, _ in orders], *[many for _, many in orders])

    for entries, (paid, many) in zip(found, orders, strict=True):
        counting = [one for one in many if one.counts]
        sums = {kind: sum(one.cents for one in counting if one.kind == kind) for kind in (0, 2)}
        asked = max(0, sums[REFUND] - sums[REVERSAL])
        is_cancelled = any(one.kind == CANCEL for one in counting)
        assert sum(entry[1] for entry in entries) == (paid if is_cancelled else min(paid, asked))
        assert len(entries) == len(many)


@given(st.integers(0, 2**32), st.sampled_from([1, 40, 400, 40_000]))
def test_entries_of_many_are_those_of_the_definition_bounded(seed: int, quarters: int) -> None:
    random = Random(seed)
    counts = [random.choice([0, 3, MOST, MOST + 1, 2 * MOST]) for _ in range(5)]
    concerning = [history(random, count, quarters) for count in counts]
    paid = [random.choice([0, 5, 500, 10**12]) for _ in counts]

    found = listed(paid, *concerning)

    assert found == [bounded(defined(*each)) for each in zip(paid, concerning, strict=True)]


def test_of_many_refunds_only_the_reasons_that_are_listed_are_read() -> None:
    """All of them, at every flush, were most of what an order with many refunds cost."""
    read: list[int] = []
    many = [*many_of(10 * MOST, 1), One(NOON + DAY, cents=0, reason="alone")]

    entries_of(concerned(many, read=read), np.array([10**9]))

    assert read == [10 * MOST]


def test_which_refund_arrived_first_does_not_matter() -> None:
    many = [One(reason="b"), One(reason="a"), One(kind=REVERSAL, cents=4), One(cents=3)]
    many.append(One(cents=3, counts=False))
    found = {str(listed([100], list(each))) for each in permutations(many)}

    assert found == {
        str(
            [
                [
                    (NOON, 0, REFUND, ""),
                    (NOON, 3, REFUND, ""),
                    (NOON, 10, REFUND, "a"),
                    (NOON, 10, REFUND, "b"),
                    (NOON, -4, REVERSAL, ""),
                ]
            ]
        )
    }


@pytest.mark.parametrize(
    ("many", "expected"),
    [
        ([One(cents=40), One(NOON + 1, cents=90)], [40, 60]),  # 130 of 100: the rest is excess
        ([One(cents=40), One(NOON + 1, REVERSAL, 40)], [40, -40]),
        ([One(cents=40), One(NOON + 1, REVERSAL, 50), One(NOON + 2, cents=30)], [40, -40, 20]),
        ([One(cents=40), One(NOON + 1, CANCEL, 0), One(NOON + 2, cents=5)], [40, 60, 0]),
        ([One(cents=40), One(NOON + 1, CANCEL, 0), One(NOON + 2, REVERSAL, 5)], [40, 60, 0]),
        ([One(cents=40, counts=False), One(NOON + 1, cents=5)], [0, 5]),
        ([One(kind=REVERSAL, cents=5), One(NOON + 1, cents=8)], [0, 3]),
    ],
)
def test_an_entry_says_what_it_changed(many: list[One], expected: list[int]) -> None:
    assert cents(100, *many) == expected


def many_of(count: int, step: int) -> list[One]:
    """Refunds of 1, 2, 3, ... cents, in steps of time."""
    return [One(NOON + n * step, cents=n + 1, reason="r") for n in range(count)]


def test_as_many_as_are_listed_are_listed_one_by_one() -> None:
    [entries] = listed([10**9], many_of(MOST, MINUTE))

    assert len(entries) == MOST


def test_of_more_those_of_a_quarter_of_an_hour_are_one() -> None:
    many = many_of(MOST + 14, MINUTE)  # 270 minutes: eighteen quarters
    few, entries = listed([10**9, 10**9], many[:1], many)

    assert few == [(NOON, 1, REFUND, "r")]
    assert [at for at, *_ in entries] == [NOON + (n * 15 + 14) * MINUTE for n in range(18)]
    assert {kind for _, _, kind, _ in entries} == {MERGED}
    assert {reason for *_, reason in entries} == {""}
    assert [given for _, given, *_ in entries] == [
        sum(range(n * 15 + 1, n * 15 + 16)) for n in range(18)
    ]


def test_one_alone_in_its_quarter_stays_what_it_is() -> None:
    alone = One(NOON + DAY, CANCEL, 0, "gone")
    [entries] = listed([10**6], [*many_of(MOST, 1), alone])
    of_all = MOST * (MOST + 1) // 2

    assert entries == [
        (NOON + MOST - 1, of_all, MERGED, ""),
        (NOON + DAY, 10**6 - of_all, CANCEL, "gone"),
    ]


@given(st.lists(st.integers(0, 200 * 96), min_size=MOST + 1, max_size=MOST + 50))
def test_a_quarter_of_an_hour_never_loses_what_belongs_to_it(quarters: list[int]) -> None:
    many = [One(NOON + n * QUARTER_MS + n % 7, cents=1 + n % 3) for n in quarters]
    [entries] = listed([10**9], many)
    expected = {
        quarter: sum(one.cents for one in each)
        for quarter, each in groupby(sorted(many), key=lambda one: one.at // QUARTER_MS)
    }

    assert {at // QUARTER_MS: given for at, given, *_ in entries} == expected


def test_days_begin_at_a_full_quarter_of_an_hour_everywhere() -> None:
    moments = range(946_684_800, 4_102_444_800, 7_777_777)  # four a year, 2000 to 2100
    zones = sorted(available_timezones())
    offsets = {_zone_offset(name, moment) for name in zones for moment in moments}

    assert {offset * 1_000 % QUARTER_MS for offset in offsets} == {0.0}


def test_every_kind_has_its_name() -> None:
    assert [KINDS[kind] for kind in (REFUND, CANCEL, REVERSAL, MERGED)] == list(KINDS)
