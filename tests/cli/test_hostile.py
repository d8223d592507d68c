"""Every command, with text of the outside in every place: no markup, no control code, no traceback.

What it shows is replaced by `stand_ins`, what it is given is the same hostile text.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from clickhouse_connect.driver.exceptions import DatabaseError
from typer.core import TyperCommand
from typer.testing import CliRunner, Result

from deploy.embedded.state_folder import EmbeddedError
from schemas.escapes import escaped
from streams.cli import app
from streams.cli.failures import LogSentences
from streams.errors import ExpectedError
from tests.cli.hostile import CONTROL, HOSTILE
from tests.cli.stand_ins import Replacements, raises, stand_ins
from tests.cli.test_options import with_option
from tests.docs import commands

GIVEN = {  # options and arguments under which a command gets to what it shows
    "demo": ["--headless"],
    "forget": ["--yes"],
    "import": ["completejourney"],
    "ingest": [__file__, "--allow-late"],
    "replay drop": ["--yes"],
    "replay run": ["--workers", "0"],
    "up": ["--detach"],
}
OWN_ARGUMENTS = {"import", "ingest"}
ERRORS = (
    ExpectedError,
    EmbeddedError,
    KafkaConnectionError,
    DatabaseError,
    ValueError,
    RuntimeError,
    lambda text: OSError(13, text, text),
    lambda text: ConnectionRefusedError(111, text),
    lambda text: ExceptionGroup(text, [KafkaConnectionError(text)]),
    lambda text: UnicodeEncodeError("utf-8", text, 0, 1, text),
)


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there, and nothing asks."""
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("KOL_CLICKHOUSE__HOST", "127.0.0.1")


def line(words: str, text: str, home: Path) -> list[str]:
    """The command with `text` for each of its arguments."""
    command = commands()[words]
    assert isinstance(command, TyperCommand)
    needed = [p for p in command.params if p.param_type_name == "argument"]
    arguments = [] if words in OWN_ARGUMENTS else [text for _ in needed]
    options = [] if words == "bench" else ["--home", str(home)]
    return [*words.split(), *GIVEN.get(words, []), *options, *arguments]


def run(arguments: list[str], columns: int = 2_000) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)})


def replace(monkeypatch: pytest.MonkeyPatch, replacements: Replacements) -> None:
    for name, stand_in in replacements.items():
        module, _, attribute = name.partition(":")
        __import__(module)
        monkeypatch.setattr(sys.modules[module], attribute, stand_in)


def check(result: Result) -> None:
    assert "Traceback" not in result.output
    assert "unforeseen" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not CONTROL.search(result.output)


def test_there_is_a_stand_in_for_every_command() -> None:
    assert stand_ins("").keys() == commands().keys()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("words", sorted(commands()))
def test_what_a_command_shows_is_text(
    words: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replace(monkeypatch, stand_ins(text)[words])

    result = run(line(words, text, tmp_path))

    check(result)
    whole = [part for part in text.split("\n") if part]  # a message may have lines
    assert all(escaped(part) in result.output for part in whole)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("words", sorted(with_option("--json")))
def test_json_of_a_command_is_one_value(
    words: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replace(monkeypatch, stand_ins(text)[words])

    result = run([*line(words, text, tmp_path), "--json"])

    check(result)
    result.stdout.encode()  # raises at a lone surrogate
    assert not result.stdout or json.loads(result.stdout) is not None


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("words", sorted(commands()))
def test_whatever_a_command_raises_is_a_sentence(
    words: str, error: Callable[[str], Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "".join(HOSTILE)
    module = sys.modules[commands()[words].callback.__module__]
    first = "_compare" if words == "bench" else "use_home"
    monkeypatch.setattr(module, first, raises(error(text)))

    result = run(line(words, "x", tmp_path))

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert not CONTROL.search(result.output)
    assert result.stderr.startswith("kol: ")


@pytest.mark.parametrize("name", [text for text in HOSTILE if not {"\0", "\ud800"} & {*text}])
def test_a_file_or_a_home_of_any_name_is_named_as_text(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below_a_file = tmp_path / "file" / name.replace("/", "")

    for words in (["ingest", str(below_a_file)], ["status", "--home", str(below_a_file)]):
        result = run(words)

        check(result)
        assert result.exit_code == 1
        assert escaped(below_a_file.name) in result.output


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_command_or_option_is_refused_as_text(text: str) -> None:
    for words in ([text], ["top", text], ["top", f"--{text}"], ["top", "-n", text]):
        result = run(words)

        check(result)
        assert result.exit_code == 2  # usage


@pytest.mark.parametrize(
    ("name", "debug", "is_shown"),
    [("aiokafka", "", False), ("aiokafka", "1", True), ("streams.transport", "", True)],
)
def test_a_library_that_tries_again_is_shown_only_with_debug(
    name: str,
    debug: str,
    is_shown: bool,  # noqa: FBT001  # a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KOL_DEBUG", debug)
    fault = ValueError, ValueError("\x1b"), None

    LogSentences().emit(logging.LogRecord(name, logging.ERROR, "", 0, "\x1b]0;", (), fault))
    shown = capsys.readouterr().err

    assert bool(shown) is is_shown
    assert ("ValueError" in shown) is bool(debug)
    assert not CONTROL.search(shown)


@pytest.mark.parametrize("words", [["config", "--json"], ["config"], ["--help"]])
def test_a_reader_that_stops_reading_ends_a_command_without_a_word(
    words: list[str], tmp_path: Path
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as broken:
        ended = subprocess.run(
            [sys.executable, "-m", "streams.cli", *words],
            stdout=broken,
            stderr=subprocess.PIPE,
            env={**os.environ, "KOL_HOME": str(tmp_path)},
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (1, b"")


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("streams.cli.status.use_home", raises(KeyboardInterrupt()))

    result = run(["status", "--home", str(tmp_path)])

    assert (result.exit_code, result.output) == (130, "kol: interrupted\n")


def test_with_debug_the_traceback_is_shown_and_without_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KOL_DEBUG", "")
    monkeypatch.setattr("streams.cli.status.use_home", raises(ValueError("\x1b[31m")))
    words = ["status", "--home", str(tmp_path)]

    quiet, loud = run(words), run(["--debug", *words])

    assert "Traceback" not in quiet.output
    assert "--debug" in quiet.output
    assert "Traceback" in loud.output
    assert not CONTROL.search(quiet.output + loud.output)


def test_brokers_that_nobody_reaches_are_no_list_of_socket_addresses(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"topic": "purchases", "value": {}}')
    done = run(["ingest", "--no-check", "--home", str(tmp_path), str(file)])

    assert done.exit_code == 1
    assert "KOL_KAFKA__BOOTSTRAP" in done.stderr
    assert "AddressFamily" not in done.output
