import numpy as np

from streams.core.arrays.arena import Arena
from streams.core.arrays.compaction import Compaction


def test_compaction_is_due_once_the_rows_have_doubled() -> None:
    compaction = Compaction(10)
    begun = [compaction.is_due(9), compaction.is_due(10)]
    compaction.reset(30)

    assert begun == [False, True]
    assert [compaction.is_due(59), compaction.is_due(60)] == [False, True]


def test_without_slack_compaction_is_always_due_and_worth_it() -> None:
    compaction, arena = Compaction(0), Arena(n=np.int64)
    arena.append(n=np.arange(100))
    compaction.compact(arena, arena["n"] == 5)

    assert compaction.is_due(0)
    assert len(arena) == 99


def test_an_arena_is_not_rewritten_for_a_few_rows() -> None:
    compaction, arena = Compaction(10), Arena(n=np.int64)
    arena.append(n=np.arange(100))
    compaction.compact(arena, arena["n"] < 24)
    few = len(arena)
    compaction.compact(arena, arena["n"] < 25)

    assert few == 100
    assert len(arena) == 75
    assert [compaction.is_due(149), compaction.is_due(150)] == [False, True]
