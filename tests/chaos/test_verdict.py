"""A verdict agrees with itself, and misses nothing: each kind of difference is told."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from tests.chaos.verdict import NEAR, Told, against_oracle, against_quiet, quiet
from tests.chaos.world import Sent, world
from tests.oracle import Record, oracle

NOW = 1_767_225_600_000
PARTITIONS = 4
KEY = b"the key of a verdict"


def _log(messages: list[Sent]) -> list[Record]:
    ends: dict[tuple[str, int], int] = {}
    log = []
    for one in messages:
        place = one.topic, one.partition
        ends[place] = ends.get(place, -1) + 1
        log.append(Record(*place, ends[place], NOW, one.value))
    return log


@pytest.fixture(scope="module")
def log() -> list[Record]:
    """A small world as it lies on the broker."""
    return _log(world(3, NOW, PARTITIONS, users=8, days=10, bulk_messages=800))


@pytest.fixture(scope="module")
def peace(log: list[Record]) -> Told:
    """What an undisturbed run says of it."""
    return quiet(log, PARTITIONS, KEY)


def test_a_world_is_the_same_for_the_same_seed_and_has_both_its_parts() -> None:
    size = {"users": 4, "days": 5, "bulk_messages": 300}

    messages = world(5, NOW, PARTITIONS, **size)

    assert messages == world(5, NOW, PARTITIONS, **size)
    assert messages != world(6, NOW, PARTITIONS, **size)


def test_nothing_of_a_world_would_be_judged_otherwise_if_it_were_sent_later() -> None:
    messages = world(5, NOW, PARTITIONS, users=4, days=1, bulk_messages=2_000)

    later = _log(messages)
    soon = [replace(record, received_at=NOW + 3_600_000) for record in later]

    assert quiet(soon, PARTITIONS, KEY) == quiet(later, PARTITIONS, KEY)
    assert len(messages) > 300


def test_an_undisturbed_run_says_what_the_oracle_says(log: list[Record], peace: Told) -> None:
    assert against_oracle(peace, oracle(log, PARTITIONS), len(log), KEY) == []
    assert against_quiet(peace, peace) == []
    assert peace.scores
    assert peace.letters
    assert peace.credits
    assert peace.observations
    assert peace.events


def _first_cell(told: Told) -> None:
    key, values = next(iter(told.cells.items()))
    told.cells[key] = (values[0] + 1, *values[1:])


def _no_observation(told: Told) -> None:
    del told.observations[min(told.observations, key=lambda cell: cell[1])]


def _first_door(told: Told) -> None:
    told.doors[next(place for place in told.doors if place[2] == "written")] += 1


CHANGES: dict[str, Callable[[Told], None]] = {
    "credits": lambda told: told.credits.update([next(iter(told.credits))]),
    "orders": lambda told: told.orders.subtract([next(iter(told.orders))]),
    "products": lambda told: told.products.update([next(iter(told.products))]),
    "refunds": lambda told: told.refunds.subtract([next(iter(told.refunds))]),
    "cells": _first_cell,
    "observations": _no_observation,
    "doors": _first_door,
    "events": lambda told: told.events.update([next(iter(told.events))]),
    "dead letters": lambda told: told.letters.clear(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_told_by_both_comparisons(
    name: str, log: list[Record], peace: Told
) -> None:
    other = deepcopy(peace)
    CHANGES[name](other)

    assert any(
        name in line for line in against_oracle(other, oracle(log, PARTITIONS), len(log), KEY)
    )
    assert any(name in line for line in against_quiet(other, peace))


def test_refunds_of_a_kol_that_do_not_add_up_are_told(log: list[Record], peace: Told) -> None:
    other = replace(peace, unbalanced=[("linear", "k", "o", "hash", 1)])

    assert against_oracle(other, oracle(log, PARTITIONS), len(log), KEY) == [
        "refunds of KOLs: [('linear', 'k', 'o', 'hash', 1)]"
    ]


def test_another_record_time_of_an_event_is_told(log: list[Record], peace: Told) -> None:
    other = deepcopy(peace)
    identity, at = next(iter(other.appended))
    other.appended[identity, at] -= 1
    other.appended[identity, at + 1] += 1

    (wrong,) = against_oracle(other, oracle(log, PARTITIONS), len(log), KEY)

    assert wrong.startswith("record times: 1 too many, 1 missing")


def test_a_message_that_left_by_no_door_is_told(log: list[Record], peace: Told) -> None:
    wrong = against_oracle(peace, oracle(log, PARTITIONS), len(log) + 1, KEY)

    assert wrong == [f"{len(log) + 1} messages, but {len(log)} left by a door"]


def test_scores_may_differ_by_rounding_only(peace: Told) -> None:
    other = deepcopy(peace)
    key, values = next(iter(other.scores.items()))

    other.scores[key] = (values[0] + NEAR / 2, *values[1:])
    assert against_quiet(other, peace) == []

    other.scores[key] = (values[0] + 2 * NEAR, *values[1:])
    assert any("final scores differ" in line for line in against_quiet(other, peace))

    del other.scores[key]
    assert any("final scores" in line for line in against_quiet(other, peace))
