"""Users whom a share brought: once a KOL, UTC day and distance, in their earliest minute."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import AT
from schemas.events import CLICKSTREAM, INTERACTIONS
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.cells import Cells
from streams.core.user.share_reach import ShareReach
from tests.builders import DAY, HOUR, MINUTE, NOON, click, interaction
from tests.core.user.test_memory import read

NEAR, FAR = AT["users_near"], AT["users_far"]

Visit = tuple[int, int, int, int]  # user, KOL, at, hops

visits = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.sampled_from([NOON, NOON + MINUTE, NOON - HOUR, NOON + 12 * HOUR, NOON + DAY]),
        st.sampled_from([1, 2, 7]),
    ),
    max_size=20,
)


def reach(parts: list[list[Visit]]) -> dict[tuple[int, int, int], int]:
    """KOL, minute and field -> users, once these visits were taken in part by part."""
    shares, cells = ShareReach(slack=0), Cells(slack=0)
    for part in parts:
        user, kol, at, hops = np.array(part, np.int64).reshape(-1, 4).T
        shares.add(user, kol, at // MINUTE_MS, hops, cells)
    name, minute, fields = cells.collect_changed()
    row, field = np.nonzero(fields)
    return {
        (int(name[i]), int(minute[i]), int(j)): int(fields[i, j])
        for i, j in zip(row, field, strict=True)
    }


@given(st.lists(visits, max_size=3))
def test_a_user_counts_once_in_the_earliest_minute_however_events_come(
    parts: list[list[Visit]],
) -> None:
    earliest: dict[tuple[int, int, int, int], int] = {}
    everything = [visit for part in parts for visit in part]
    for user, kol, at, hops in everything:
        key = (user, kol, at // DAY, NEAR if hops == 1 else FAR)
        earliest[key] = min(at, earliest.get(key, at))
    wanted = Counter((kol, at // MINUTE, field) for (_, kol, _, field), at in earliest.items())

    assert reach(parts) == wanted
    assert reach([everything[::-1]]) == wanted


def test_a_day_is_forgotten_once_no_event_can_belong_to_it() -> None:
    shares, midnight = ShareReach(slack=0), (NOON // DAY + 1) * DAY
    user, kol, minute, hops = np.array([[3], [4], [NOON // MINUTE_MS], [1]])
    shares.add(user, kol, minute, hops, Cells(slack=0))
    shares.prune(midnight + HORIZON_MS - 1)
    before = len(shares)
    shares.prune(midnight + HORIZON_MS)

    assert [before, len(shares)] == [1, 0]


@pytest.mark.parametrize("topic", [CLICKSTREAM, INTERACTIONS])
def test_who_came_by_a_share_counts_and_who_shares_does_not(topic: str) -> None:
    visit = click if topic == CLICKSTREAM else interaction
    reader = read(
        visit(user_id="u1", share_depth=1),
        visit(user_id="u1", share_depth=1, ts=NOON + 1),
        visit(user_id="u1", share_depth=3),
        visit(user_id="u2", share_depth=2),
        visit(user_id="u3", share_depth=0),
        visit(user_id="u4"),
        visit(user_id="k1", kol_id="k1", share_depth=1),
        interaction("share", user_id="u5", share_depth=1),
    )
    cell = reader.cell()

    assert (cell["users_near"], cell["users_far"]) == (1, 2)


def test_a_user_of_two_topics_counts_once() -> None:
    reader = read(
        click(share_depth=1, ts=NOON + 2 * MINUTE),
        interaction(share_depth=1, ts=NOON + MINUTE),
        interaction(share_depth=1, ts=NOON + 3 * MINUTE),
    )

    assert "users_near" not in reader.cell(at=NOON + 2 * MINUTE)
    assert reader.cell(at=NOON + MINUTE)["users_near"] == 1
    assert "users_near" not in reader.cell(at=NOON + 3 * MINUTE)
