"""Imports point one way: schemas <- streams.core <- streams -> sinks -> schemas; deploy beside."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = {
    *("bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "hmac", "heapq"),
    *("itertools", "json", "math", "operator", "re", "struct", "types", "typing"),
    *("msgspec", "numpy"),
}
MAY = {
    "schemas": PURE | {"schemas", "xxhash"},
    "streams/core": PURE | {"schemas", "streams.core"},
}
TOOLS = {  # write generated files when they are run
    "schemas/wire.py": {"pathlib", "sys"},
    "schemas/tables.py": {"pathlib", "sys"},
}
MAY_NOT = {
    "sinks": {"streams", "faust", "deploy", "prometheus_client"},
    "deploy": {"streams", "sinks", "faust"},
    "streams/transport": {"sinks", "deploy", "streams.core"},
    "streams/memories": {"sinks", "deploy", "streams.core", "faust"},
}
EMBEDDED_ONLY = "deploy"  # what is embedded, shown or imported is for the commands alone


def files(*rooms: str) -> list[tuple[str, str]]:
    found = [(room, path) for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [(room, path.relative_to(ROOT).as_posix()) for room, path in found]


def imported(path: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize(("room", "path"), files(*MAY))
def test_a_pure_room_imports_only_what_it_may(room: str, path: str) -> None:
    may = MAY[room] | TOOLS.get(path, set())

    assert not {name for name in imported(path) if not within(name, may)}


@pytest.mark.parametrize(("room", "path"), files(*MAY_NOT))
def test_a_room_does_not_look_where_it_must_not(room: str, path: str) -> None:
    assert not {name for name in imported(path) if within(name, MAY_NOT[room])}


@pytest.mark.parametrize(("room", "path"), files(*MAY))
def test_the_rules_roll_no_dice_and_read_no_clock(room: str, path: str) -> None:
    text = (ROOT / path).read_text()

    assert "np.random" not in text, room
    assert "datetime64(" not in text or "now" not in text, room


def test_only_the_commands_know_the_embedded_machine() -> None:
    may = {"streams/cli", "streams/bench", "streams/importing.py", "streams/showing.py"}
    users = {
        path
        for _, path in files("streams")
        if any(within(name, {EMBEDDED_ONLY}) for name in imported(path))
    }

    assert not {path for path in users if not any(path.startswith(place) for place in may)}


def test_the_top_level_is_the_seven_rooms_and_the_tools_at_the_door() -> None:
    rooms = {"schemas", "streams", "sinks", "deploy", "tests"}
    at_the_door = {path.name for path in ROOT.iterdir() if path.is_dir()}

    assert rooms <= at_the_door
    assert not {
        name
        for name in at_the_door - rooms
        if not name.startswith(".") and not name.endswith(".egg-info") and name != "build"
    }
