"""Who unfollowed in a minute, each once."""

import numpy as np

from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.unfollowers import Unfollowers
from tests.builders import MINUTE, NOON, interaction
from tests.core.user.test_memory import read


def test_several_unfollows_of_a_user_in_a_minute_are_one_observation() -> None:
    reader = read(
        interaction("unfollow"),
        interaction("unfollow", ts=NOON + 1),
        interaction("unfollow", user_id="u2"),
        interaction("unfollow", ts=NOON + MINUTE),
        interaction("unfollow", user_id="k1", kol_id="k1"),  # of his own account: says nothing
        interaction("like", user_id="u3"),
    )
    reader.collect()
    reader.fold(interaction("unfollow", ts=NOON + 2))
    cell = reader.cell()

    assert (cell["unfollows"], cell["unfollowers"], cell["users"]) == (5, 2, 4)
    assert reader.cell(at=NOON + MINUTE)["unfollowers"] == 1


def test_a_minute_is_forgotten_once_it_is_final() -> None:
    left, minute = Unfollowers(slack=0), NOON // MINUTE_MS
    first = [left.add(*np.array([[1], [2], [minute]])).tolist() for _ in "12"]
    end = (minute + 1) * MINUTE_MS + HORIZON_MS
    left.prune(end - 1)
    before = len(left)
    left.prune(end)

    assert first == [[True], [False]]
    assert [before, len(left)] == [1, 0]
