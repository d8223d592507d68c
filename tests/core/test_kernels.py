import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.scanning import CompiledScanner
from streams.core.kernels import ABSENT, CODE_PATH, OFF, VERSION, chosen, compiled, described

CRATE = Path(__file__).parents[2] / "streams" / "native" / "Cargo.toml"


def hot(version: str = VERSION) -> Any:  # noqa: ANN401  # stands for a module
    return SimpleNamespace(version=version, layout=lambda *_: None)


def works(command: str) -> bool:
    """Whether a program is there and can be run: that of a toolchain may only stand for one."""
    if shutil.which(command) is None:
        return False
    asked = subprocess.run([command, "--version"], check=False, capture_output=True)
    return asked.returncode == 0


def test_where_cargo_is_the_compiled_path_is_used() -> None:
    used = CODE_PATH not in {ABSENT, OFF}

    assert used or not works("cargo") or os.environ.get("KOL_NATIVE") == "0"


def test_without_compiled_functions_the_readable_path_is_taken() -> None:
    assert chosen(None, "") == (None, ABSENT)


def test_a_setting_turns_the_compiled_path_off() -> None:
    assert chosen(hot(), "0") == (None, OFF)


def test_otherwise_the_compiled_path_is_taken_and_its_version_is_its_name() -> None:
    scanner, name = chosen(hot(), "1")

    assert isinstance(scanner, CompiledScanner)
    assert name == VERSION.rpartition(".")[0]


def test_functions_of_another_version_are_as_if_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older checkout compiled stays where it is."""
    for version, is_there in (("0.0.9", False), (VERSION, True)):
        monkeypatch.setitem(sys.modules, "streams._some", hot(version))

        assert (compiled("streams._some") is not None) is is_there


def test_functions_that_were_not_compiled_are_absent() -> None:
    assert compiled("streams._no_such_functions") is None


@pytest.mark.parametrize("path", [ABSENT, OFF])
def test_the_words_for_a_path_that_is_readable_say_why(path: str) -> None:
    assert described(path).startswith("readable Python, since ")


def test_the_crate_has_the_version_that_is_called() -> None:
    assert tomllib.loads(CRATE.read_text())["package"]["version"] == VERSION
