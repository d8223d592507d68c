"""What comes from outside reaches the terminal as text: no markup, no control codes."""

import ast
import io
import json
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from schemas.escapes import escaped
from streams.cli import screen
from tests.cli.hostile import CONTROL, HOSTILE

CLI = Path(screen.__file__).parent
DATA_OF_RICH = {"rich.table", "rich.text"}  # what is shown; how is `screen`'s alone
OTHER_WAYS = {"echo", "secho", "confirm", "prompt", "from_markup", "from_ansi", "stdout", "stderr"}


def test_every_hostile_text_has_something_to_escape_or_to_read_as_markup() -> None:
    assert all(CONTROL.search(text) or "[" in text or ":" in text for text in HOSTILE)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_is_shown_as_it_is_wherever_it_stands(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(text, title=text)
    table.add_row(text)

    screen.out.print(text, screen.styled(text, "bold"), soft_wrap=True)
    screen.out.print(screen.panel(screen.stacked(table, Text(text)), text), width=400)
    screen.print_failure(text)
    shown = "".join(capsys.readouterr())

    assert not CONTROL.search(shown)
    assert shown.count(escaped(text)) >= 6  # of its places


def test_lines_of_a_failure_cannot_pose_as_another_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen.print_failure("no order a\nkol: all is well")

    assert capsys.readouterr().err == "kol: no order a\n  kol: all is well\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_json_is_utf_8_without_control_codes_and_keeps_the_value(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    screen.print_json({text: [text]})
    shown = capsys.readouterr().out

    assert shown.encode()
    assert not CONTROL.search(shown)
    assert json.loads(shown) == {text: [text]}


def test_json_to_a_closed_stdout_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)

    screen.print_json({})


def test_json_is_ascii_where_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, "ascii"))

    screen.print_json("小李")

    assert raw.getvalue() == b'"\\u5c0f\\u674e"\n'


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.name)
def test_nobody_prints_past_the_screen(path: Path) -> None:
    if path.name == "screen.py":
        return
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rich"):
            found |= {node.module} - DATA_OF_RICH
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("rich")}
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & OTHER_WAYS
        elif isinstance(node, ast.Name):
            found |= {node.id} & {"print", "input"}

    assert not found
