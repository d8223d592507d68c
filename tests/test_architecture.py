"""Imports point one way: schemas <- streams.core <- streams -> sinks -> schemas; deploy beside.

Every arrow between modules counts, those inside functions and for types only, too.
`python -m tests.test_architecture` prints the floors of `streams/`.
"""

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parent.parent
ROOMS: Final = ("schemas", "streams", "sinks", "deploy")
PURE = {
    *("bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "hmac", "heapq"),
    *("itertools", "json", "math", "operator", "re", "struct", "textwrap"),
    *("types", "typing"),
    *("msgspec", "numpy"),
}
MAY = {
    "schemas": PURE | {"schemas", "unicodedata", "xxhash", "cryptography"},
    "streams/core": PURE | {"schemas", "streams.core"},
}
TOOLS = {  # write generated files when they are run
    "schemas/wire.py": {"pathlib", "sys"},
    "schemas/tables.py": {"pathlib", "sys"},
    "streams/core/kernels.py": {"os", "importlib"},  # chooses the code path, once
}
MAY_NOT = {
    "sinks": {"streams", "faust", "deploy", "prometheus_client"},
    "deploy": {"streams", "sinks", "faust"},
    "streams/core/user": {"streams.core.kol"},
    "streams/core/kol": {"streams.core.user"},
    "streams/transport": {"sinks", "deploy", "streams.core", "streams.worker"},
    "streams/snapshots": {"sinks", "deploy", "streams.core", "faust", "streams.worker"},
    "streams/clients": {"deploy", "streams.worker", "streams.operations"},
    "streams/runtime": {"sinks", "deploy", "faust", "streams.core", "streams.worker"},
    "streams/trainer": {
        *("faust", "deploy", "streams.transport", "streams.worker", "streams.operations"),
    },
    "streams/operations": {"streams.worker"},
    "streams/worker": {"deploy", "streams.operations"},
}
DEPLOY_IS_FOR = (  # what is embedded, shown or imported is for commands alone
    *("streams/cli/", "streams/bench/"),
    *(f"streams/operations/{name}.py" for name in ("demo_traffic", "import_dataset", "stack")),
    *("streams/operations/status.py", "streams/operations/replay/workers.py"),
)
AIOKAFKA_INSIDE = (  # where names are used that aiokafka does not promise to keep
    *("streams/transport/records.py", "streams/transport/fetch_thread.py"),
    "streams/transport/raw_records.py",
    "streams/transport/membership.py",
    "streams/transport/decompression.py",  # puts unpackers of ours in their place
    *("streams/snapshots/transactions.py", "sinks/batches.py"),
    "streams/bench/ceilings.py",  # reads record sets with nothing around
)
AT_THE_ROOT = {"README.md", "__init__.py", "entry.py", "errors.py", "settings.py"}
FLOORS = 8
LINES_OF_A_CLASS = 250

Graph = Mapping[str, set[str]]


def files(*rooms: str) -> list[tuple[str, str]]:
    found = [(room, path) for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [(room, path.relative_to(ROOT).as_posix()) for room, path in found]


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imported(path: str) -> set[str]:
    """Modules that a file names, and what it takes from packages."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@cache
def modules() -> dict[str, str]:
    """Module -> file."""
    return {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for _, path in files(*ROOMS)
    }


@cache
def arrows() -> Graph:
    """Module -> modules it imports; a package only where something of its own is taken."""
    graph = {}
    for module, path in modules().items():
        found = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= inside & modules().keys()
                found |= {node.module} if inside - modules().keys() else set()
        graph[module] = (found & modules().keys()) - {module}
    return graph


def rooms_of_streams() -> Graph:
    """The same for what lies at the root of `streams/`: its folders and files, each one room."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    graph: dict[str, set[str]] = {}
    for module, taken in arrows().items():
        if module.startswith("streams."):
            inside = {room(one) for one in taken if one.startswith("streams.")}
            graph.setdefault(room(module), set()).update(inside - {room(module)})
    return graph


def floors(graph: Graph) -> dict[str, int]:
    """How many stand in the longest chain from each to the ground; raises on a circle."""
    height: dict[str, int] = {}
    for one in TopologicalSorter(graph).static_order():
        height[one] = 1 + max((height[below] for below in graph.get(one, ())), default=0)
    return height


@pytest.mark.parametrize(("room", "path"), files(*MAY))
def test_a_pure_room_imports_only_what_it_may(room: str, path: str) -> None:
    may = MAY[room] | TOOLS.get(path, set())

    assert not {name for name in imported(path) if not within(name, may)}


@pytest.mark.parametrize(("room", "path"), files(*MAY_NOT))
def test_a_room_does_not_look_where_it_must_not(room: str, path: str) -> None:
    assert not {name for name in imported(path) if within(name, MAY_NOT[room])}


@pytest.mark.parametrize("path", [path for _, path in files("streams/core")])
def test_what_both_sides_stand_on_knows_neither(path: str) -> None:
    if path.startswith(("streams/core/user/", "streams/core/kol/")):
        return

    assert not within_any(imported(path), {"streams.core.user", "streams.core.kol"})


@pytest.mark.parametrize(("room", "path"), files(*MAY))
def test_the_rules_roll_no_dice_and_read_no_clock(room: str, path: str) -> None:
    text = (ROOT / path).read_text()

    assert "np.random" not in text, room
    assert "datetime64(" not in text or "now" not in text, room


def test_only_the_commands_know_the_embedded_machine() -> None:
    users = {
        path
        for _, path in files("streams")
        if any(within(name, {"deploy"}) for name in imported(path))
    }

    assert not {path for path in users if not path.startswith(DEPLOY_IS_FOR)}


def test_nobody_imports_a_command_but_commands() -> None:
    users = {path for _, path in files(*ROOMS) if within_any(imported(path), {"streams.cli"})}

    assert {path for path in users if not path.startswith("streams/cli/")} == {"streams/entry.py"}


def within_any(names: set[str], rooms: set[str]) -> bool:
    return any(within(name, rooms) for name in names)


@pytest.mark.parametrize("path", [path for _, path in files("streams", "sinks")])
def test_private_names_of_aiokafka_stay_where_they_are_tested(path: str) -> None:
    """An attribute with `_` of something that is not `self`, in a file that knows aiokafka."""
    if path in AIOKAFKA_INSIDE or not within_any(imported(path), {"aiokafka"}):
        return
    private = {
        ast.unparse(node)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in {"self", "cls", "super()"}
    }
    inner = {name for name in imported(path) if name.startswith("aiokafka.record.")}

    assert not private | inner


def test_the_root_of_streams_is_folders_and_what_all_of_them_need() -> None:
    there = {path.name for path in (ROOT / "streams").iterdir() if path.is_file()}

    assert {name for name in there if not name.startswith("_hot.")} == AT_THE_ROOT  # compiled


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        floors(arrows())
    except CycleError as circle:
        pytest.fail(f"a circle: {' -> '.join(circle.args[1])}")


def test_streams_is_a_low_house() -> None:
    height = floors(rooms_of_streams())

    assert max(height.values()) <= FLOORS, height


def test_no_class_is_longer_than_can_be_kept_in_mind() -> None:
    longer = {
        f"{path}: {node.name}": lines
        for _, path in files(*ROOMS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LINES_OF_A_CLASS
    }
    assert not longer


def test_the_top_level_is_the_seven_rooms_and_the_tools_at_the_door() -> None:
    rooms = {"schemas", "streams", "sinks", "deploy", "tests"}
    at_the_door = {path.name for path in ROOT.iterdir() if path.is_dir()}

    assert rooms <= at_the_door
    assert not {
        name
        for name in at_the_door - rooms
        if not name.startswith(".") and not name.endswith(".egg-info") and name != "build"
    }


if __name__ == "__main__":
    height = floors(rooms_of_streams())
    for floor in range(max(height.values()), 0, -1):
        print(floor, *sorted(name for name, at in height.items() if at == floor))  # noqa: T201
