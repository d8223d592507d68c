"""An option's name means one thing in all commands, and one thing has one name."""

from collections import defaultdict
from typing import Any

import pytest
from typer.core import TyperCommand, TyperOption

from tests.docs import commands

WAITS = {"drain", "import", "forget", "replay run", "replay swap"}  # until something has happened
RUNS = {"demo", "top"}  # for a time
COUNTED = {"--limit": "At most this many "}  # the noun differs
DAYS = {"--from"}  # the first day computed anew: of UTC in a replay, of the shop in roll-ups


def options() -> list[tuple[str, str, TyperOption]]:
    """Every option a person sees: its command, its long name, and what it is."""
    return [
        (words, name, param)
        for words, command in commands().items()
        for param in command.params
        if isinstance(param, TyperOption) and not param.hidden
        for name in param.opts
        if name.startswith("--")
    ]


def with_option(name: str) -> set[str]:
    return {words for words, own, _ in options() if own == name}


def parsed(command: TyperCommand, words: list[str]) -> dict[str, Any]:
    needed = ["x" for param in command.params if param.param_type_name == "argument"]
    with command.make_context("kol", [*needed, *words]) as context:
        return context.params


def test_a_name_means_the_same_in_every_command() -> None:
    meanings = defaultdict(set)
    for _, name, param in options():
        noun = COUNTED.get(name, "")
        text = (param.help or "").split(noun)[0] if noun else param.help
        meanings[name].add((param.is_flag, param.metavar, text))

    assert {name for name, found in meanings.items() if len(found) > 1} == DAYS


def test_a_meaning_has_one_name() -> None:
    names = defaultdict(set)
    for _, name, param in options():
        names[param.help].add(name)

    assert {text: found for text, found in names.items() if len(found) > 1} == {}


def test_what_waits_is_bounded_by_timeout_and_what_runs_by_duration() -> None:
    assert with_option("--timeout") == WAITS
    assert with_option("--duration") == RUNS
    assert with_option("--seconds") == set()


@pytest.mark.parametrize("words", sorted(WAITS | RUNS))
def test_the_old_name_of_a_time_is_still_read(words: str) -> None:
    command = commands()[words]
    name = "timeout" if words in WAITS else "duration"

    assert parsed(command, ["--seconds", "7"])[name] == 7  # as given
    assert parsed(command, ["--seconds", "7"]) == parsed(command, [f"--{name}", "7"])


def test_the_old_name_of_a_limit_is_still_read() -> None:
    assert parsed(commands()["top"], ["--most", "7"]) == parsed(commands()["top"], ["-n", "7"])
