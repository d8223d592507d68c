"""The page of cards is current, and every figure on it says where it is from."""

import re
from dataclasses import fields
from typing import Any

import pytest

from tests.worlds.page import MARK, PAGE, WORLDS, meanings, page, truths
from tests.worlds.world import Card, Delivery, World

CARDS = [Delivery, *(type(next(iter(cards.values()))) for cards in WORLDS.values())]


def test_the_page_is_current() -> None:
    text = PAGE.read_text("utf-8")

    assert page(text) == text, "run `make docs`"
    assert text.count(MARK) == 1


@pytest.mark.parametrize("card", CARDS, ids=lambda card: str(card.__name__))
def test_every_figure_says_what_it_is_and_where_it_is_from(card: type[Any]) -> None:
    said = meanings(card)

    assert said.keys() == {field.name for field in fields(card)}
    for name, meaning in said.items():
        assert re.search(r"\[.*\w.*\]", meaning) or name == "delivery", name
        assert not meaning.startswith("["), name


@pytest.mark.parametrize("card", CARDS, ids=lambda card: str(card.__name__))
def test_no_docstring_speaks_of_a_figure_that_is_gone(card: type[Any]) -> None:
    _, _, listed = (card.__doc__ or "").partition("Attributes:\n")
    named = {
        name
        for names in re.findall(r"(?m)^ {8}(\w[\w, ]*): ", listed)
        for name in names.split(", ")
    }

    assert named
    assert named <= {field.name for field in fields(card)}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: str(world.name))
def test_every_truth_says_what_it_is(world: type[World]) -> None:
    told = dict(truths(world))

    assert told
    assert all(meaning.endswith(".") for meaning in told.values()), told


def test_the_five_worlds_have_names_of_their_own_and_two_forms() -> None:
    assert len({world.name for world in WORLDS}) == 5
    for cards in WORLDS.values():
        assert list(cards) == ["long", "short"]
        for card in cards.values():
            assert isinstance(card, Card)
            assert card.messages
            assert re.fullmatch("[0-9a-f]{64}", card.sha256)
