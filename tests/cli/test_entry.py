"""Ctrl-C ends `kol` with a word, however early it comes."""

import subprocess
import sys

import pytest

EARLY = """
import builtins, os, signal
from streams import entry
real = builtins.__import__

def interrupted(name, *args, **kwargs):
    if name == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args, **kwargs)

builtins.__import__ = interrupted
entry.main()
"""


@pytest.mark.parametrize("module", ["streams.cli", "typer"])
def test_an_interrupt_while_modules_are_imported_is_no_traceback(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kol: interrupted\n")
