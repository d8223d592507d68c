"""Plain shares, counted from the events of a world, and the geometric mean of some of them."""

import numpy as np
import pytest

from schemas.cells import DIMENSIONS
from tests.truth.raw import Counted, combined
from tests.worlds.trust import SHORT, Trust

CARD = SHORT.varied(days=10, silent_days=3, new_days=7, attacks=())
E, A, I, B, O = range(len(DIMENSIONS))  # noqa: E741  # as the dimensions are called


def counted() -> Counted:
    world = Counted(CARD)
    for day in range(CARD.days):
        world.day(day)
    return world


def test_events_are_those_of_the_world_without_counting() -> None:
    world, plain = Counted(CARD), Trust(CARD)

    assert world.digest() == plain.digest()


def test_counts_are_those_of_the_messages() -> None:
    world = counted()
    texts: list[bytes] = []
    for day in range(CARD.days):
        texts += Trust(CARD).day(day).messages(Trust.forms).tolist()

    def many(*kinds: str) -> int:
        return sum(f'"event":"{kind}"'.encode() in text for text in texts for kind in kinds)

    said = world.said.sum(axis=(0, 1))
    assert said[E].tolist() == [many("save", "mark_correct"), many("expert_correction")]
    assert said[B].tolist() == [
        many("mark_helpful", "qa_attend", "kol_reply"),
        many("unfollow", "leave_private"),
    ]


def test_orders_speak_for_a_kol_until_they_come_back() -> None:
    world = counted()
    days = [Trust(CARD).day(day) for day in range(CARD.days)]
    texts = [text for one in days for text in one.messages(Trust.forms).tolist()]
    paid = sum(b'"kind":"paid"' in text for text in texts)
    kept, back = world.said.sum(axis=(0, 1))[O].tolist()

    assert kept + back == paid
    assert 0 < back <= sum(b'"kind":"refund"' in text for text in texts)  # some come back later


def test_copies_and_violations_speak_against() -> None:
    said = counted().said.sum(axis=(0, 1))

    assert said[A].min() > 0
    assert said[I].min() > 0


def test_only_dimensions_that_are_used_are_combined() -> None:
    parts = np.array([0.5, np.nan, 0.8, 0.9, 0.1])
    used = np.array([True, False, True, False, False])

    # E and I weigh .25 each, so each is half of the mean of logarithms
    assert combined(parts, used) == pytest.approx(np.sqrt(0.5 * 0.8))
    assert np.isnan(combined(parts, np.zeros(5, np.bool_)))
