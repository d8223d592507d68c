"""What holds in every world: its bytes, what the product makes of them, and that truth stays."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.events import CLICKSTREAM, INPUTS
from schemas.reference import read_reference
from schemas.reference_keys import key_of
from schemas.reference_types import REFERENCES, Reference
from schemas.rows import Rows
from tests.worlds import trust
from tests.worlds.causal import Causal
from tests.worlds.chance import is_within
from tests.worlds.core import PARTITIONS, Passage, portions, standing
from tests.worlds.messages import Events
from tests.worlds.minutes import Crises, MinuteCard, Null
from tests.worlds.page import WORLDS
from tests.worlds.spiral import Spiral
from tests.worlds.trust import Trust
from tests.worlds.world import BEGIN_MS, DAY, HORIZON_MS, Card, Delivery, World, delivered

CLEAN = Delivery(copied=0.0, stray=0.0)

every = pytest.mark.parametrize("world", WORLDS, ids=lambda world: str(world.name))

SMALL: Mapping[type[World], Card] = {  # a part of each, where the whole is not needed
    Causal: WORLDS[Causal]["short"].varied(users=2_000),
    Trust: WORLDS[Trust]["short"].varied(kols=80, days=40, silent_days=10),
    Crises: WORLDS[Crises]["short"].varied(days=5),
    Spiral: WORLDS[Spiral]["short"].varied(kols=6, days=30),
    Null: WORLDS[Null]["short"].varied(days=1),
}


@cache
def short(world: type[World]) -> World:
    return world(WORLDS[world]["short"])


@cache
def passed(world: type[World]) -> tuple[Passage, list[Rows]]:
    """A short world through the core, and all rows."""
    passage = Passage(short(world))
    return passage, list(chain.from_iterable(passage.rows()))


def truth(world: World) -> dict[str, Any]:
    """All that is true of a world without an argument."""
    named = [name for of in type(world).__mro__ for name in vars(of) if not name.startswith("_")]
    found = {name: getattr(world, name) for name in named}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, np.ndarray) or name in {"exposures", "reached", "vertical"}
    }


def differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    def same(a: object, b: object) -> bool:
        if isinstance(a, tuple) and isinstance(b, tuple):
            return all(map(same, a, b))
        return bool(np.array_equal(np.asarray(a), np.asarray(b)))

    return {name for name in one if not same(one[name], other[name])}


@every
def test_a_card_is_its_bytes(world: type[World]) -> None:
    card = WORLDS[world]["short"]

    assert short(world).digest() == (card.messages, card.sha256)


@every
def test_the_messages_for_kafka_are_those_that_go_through_the_core(world: type[World]) -> None:
    small = world(SMALL[world])
    forms, keys = small.all_forms, small.keys()
    there = iter(small.messages())
    for events in small.days():
        values = events.messages(forms).tolist()
        for form, user, value in zip(events["form"], events["user"], values, strict=True):
            assert next(there) == (forms[form].topic, keys[user], value)

    assert next(there, None) is None


@every
def test_the_product_takes_every_message_but_the_planted_ones(world: type[World]) -> None:
    passage, _ = passed(world)
    planted = Counter[str]()
    seen = set[tuple[int, int]]()
    for events in short(world).days():
        broken = events["form"] >= len(world.forms)
        late = ~broken & (events["arrives"] - events["at"] > HORIZON_MS)
        planted["broken"] += int(broken.sum())
        planted["too_late"] += int(late.sum())
        numbers = events["number"][~broken & ~late].tolist()
        planted["duplicate"] += len(numbers) - len(set(numbers) - seen)
        seen |= set(numbers)

    assert passage.messages == planted.total() + len(seen)
    read = [memory.offsets[topic] for memory in passage.core.users for topic in INPUTS]
    assert sum(read) == passage.messages
    assert passage.doors() == +Counter(
        written=len(seen),
        duplicate=planted["duplicate"],
        too_late=planted["too_late"],
        invalid=planted["broken"],
    )


@every
def test_copies_and_delays_are_as_the_card_says(world: type[World]) -> None:
    card, new, forms = short(world).card, short(world).day(1), len(world.forms)
    how, came, n = card.delivery, delivered(new, card, world.forms), len(new)
    is_click = [form.topic == CLICKSTREAM for form in world.forms]
    clicks = np.array(is_click)[new["form"]].mean()
    delay = came["arrives"][:n] - came["at"][:n]
    counts = {
        "copied": (np.sum(came["form"][n:] < forms), how.copied),
        "broken": (np.sum(came["form"][n:] >= forms), how.broken),
        "late": (np.sum(delay >= 3 * 3_600_000), how.late * clicks),
        # 2 s of 90 min are too short to be told from those that are on time
        "stray": (np.sum((delay > 2_000) & (delay <= how.stray_ms)), how.stray * (1 - 2 / 5_400)),
        "on time": (
            np.sum(delay <= 50),
            # those that are slow: one in forty is no later than 50 ms of 2 s
            (1 - how.stray - how.late * clicks) * (how.on_time + (1 - how.on_time) / 40),
        ),
    }

    for name, (count, share) in counts.items():
        assert is_within(count, n * share, n * share * (1 - share)), name
    stray = delay[(delay > 2_000) & (delay <= how.stray_ms)]  # evenly between
    assert is_within(
        stray.mean(), (2_000 + how.stray_ms) / 2, (how.stray_ms - 2_000) ** 2 / 12 / len(stray)
    )


@every
def test_truth_does_not_depend_on_when_it_is_asked_for(world: type[World]) -> None:
    before, after = world(SMALL[world]), world(SMALL[world])
    for day in (3, 0, 2):
        if day < after.card.days:
            after.day(day)

    asked = truth(before)
    reversed_ = dict(reversed(truth(after).items()))
    assert asked
    assert not differs(asked, reversed_)


@every
def test_a_day_does_not_depend_on_which_were_drawn_before(world: type[World]) -> None:
    last = SMALL[world].days - 1
    one, other = world(SMALL[world]), world(SMALL[world])
    first = [other.day(day) for day in range(last + 1)][last]
    alone = one.day(last)

    assert alone.messages(world.forms).tolist() == first.messages(world.forms).tolist()


@every
def test_another_seed_is_another_world(world: type[World]) -> None:
    other = world(SMALL[world].varied(seed=2))

    assert other.digest() != world(SMALL[world]).digest()


@every
def test_a_world_is_in_order_of_arrival_and_no_event_comes_before_it_happens(
    world: type[World],
) -> None:
    newest = 0
    for events in short(world).days():
        assert (np.diff(events["arrives"], prepend=newest) >= 0).all()
        assert (events["arrives"] >= events["at"]).all()
        newest = max(newest, int(events["arrives"].max(initial=newest)))


@every
def test_every_event_has_a_number_of_its_own(world: type[World]) -> None:
    small = world(SMALL[world])
    numbers = np.concatenate([small.day(day)["number"] for day in range(small.card.days)])

    assert len(np.unique(numbers)) == len(numbers)


@every
def test_reference_records_are_taken_in_order_of_their_moments(world: type[World]) -> None:
    newest = 0
    for topic, record in world(SMALL[world]).references():
        one: Reference = msgspec.convert(dict(record), REFERENCES[topic])
        key = key_of(topic, one)
        value = json.dumps(record).encode()
        at = int(record["ts"])

        assert at >= newest
        assert read_reference(topic, key, value, at + DAY) == one
        newest = at


@every
def test_every_day_of_a_world_has_all_of_its_sorts_of_messages(world: type[World]) -> None:
    topics = {form.topic for form in world.forms}
    first = Counter(
        world.forms[form].topic
        for day in range(min(25, short(world).card.days))
        for form in np.unique(short(world).day(day)["form"]).tolist()
    )

    assert topics == set(INPUTS) == set(first)


@every
def test_cells_count_what_the_events_say(world: type[World]) -> None:
    """Of the product's own cells: all that was accepted of a KOL, and by kind."""
    _, rows = passed(world)
    cells = standing(rows, "minute_cell", ("kol_id", "minute", "source_partition"))
    counted = Counter[str]()
    accepted = set[int]()
    for events in short(world).days():
        is_in = (events["form"] < len(world.forms)) & (
            events["arrives"] - events["at"] <= HORIZON_MS
        )
        _, first = np.unique(events["number"], return_index=True)
        for row in first[is_in[first]].tolist():
            number = int(events["number"][row])
            if number not in accepted:
                accepted.add(number)
                counted[_kind(world, int(events["form"][row]))] += 1

    of_kols = ~np.char.startswith(np.asarray(cells["kol_id"], str), "~")
    for field, kind in FIELDS.items():
        total = int(np.asarray(cells[field])[of_kols].sum())
        assert total == sum(counted[one] for one in kind), field


