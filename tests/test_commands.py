"""A command that others' packages are ready for is the one that a person types."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.commands import OPERATIONS, PACKAGES, command


@pytest.mark.parametrize("words", [("config", "--json"), ("status",), ("down",)])
def test_it_ends_as_it_does_for_a_person_and_says_the_same(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    typed = subprocess.run(
        [sys.executable, "-m", "streams.cli", *words, "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    ready = command(*words, home=tmp_path)

    assert (ready.returncode, ready.stdout) == (typed.returncode, typed.stdout)
    assert ready.stderr == typed.stderr


@pytest.mark.parametrize("module", [*PACKAGES, *OPERATIONS])
def test_what_it_is_to_import_beforehand_exists(module: str) -> None:
    assert find_spec(module)  # the server would go on without it


def test_what_is_added_to_the_environment_is_for_that_command_alone(tmp_path: Path) -> None:
    named = command("config", "--json", home=tmp_path, env={"KOL_APP_ID": "other"})
    after = command("config", "--json", home=tmp_path)

    assert '"app_id": "other"' in named.stdout
    assert '"app_id": "kol"' in after.stdout


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        command("config", home=tmp_path, seconds=0)
