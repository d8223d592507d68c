from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Behaviour
from schemas.events import CLICKSTREAM, INTERACTIONS, Kind
from streams.core.moments import HORIZON_MS
from streams.core.user.inner_moments import HALF_HOUR_MS
from streams.core.user.touches import (
    LABELS,
    LOOKBACK_MS,
    NO_TOUCH,
    RULES,
    TouchClass,
    Touches,
    classes,
)
from tests.builders import DAY, HOUR, MINUTE, NOON, Message, click, decoded, interaction

KOLS = ["a", "Z", "妈妈", "é"]
RANK = np.argsort(np.argsort([name.encode() for name in KOLS]))

Met = tuple[int, int, int, int]  # user, kol, class, at
Seen = tuple[int, int, int, int, int]  # user, kol, class, first and last moment

moments = st.sampled_from(
    [
        NOON - before + delta
        for before in (0, MINUTE, HALF_HOUR_MS, 2 * HOUR, *LOOKBACK_MS.values(), 40 * DAY)
        for delta in (-1, 0, 1, 7)
    ]
)
met = st.tuples(
    st.integers(0, 1),
    st.integers(0, 3),
    st.integers(0, 4),
    moments | st.integers(NOON - HOUR, NOON),
)
journeys = st.lists(met, max_size=60)


def klass(topic: str, **fields: object) -> str | None:
    """What class of touch one event is."""
    event = click() if topic == CLICKSTREAM else interaction()
    facts = decoded(topic, [event | fields]).facts
    assert isinstance(facts, Behaviour)
    code = int(classes(facts)[0])
    return None if code == NO_TOUCH else LABELS[code]


Told = tuple[int, int, bool]  # user, time, whether a touch begins


def take(touches: Touches, batch: Sequence[Met], topic: str = CLICKSTREAM) -> list[Told]:
    user, kol, of, at = np.array(batch, np.int64).reshape(-1, 4).T
    columns = touches.add(topic, user, kol, of, at)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def looked_at(touches: Touches, orders: Sequence[tuple[int, int]]) -> list[list[Seen]]:
    user, at = np.array(orders, np.int64).reshape(-1, 2).T
    found = touches.journeys(user, at, RANK)
    rows: list[list[Seen]] = [[] for _ in orders]
    columns = (found.order, found.kol, found.klass, found.begin, found.last)
    for order, *rest in zip(*(column.tolist() for column in columns), strict=True):
        rows[order].append((int(user[order]), *rest))
    return rows