FIELDS = {  # of a cell, and the kinds it counts
    "views": ("view",),
    "saves": ("save",),
    "comments": ("comment",),
    "shares": ("share",),
    "unfollows": ("unfollow",),
    "clicks": ("click",),
    "impressions": ("impression",),
}


def _kind(world: type[World], form: int) -> str:
    _, _, after = world.forms[form].text.partition('"event":"')
    return after.partition('"')[0]


def test_portions_are_the_events_in_their_order() -> None:
    def days() -> Iterator[Events]:
        for size in (0, 7, 1, 25, 0):
            yield Events.of(np.arange(size) + 100 * size, np.full(size, 1), 0, 1)

    given = [events["number"].tolist() for events in portions(days(), 10)]
    assert list(chain(*given)) == list(chain(*(events["number"].tolist() for events in days())))
    assert list(map(len, given)) == [10, 10, 10, 3]


def test_how_many_partitions_there_are_does_not_show_in_scores() -> None:
    card = trust.SHORT.varied(kols=80, days=40, silent_days=10, delivery=CLEAN)

    def scores(partitions: int) -> dict[str, Any]:
        rows = chain.from_iterable(Passage(Trust(card), partitions).rows())
        found = standing(rows, "kol_score", ("kol_id", "minute"))
        order = np.lexsort((np.asarray(found["minute"]), np.asarray(found["kol_id"], str)))
        last = (BEGIN_MS + (card.days - 1) * DAY) // 1_000  # a day before the end all have spoken
        order = order[np.asarray(found["minute"])[order] < last]
        return {
            name: np.asarray(found[name])[order]
            for name in ("kol_id", "minute", "trust", "resonance", "n_eff")
        }

    one, three = scores(1), scores(PARTITIONS + 1)
    assert len(one["minute"]) > 1_000
    for name, values in one.items():
        assert values.tolist() == three[name].tolist(), name


def test_what_stands_is_the_row_of_the_greatest_version() -> None:
    def part(table: str, names: Iterable[str], version: int) -> Rows:
        names = list(names)
        n = len(names)
        columns = {"a": names, "n": np.arange(n), "version": np.full(n, version)}
        return Rows(table, columns)  # type: ignore[arg-type]  # as any rows

    parts = [part("t", "xyz", 2), part("t", "zx", 3), part("other", "x", 9), part("t", "y", 1)]
    found = standing(parts, "t", ("a",))

    assert dict(zip(found["a"], np.asarray(found["n"]).tolist(), strict=True)) == {
        "x": 1,
        "y": 1,
        "z": 0,
    }
    assert standing(parts, "none", ("a",)) == {}


def test_a_card_that_does_not_add_up_is_refused() -> None:
    card = WORLDS[Null]["short"]
    assert isinstance(card, MinuteCard)

    with pytest.raises(ValueError, match="one rate"):
        Null(card.varied(kols=1))
    with pytest.raises(ValueError, match="one case"):
        Null(card.varied(cases=WORLDS[Crises]["short"].cases))
    with pytest.raises(ValueError, match="no such family"):
        Causal(WORLDS[Causal]["short"].varied(family="probit"))
