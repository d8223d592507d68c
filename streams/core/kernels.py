"""Which code path the rules take: the only file that chooses one.

The compiled path is taken where it was built and `KOL_NATIVE` is not 0; results are the same.
"""

import os
from importlib import import_module
from typing import Final, Protocol, cast

from schemas.messages import Scanner
from schemas.scanning import CompiledScanner, Hot
from streams.core.arrays import probing
from streams.core.arrays.probing import Probing

VERSION: Final = "0.3.0"  # of the compiled functions as they are called here
OFF: Final = "off"  # compiled, and not wanted
ABSENT: Final = "absent"  # not compiled, or another version


class Compiled(Hot, Probing, Protocol):
    """The compiled functions, of `streams/native`."""


def compiled(module: str = "streams._hot") -> Compiled | None:
    """The compiled functions; none of another version: what was compiled once stays there."""
    try:
        hot = cast("Compiled", import_module(module))
    except ImportError:  # also where it was compiled for another machine
        return None
    return hot if getattr(hot, "version", None) == VERSION else None


def chosen(hot: Compiled | None, setting: str) -> tuple[Scanner | None, str]:
    """The scanner, if one is used, and the name of the code path.

    Args:
        hot: the compiled functions, if there are any of our version.
        setting: `KOL_NATIVE`.

    >>> chosen(None, "1")
    (None, 'absent')
    """
    if hot is None:
        return None, ABSENT
    if setting == "0":
        return None, OFF
    return CompiledScanner(hot), hot.version.rpartition(".")[0]


def described(code_path: str) -> str:
    """A code path in words.

    >>> described("absent")
    'readable Python, since nothing is compiled here'
    """
    words = {
        OFF: "readable Python, since KOL_NATIVE is 0",
        ABSENT: "readable Python, since nothing is compiled here",
    }
    return words.get(code_path, f"compiled {code_path}")


HOT: Final = compiled()
SCANNER, CODE_PATH = chosen(HOT, os.environ.get("KOL_NATIVE", ""))
USED: Final = HOT if SCANNER else None  # the compiled functions, where they are wanted
PROBING: Final[Probing] = USED or probing