def after(touches: Touches, orders: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    user, at = np.array(orders, np.int64).reshape(-1, 2).T
    found = touches.journeys(user, at, RANK)
    return list(zip(found.after.tolist(), found.after_ms.tolist(), strict=True))


def moments_of(log: Sequence[Met], user: int) -> dict[tuple[int, int, int], list[int]]:
    """All moments of each touch of a user: by KOL, class, half hour."""
    moments: dict[tuple[int, int, int], list[int]] = {}
    for who, kol, of, at in log:
        if who == user:
            moments.setdefault((kol, of, at // HALF_HOUR_MS), []).append(at)
    return moments


def expected_touches(log: Sequence[Met], user: int, ordered_at: int) -> list[Seen]:
    """Say the definition again, over everything that ever happened."""
    mine = []
    for (kol, of, _), moments in moments_of(log, user).items():
        if until := [at for at in moments if at <= ordered_at]:
            mine.append((user, kol, of, min(until), max(until)))
    mine.sort(key=lambda touch: (touch[4], KOLS[touch[1]].encode(), touch[2]))
    return [t for t in mine[-32:] if t[4] >= ordered_at - LOOKBACK_MS[TouchClass(t[2])]]


def expected_after(log: Sequence[Met], user: int, ordered_at: int) -> tuple[int, int]:
    if expected_touches(log, user, ordered_at):
        return 0, 0  # noted only with an order that nobody earned
    begins = [min(moments) - ordered_at for moments in moments_of(log, user).values()]
    soon = [ms for ms in begins if 0 < ms <= 10 * MINUTE]
    return len(soon), min(soon, default=0)


@given(st.lists(journeys, max_size=4), st.lists(st.tuples(st.integers(0, 2), moments), max_size=4))
def test_an_order_looks_at_the_touches_of_the_definition(
    batches: list[list[Met]], orders: list[tuple[int, int]]
) -> None:
    touches = Touches(slack=1000)
    for batch in batches:
        take(touches, batch)
    log = [touch for batch in batches for touch in batch]

    assert looked_at(touches, orders) == [expected_touches(log, *order) for order in orders]
    assert after(touches, orders) == [expected_after(log, *order) for order in orders]


crowd = st.lists(  # many moments of few touches, in two half hours
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 3),
        st.integers(0, 4),
        st.integers(-40, 30).map(lambda minutes: NOON + minutes * MINUTE),
    ),
    max_size=150,
)


@given(crowd, crowd, st.lists(st.tuples(st.integers(0, 1), st.integers(-41, 31)), max_size=6))
def test_an_order_inside_a_half_hour_sees_the_moments_up_to_it(
    first: list[Met], then: list[Met], asks: list[tuple[int, int]]
) -> None:
    touches = Touches(slack=0)
    take(touches, first)
    touches.prune(NOON, RANK)
    take(touches, then)
    orders = [(user, NOON + minute * MINUTE) for user, minute in asks]

    assert looked_at(touches, orders) == [expected_touches(first + then, *one) for one in orders]
    assert after(touches, orders) == [expected_after(first + then, *one) for one in orders]


@given(crowd, st.integers(-41, 31))
def test_no_event_after_an_order_changes_what_it_looks_at(log: list[Met], minute: int) -> None:
    at = NOON + minute * MINUTE
    alone, whole = Touches(slack=1000), Touches(slack=1000)
    take(alone, [met for met in log if met[3] <= at])
    take(whole, log)

    assert looked_at(whole, [(0, at), (1, at)]) == looked_at(alone, [(0, at), (1, at)])


@given(crowd, crowd, st.lists(st.tuples(st.integers(0, 1), st.integers(-41, 31)), max_size=6))
def test_what_changes_an_order_is_told(
    first: list[Met], then: list[Met], asks: list[tuple[int, int]]
) -> None:
    touches = Touches(slack=1000)
    take(touches, first)
    orders = [(user, NOON + minute * MINUTE) for user, minute in asks]
    before = looked_at(touches, orders), after(touches, orders)
    told = take(touches, then)
    now = looked_at(touches, orders), after(touches, orders)
    for n, (user, at) in enumerate(orders):
        if any(was[n] != is_[n] for was, is_ in zip(before, now, strict=True)):  # type: ignore[index]  # both are lists
            assert any(
                who == user and (moment <= at or (begins and moment <= at + 10 * MINUTE))
                for who, moment, begins in told
            )


def test_a_user_with_many_orders_in_many_touches_costs_no_memory_for_every_pair() -> None:
    touches = Touches(slack=1000)
    kols = np.arange(1000)
    rank = np.arange(1000)
    half = NOON // HALF_HOUR_MS * HALF_HOUR_MS
    for at in (half, half + 1000, half + 20 * MINUTE):
        touches.add(
            CLICKSTREAM, np.zeros(1000, np.int64), kols, np.zeros(1000, np.int64), kols + at
        )
    asks = half + 2_000 + np.arange(3_000)  # 3 000 000 pairs
    found = touches.journeys(np.zeros(3_000, np.int64), asks, rank)

    assert np.bincount(found.order).tolist() == [32] * 3_000
    assert set(found.last.tolist()) == set(range(half + 1_968, half + 2_000))
    assert found.begin.tolist() == (found.last - 1_000).tolist()


@given(journeys, st.randoms(use_true_random=False))
def test_neither_order_nor_cut_of_the_events_matters(log: list[Met], random: Random) -> None:
    whole, pieces = Touches(slack=1000), Touches(slack=1000)
    take(whole, log)
    shuffled = random.sample(log, len(log))
    for touch in shuffled:
        take(pieces, [touch])
    orders = [(user, NOON) for user in (0, 1)]

    assert looked_at(whole, orders) == looked_at(pieces, orders)


@given(journeys, st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5 * HOUR)), max_size=3))
def test_what_is_forgotten_was_nobodys_to_look_at(
    log: list[Met], orders: list[tuple[int, int]]
) -> None:
    touches = Touches(slack=0)
    take(touches, log)
    watermark = NOON + HORIZON_MS + 10 * MINUTE  # orders from NOON on can change
    touches.prune(watermark, RANK)
    later = [(user, NOON + after) for user, after in orders]

    assert looked_at(touches, later) == [expected_touches(log, *order) for order in later]


def test_touches_of_events_after_forgetting_join_the_older_ones() -> None:
    touches, log = Touches(slack=0), list[Met]()
    for n in range(200):
        at = NOON + n * 20 * MINUTE
        batch = [(0, n % 4, n % 5, at), (1, n % 3, n % 2, at - HORIZON_MS)]
        log += batch
        take(touches, batch)
        touches.prune(at, RANK)

        assert looked_at(touches, [(0, at), (1, at)]) == [
            expected_touches(log, 0, at),
            expected_touches(log, 1, at),
        ]
    assert len(touches) < 120


