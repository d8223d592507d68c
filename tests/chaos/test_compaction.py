"""What is compacted, and what a replay after it need not say."""

from collections import Counter

from schemas.events import INPUTS
from schemas.reference_types import REFERENCES
from schemas.rows import VIEWS
from schemas.topics import (
    CRISES,
    DEAD_LETTERS,
    ERASURES,
    KOL_STATE,
    REVIEWS,
    SNAPSHOTS,
    TRAINER,
    USER_STATE,
)
from streams.core.kol.memory import SERIES as KOL_SERIES
from streams.core.user.door_counts import SERIES as USER_SERIES
from tests.chaos.compaction import (
    COMPACTED,
    OF_RECORDS,
    OF_WORK,
    compare_views,
    is_left_out,
    without_rows,
)


def test_every_column_of_every_view_is_compared() -> None:
    before = {"v_kol": Counter({'["k1", "name"]': 1}), "v_door": Counter({'["a", 1]': 2})}
    other = {**before, "v_kol": Counter({'["k1", "other"]': 1})}
    fewer = {**before, "v_door": Counter({'["a", 1]': 1})}

    assert compare_views(before, before) == []
    (wrong,) = compare_views(other, before)
    assert wrong.startswith("v_kol: 1 too many, 1 missing")
    (wrong,) = compare_views(fewer, before)
    assert wrong.startswith("v_door: 0 too many, 1 missing")


def test_a_view_without_rows_is_told_where_it_must_have_some() -> None:
    rows = Counter({"a row": 1})
    views = dict.fromkeys(VIEWS, rows)

    assert without_rows(views) == []
    assert without_rows({**views, "v_kol": Counter()}) == ["v_kol has no row"]


def test_what_a_replay_after_compaction_need_not_say_is_little() -> None:
    lost = {("perception", 0, 7)}
    letter = {"topic": "perception", "partition": 0, "offset": 7}
    doors = [(topic, door) for topic, door, _ in (*USER_SERIES, *KOL_SERIES)]

    assert is_left_out("v_dead_letter", letter, lost)
    assert not is_left_out("v_dead_letter", letter | {"offset": 8}, lost)
    assert not is_left_out("v_dead_letter", letter | {"topic": "content"}, lost)
    assert not is_left_out("v_event", letter, lost)
    assert {
        (topic, door)
        for topic, door in doors
        if is_left_out("v_door", {"topic": topic, "door": door}, ())
    } == OF_WORK | OF_RECORDS
    assert not OF_WORK & {(topic, door) for topic, door in doors if topic in INPUTS}


def test_every_topic_is_compacted_that_is_to_keep_the_newest_of_each_key() -> None:
    assert set(COMPACTED) == {
        *(*REFERENCES, USER_STATE, KOL_STATE, SNAPSHOTS, ERASURES, TRAINER),
        *(DEAD_LETTERS, CRISES, REVIEWS),
    }
