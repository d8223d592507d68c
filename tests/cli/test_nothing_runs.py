"""With nothing running and no address set, no command connects to whatever listens here."""

import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer.testing

from deploy.embedded.state_folder import StateFolder
from streams.cli import app
from tests.docs import commands

START, LOOK = (
    {"up", "demo", "bench"},
    {"down", "config", "status", "grants"},
)  # these need nothing that runs
ARGUMENTS = {"import": ["completejourney"], "dlq show": ["purchases/0/1"], "dlq retry": []}
CONNECT = sorted(commands().keys() - START - LOOK)


@pytest.fixture(autouse=True)
def _nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made; the environment names no server."""

    def refuse(_: socket.socket, address: object) -> NoReturn:
        pytest.fail(f"connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in [name for name in os.environ if name.startswith("KOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KOL_HOME", "")  # commands set it; it is put back


@pytest.fixture(params=["never run", "killed"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A home in which nothing runs; a killed supervisor may have left its status."""
    if request.param == "killed":
        folder = StateFolder(tmp_path)
        folder.acquire()
        settings: dict[str, Any] = {"kafka": {"bootstrap": "127.0.0.1:9092"}}
        settings["clickhouse"] = {"host": "127.0.0.1"}
        status = {"supervisor": os.getpid(), "state": "ready", "settings": settings}
        folder.write_status(status | {"workers": ["http://127.0.0.1:6066"]})
        folder.release()
    return tmp_path


def kol(words: str, home: Path) -> tuple[int, str]:
    needed = [one for one in commands()[words].params if one.param_type_name == "argument"]
    arguments = ARGUMENTS.get(words, ["x"] * len(needed))
    line = [*words.split(), *arguments, "--home", str(home)]
    result = typer.testing.CliRunner().invoke(app, line, env={"COLUMNS": "400"})
    return result.exit_code, result.output


@pytest.mark.parametrize("words", CONNECT)
def test_a_command_that_would_connect_says_that_nothing_runs(words: str, home: Path) -> None:
    code, text = kol(words, home)

    assert code == 1
    assert "nothing runs here" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("words", sorted(LOOK))
def test_one_that_only_looks_does_not_connect(words: str, home: Path) -> None:
    code, text = kol(words, home)

    assert code == (words == "status")
    assert "Traceback" not in text