def test_a_new_moment_is_told_and_whether_its_touch_begins_with_it() -> None:
    touches = Touches(slack=1000)
    half = NOON // HALF_HOUR_MS * HALF_HOUR_MS
    changed = [
        take(touches, [(3, 0, 1, half + 600)]),
        take(touches, [(3, 0, 1, half + 900), (3, 1, 1, half + 5)]),
        take(touches, [(3, 0, 1, half + 600), (3, 0, 1, half + 900)]),
        take(touches, [(3, 0, 1, half + 700), (3, 0, 1, half + 20)]),
    ]

    assert changed == [
        [(3, half + 600, True)],
        [(3, half + 900, False), (3, half + 5, True)],
        [],
        [(3, half + 700, False), (3, half + 20, True)],
    ]


def test_the_33rd_newest_touch_is_not_looked_at() -> None:
    touches = Touches(slack=1000)
    take(touches, [(0, 0, 0, NOON - n * HALF_HOUR_MS) for n in range(33)])
    [found] = looked_at(touches, [(0, NOON)])

    assert len(found) == 32
    assert min(last for *_, last in found) == NOON - 31 * HALF_HOUR_MS


def test_the_32_newest_are_chosen_before_their_lookback_is_asked() -> None:
    touches = Touches(slack=1000)
    old_views = [(0, 0, 4, NOON - 8 * DAY - n * HALF_HOUR_MS) for n in range(32)]
    take(touches, [*old_views, (0, 1, 0, NOON - 20 * DAY)])

    assert looked_at(touches, [(0, NOON)]) == [[]]


def test_touches_of_one_moment_stand_by_the_bytes_of_the_name_then_by_class() -> None:
    touches = Touches(slack=1000)
    take(touches, [(0, kol, of, NOON) for of in (4, 0) for kol in range(4)])
    [found] = looked_at(touches, [(0, NOON)])

    assert [(KOLS[kol], of) for _, kol, of, *_ in found] == [
        (name, of) for name in ("Z", "a", "é", "妈妈") for of in (0, 4)
    ]


@pytest.mark.parametrize("of", list(TouchClass))
def test_a_touch_counts_up_to_its_lookback(of: TouchClass) -> None:
    touches = Touches(slack=1000)
    take(touches, [(0, 0, of, NOON - LOOKBACK_MS[of])])

    assert [len(found) for found in looked_at(touches, [(0, NOON), (0, NOON + 1)])] == [1, 0]


def test_a_touch_at_the_moment_of_the_order_counts_and_one_after_it_does_not() -> None:
    touches = Touches(slack=1000)
    take(touches, [(0, 0, 0, NOON)])

    assert [len(found) for found in looked_at(touches, [(0, NOON), (0, NOON - 1)])] == [1, 0]


