"""A world goes through the core with its nights: numbers hold from then on, attacks are apart."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from schemas.entries import Entries, texts
from schemas.numbered import CONTENT
from schemas.rows import Rows
from tests.truth.passage import NIGHT_MS, Course, TimedSides, by_day, passed, without_attacks
from tests.truth.raw import Counted
from tests.truth.trainer import NoTrainer, States
from tests.worlds.core import standing
from tests.worlds.trust import SHORT, Trust
from tests.worlds.world import BEGIN_MS, DAY, Record

CARD = SHORT.varied(days=12, silent_days=3, new_days=9)
HOLDS_AFTER_MS = 10_000  # §4a of the facts


class Teller(NoTrainer):
    """Says one more content each night, and notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.rows = 0

    def take(self, rows: Iterable[Rows]) -> None:
        self.rows += sum(map(len, rows))

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        self.told.append((now_ms, len(told)))
        flags = np.ones(len(self.told), np.int8)
        ids = texts([f"c{number}" for number in range(len(self.told))])
        return {CONTENT: Entries(ids, dict.fromkeys(("disclosed", "sponsored"), flags))}

    def again(self) -> Self:
        return type(self)()


def test_a_world_without_its_attacks_is_the_one_of_a_card_without() -> None:
    world, peaceful = Trust(CARD), Trust(CARD.varied(attacks=()))
    forms, keys, theirs = world.all_forms, world.keys(), peaceful.keys()

    for events, other in zip(world.days(), peaceful.days(), strict=True):
        mine = without_attacks(events, world)
        assert mine.messages(forms).tolist() == other.messages(forms).tolist()
        assert [keys[user] for user in mine["user"].tolist()] == [
            theirs[user] for user in other["user"].tolist()
        ]


def test_a_number_of_a_night_holds_from_the_same_moment_of_the_world() -> None:
    core, teller = TimedSides(), Teller()
    course = Course(Trust(CARD), core, teller)
    course.night(-1, [])
    course.night(0, [])
    since = BEGIN_MS + DAY + NIGHT_MS + HOLDS_AFTER_MS

    at = core.known.log.numbers_at(CONTENT, np.array([since - 1, since]))

    assert at.tolist() == [1, 2]


def test_everything_that_references_say_is_told_once() -> None:
    tellers: list[Teller] = []

    def teller(_: TimedSides) -> Teller:
        tellers.append(Teller())
        return tellers[-1]

    world = Counted(CARD)
    passed(world, teller, every=4)

    nights = [(now - BEGIN_MS) // DAY for now, _ in tellers[0].told]
    assert nights == [0, 1, 5, 9, 13]
    assert sum(told for _, told in tellers[0].told) == len(list(world.references()))
    assert tellers[0].rows


def test_before_the_first_attack_both_cores_say_the_same() -> None:
    found = passed(Counted(CARD), lambda _: NoTrainer())
    before = slice(found.first_attack - 1)  # the last midnight is a minute of the day itself

    for name, of in found.seen.columns.items():
        np.testing.assert_array_equal(of[before], found.unharmed[name][before])
    boosted = found.world.targets[1]
    assert found.seen["n_eff"][-1, boosted] > found.unharmed["n_eff"][-1, boosted]


def test_a_core_that_goes_on_from_another_says_what_that_one_says() -> None:
    world = Trust(CARD.varied(attacks=()))
    one = Course(world, TimedSides(), NoTrainer())
    days = list(world.days())
    for events in days[:6]:
        one.day(events)
    other = one.again()
    for events in days[6:]:
        one.day(events)
        other.day(events)
    one.end()
    other.end()

    for name, of in one.seen.columns.items():
        np.testing.assert_array_equal(of, other.seen[name])


def test_midnights_are_the_rows_that_stand_in_the_end() -> None:
    world = Counted(CARD)
    found = passed(world, lambda _: NoTrainer())
    rows: list[Rows] = []

    class Keeper(NoTrainer):
        def take(self, some: Iterable[Rows]) -> None:
            rows.extend(some)

    passed(world, lambda _: Keeper())
    scores = standing(rows, "kol_score", ("kol_id", "minute"))
    minute = np.asarray(scores["minute"])
    day, rest = np.divmod(minute - BEGIN_MS // 1000, DAY // 1000)
    which = (rest == 0) & (day > 0) & (day < found.first_attack)
    kols = [int(name[1:]) for name in np.asarray(scores["kol_id"])[which] if name[0] == "k"]

    assert len(kols) == (found.first_attack - 1) * np.count_nonzero(~world.is_new)
    np.testing.assert_array_equal(
        found.seen["trust"][day[which] - 1, kols], np.asarray(scores["trust"])[which]
    )


def test_all_references_have_a_day() -> None:
    told = by_day(Trust(CARD).references())

    assert min(told) == -1
    assert max(told) < CARD.days
    assert len(told[-1]) == CARD.kols  # profiles
