import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from schemas.scanning import CompiledScanner, Hot
from streams.core.kernels import ABSENT, CODE_PATH, OFF, VERSION, chosen, compiled

CRATE = Path(__file__).parents[2] / "streams" / "native" / "Cargo.toml"


def hot(version: str = VERSION) -> Hot:
    return cast("Hot", SimpleNamespace(version=version, layout=lambda *_: None))


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


def test_functions_of_another_version_are_as_if_absent() -> None:
    """What an older checkout compiled stays where it is."""
    assert compiled(hot("0.0.9")) is None
    assert compiled(hot()) is not None


def test_the_crate_has_the_version_that_is_called() -> None:
    assert tomllib.loads(CRATE.read_text())["package"]["version"] == VERSION