@given(
    st.lists(st.tuples(st.sampled_from([CLICKSTREAM, INTERACTIONS]), journeys), max_size=5),
    st.integers(0, 3),
)
def test_each_topic_makes_the_first_touches_of_a_half_hour_up_to_the_limit(
    batches: list[tuple[str, list[Met]]], limit: int
) -> None:
    touches = Touches(slack=1000, limit=limit)
    made: dict[tuple[str, int, int], set[tuple[int, int]]] = {}
    log, dropped = list[Met](), 0
    for topic, batch in batches:
        take(touches, batch, topic)
        for who, kol, of, at in batch:
            some = made.setdefault((topic, who, at // HALF_HOUR_MS), set())
            if (kol, of) in some or len(some) < limit:
                some.add((kol, of))
                log.append((who, kol, of, at))
            else:
                dropped += 1
    orders = [(user, NOON - before) for user in (0, 1) for before in (0, HOUR, DAY)]

    assert looked_at(touches, orders) == [expected_touches(log, *order) for order in orders]
    assert touches.dropped == dropped


def test_a_touch_of_one_topic_leaves_the_other_its_room() -> None:
    touches = Touches(slack=0, limit=1)
    take(touches, [(0, 0, 4, NOON + 1), (0, 1, 4, NOON + 1)])
    take(touches, [(0, 1, 4, NOON + 2), (0, 0, 4, NOON)], INTERACTIONS)
    [found] = looked_at(touches, [(0, NOON + HOUR)])

    assert found == [(0, 0, 4, NOON + 1, NOON + 1), (0, 1, 4, NOON + 2, NOON + 2)]
    assert touches.dropped == 2


def test_of_many_users_at_once_only_who_has_too_many_is_held_back() -> None:
    touches = Touches(slack=0, limit=10)
    take(touches, [(user, 0, 0, NOON) for user in range(5_000)])
    take(touches, [(7, n, 0, NOON) for n in range(12)])

    assert [len(touches), touches.dropped] == [5_009, 2]


def test_a_crowd_of_old_touches_shrinks_to_the_newest() -> None:
    touches = Touches(slack=500)
    take(
        touches,
        [(user, n, 0, NOON + n) for user, count in ((0, 41), (1, 500)) for n in range(count)],
    )
    touches.prune(NOON + DAY, np.arange(500))

    assert len(touches) == 64
    assert touches.dropped == 0
    assert not touches.is_due()


def test_few_rows_to_forget_are_not_worth_it() -> None:
    touches = Touches(slack=10)
    take(touches, [(0, 0, 0, NOON - 40 * DAY), *((0, n, 0, NOON) for n in range(20))])
    touches.prune(NOON, np.arange(20))

    assert len(touches) == 21


def test_users_get_new_numbers_and_keep_their_touches() -> None:
    touches = Touches(slack=1000)
    take(touches, [(5, 0, 0, NOON), (2, 1, 0, NOON)])
    number = np.full(6, -1)
    number[[2, 5]] = [0, 1]
    touches.renumber_users(number)

    assert sorted(touches.users().tolist()) == [0, 1]
    assert looked_at(touches, [(1, NOON), (0, NOON)]) == [
        [(1, 0, 0, NOON, NOON)],
        [(0, 1, 0, NOON, NOON)],
    ]


def test_restored_touches_are_the_same() -> None:
    touches, again = Touches(slack=0, limit=2), Touches(slack=0, limit=2)
    take(touches, [(0, n, 0, NOON + n) for n in range(3)])
    again.restore("x", touches.arrays("x"))
    for one in (touches, again):
        take(one, [(0, 3, 0, NOON)])
        take(one, [(0, 3, 0, NOON)], INTERACTIONS)

    assert again.dropped == touches.dropped == 2
    assert looked_at(again, [(0, NOON + HOUR)]) == looked_at(touches, [(0, NOON + HOUR)])


def test_restored_inner_moments_are_the_same() -> None:
    touches, again = Touches(slack=0), Touches(slack=0)
    half = NOON // HALF_HOUR_MS * HALF_HOUR_MS
    take(touches, [(0, 0, 0, half + n) for n in range(5)])
    again.restore("x", touches.arrays("x"))

    assert looked_at(again, [(0, half + 3)]) == [[(0, 0, 0, half, half + 3)]]
    assert looked_at(touches, [(0, half + 3)]) == [[(0, 0, 0, half, half + 3)]]


CASES: list[tuple[str, Message, str | None]] = [
    (CLICKSTREAM, {"event": "click"}, "click"),
    (CLICKSTREAM, {"event": "pdp_view"}, "click"),
    (CLICKSTREAM, {"event": "coupon_view"}, "click"),
    (CLICKSTREAM, {"event": "click", "share_id": ""}, "click"),
    (CLICKSTREAM, {"event": "click", "share_id": "s"}, "share"),
    (CLICKSTREAM, {"event": "pdp_view", "share_id": "s"}, "share"),
    (CLICKSTREAM, {"event": "coupon_view", "share_id": "s"}, None),
    (CLICKSTREAM, {"event": "click", "kol_id": None}, None),
    (CLICKSTREAM, {"event": "click", "kol_id": ""}, None),
    (CLICKSTREAM, {"event": "add_cart"}, None),
    (CLICKSTREAM, {"event": "impression", "visible_ms": 1000}, "view"),
    (CLICKSTREAM, {"event": "impression", "visible_ms": 999}, None),
    (CLICKSTREAM, {"event": "impression"}, None),
    (INTERACTIONS, {"event": "view", "dwell_ms": 5000}, "view"),
    (INTERACTIONS, {"event": "view", "dwell_ms": 4999, "completion": 0.49}, None),
    (INTERACTIONS, {"event": "view", "completion": 0.5}, "view"),
    (INTERACTIONS, {"event": "view"}, None),
    (INTERACTIONS, {"event": "view", "live_id": "l", "dwell_ms": 30_000}, "live"),
    (INTERACTIONS, {"event": "view", "live_id": "l", "dwell_ms": 29_999, "completion": 1.0}, None),
    (INTERACTIONS, {"event": "view", "live_id": "", "dwell_ms": 5000}, "view"),
    (INTERACTIONS, {"event": "share", "share_id": "s"}, "engage"),
    (INTERACTIONS, {"event": "unfollow"}, None),
    (INTERACTIONS, {"event": "kol_reply"}, None),
]


@pytest.mark.parametrize(("topic", "fields", "expected"), CASES)
def test_an_event_is_the_touch_of_its_row_in_the_table(
    topic: str, fields: Message, expected: str | None
) -> None:
    assert klass(topic, **fields) == expected


def test_thirteen_kinds_engage() -> None:
    engaging = [kind for kind, _, of in RULES if of == TouchClass.ENGAGE]

    assert len(engaging) == 13
    assert all(klass(INTERACTIONS, event=Kind(kind).name.lower()) == "engage" for kind in engaging)
