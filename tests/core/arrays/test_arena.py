import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrays.arena import Arena


@given(st.lists(st.lists(st.integers(-9, 9), max_size=90), max_size=6))
def test_columns_hold_what_was_appended(batches: list[list[int]]) -> None:
    arena = Arena(n=np.int64, pair=(np.int16, (2,)))
    for batch in batches:
        n = np.array(batch, np.int64)
        arena.append(n=n, pair=np.stack([n, -n], 1))
    flat = [n for batch in batches for n in batch]

    assert arena["n"].tolist() == flat
    assert arena["pair"].tolist() == [[n, -n] for n in flat]
    assert len(arena) == len(flat)


def test_rows_that_stay_move_up_in_their_order() -> None:
    arena = Arena(n=np.int64, pair=(np.int16, (2,)))
    arena.append(n=np.arange(100), pair=np.zeros((100, 2)))
    arena.keep(arena["n"] % 10 == 3)
    arena.append(n=np.array([7]), pair=np.ones((1, 2)))

    assert arena["n"].tolist() == [*range(3, 100, 10), 7]
    assert arena["pair"].shape == (11, 2)


def test_an_arena_is_restored_without_sharing_its_source() -> None:
    arena, again = (
        Arena(n=np.int64, pair=(np.int16, (2,))),
        Arena(n=np.int64, pair=(np.int16, (2,))),
    )
    arena.append(n=np.arange(70), pair=np.ones((70, 2)))
    again.restore("x", arena.arrays("x"))
    arena["n"][0] = -1

    assert again["n"].tolist() == list(range(70))
    assert again["pair"].tolist() == [[1, 1]] * 70
    assert len(again) == 70
