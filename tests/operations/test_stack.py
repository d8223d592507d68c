"""The demo empties its own homes alone, and a stack's commands reach that stack alone."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer.testing

from deploy.embedded import kafka
from deploy.embedded.state_folder import EmbeddedError, StateFolder
from deploy.embedded.supervisor import ProcessSpec
from streams.cli import app
from streams.operations import stack
from streams.operations.stack import RunningStack, clear_demo_home
from tests.docs import commands

supervisor = stack.supervisor


class Supervised:
    """A supervisor that runs nothing."""

    def __init__(self, home: StateFolder, *_: object, **__: object) -> None:
        self._home = home

    def run(self) -> None:
        """Return at once, the home released."""
        self._home.release()


@pytest.fixture
def home(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "home")


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "supervisor", Supervised)
    monkeypatch.setenv("KOL_HOME", "")  # commands set it; it is put back


def event_in(home: StateFolder, room: str) -> Path:
    path = home.data / room / "event"
    path.write_text("of a person")
    return path


def test_the_demo_has_a_home_that_is_not_the_one_of_up() -> None:
    homes = {
        words: param.default
        for words, command in commands().items()
        for param in command.params
        if param.name == "home"
    }

    assert {words for words, default in homes.items() if default != homes["up"]} == {"demo"}


def test_a_home_of_the_demo_is_empty_each_time(home: StateFolder) -> None:
    clear_demo_home(home)
    event = event_in(home, "kafka")

    clear_demo_home(home)

    assert not event.exists()


@pytest.mark.parametrize("room", ["kafka", "clickhouse"])
def test_what_up_has_run_in_is_not_emptied_by_the_demo(home: StateFolder, room: str) -> None:
    clear_demo_home(home)
    done = typer.testing.CliRunner().invoke(app, ["up", "--home", str(home.path)])
    assert done.exit_code == 0, done.output
    event = event_in(home, room)

    with pytest.raises(EmbeddedError, match="another-folder"):
        clear_demo_home(home)
    assert event.read_text() == "of a person"


def test_a_home_that_the_demo_did_not_begin_is_not_emptied(home: StateFolder) -> None:
    home.create()
    event = event_in(home, "clickhouse")

    with pytest.raises(EmbeddedError, match="another-folder"):
        clear_demo_home(home)
    assert event.exists()


def test_a_second_demo_says_how_to_look_at_the_first(home: StateFolder) -> None:
    clear_demo_home(home)
    home.acquire()

    with pytest.raises(EmbeddedError, match=f"{os.getpid()}: `kol top --home {home.path}`"):
        clear_demo_home(StateFolder(home.path))
    home.release()


def test_a_stack_is_reached_wherever_the_environment_points(
    home: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "production:9092")
    monkeypatch.setenv("KOL_CLICKHOUSE__HOST", "production")
    own = {"kafka": {"bootstrap": "127.0.0.1:1"}, "clickhouse": {"host": "127.0.0.1"}}
    home.acquire()
    home.write_status({"supervisor": os.getpid(), "settings": own})

    settings = RunningStack(home, 0, print).settings
    home.release()

    assert settings.kafka.bootstrap == "127.0.0.1:1"
    assert settings.clickhouse.host == "127.0.0.1"


def test_commands_print_no_secret_but_the_password_of_the_local_administrator(
    home: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = SimpleNamespace(bootstrap="127.0.0.1:1", process_spec=lambda: ProcessSpec("kafka", []))
    monkeypatch.setattr(kafka, "fetch", lambda _: None)
    monkeypatch.setattr(kafka, "node", lambda *_: broker)
    home.acquire()
    supervisor(home, 0)._write_status()  # as its first step does
    monkeypatch.setattr("deploy.embedded.supervisor.detach", lambda *_, **__: home.status())
    for question in ("held_back", "trainer_report"):  # no broker is asked
        monkeypatch.setattr(f"streams.operations.status.{question}", lambda *_: [])
    words = ["--home", str(home.path), "--json"]
    run = typer.testing.CliRunner().invoke

    shown = [run(app, ["status", *words]).stdout, run(app, ["up", "--detach", *words]).stdout]
    home.release()

    secrets = home.secrets()
    for text in shown:
        engine = json.loads(text)["clickhouse"]
        assert engine["admin_password"] == secrets.admin_password
        assert Path(engine["admin_password_file"]).read_text() == secrets.admin_password
        assert Path(engine["reader_password_file"]).read_text() == secrets.reader_password
        assert secrets.reader_password not in text
        assert secrets.hmac_key not in text
