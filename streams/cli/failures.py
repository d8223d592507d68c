"""What ends a command: one sentence and an exit code; a traceback only with `--debug`."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import typer
from typer._click.exceptions import ClickException  # it is not exported, its subclasses are
from typer.core import TyperGroup

from schemas.escapes import escaped
from streams.cli import screen
from streams.cli.options import FAILED, OK, USAGE
from streams.errors import named

INTERRUPTED: Final = 130  # as of a process that SIGINT ended
OUR_OWN: Final = {"schemas", "sinks", "streams", "deploy"}  # their exceptions are sentences
BROKER: Final = {"aiokafka", "kafka"}
ENGINE: Final = {"clickhouse_connect", "urllib3"}
DEBUG: Final = "KOL_DEBUG"


class Commands(TyperGroup):
    """All commands; whatever one raises ends it with a sentence."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *_: object,
        standalone_mode: bool = True,
        **extra: Any,  # noqa: ANN401  # as typer's
    ) -> Any:  # noqa: ANN401  # as typer's
        """Run the command that the arguments name; exits unless not `standalone_mode`."""
        run = partial(super().main, args, prog_name, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        try:
            code = run()
        except Exception as error:  # noqa: BLE001  # every one becomes a sentence
            code = fail(error)
        if code == INTERRUPTED:
            screen.print_failure("interrupted")
        sys.exit(code if isinstance(code, int) else OK)


def is_debugging() -> bool:
    """Whether `--debug` or KOL_DEBUG is given."""
    return os.environ.get(DEBUG, "").lower() not in {"", "0", "false", "no", "off"}


def fail(error: BaseException) -> int:
    """Print why; gives the exit code."""
    if isinstance(error, ClickException):
        return _refuse(error)
    if is_debugging():
        screen.print_traceback(error)
    screen.print_failure(sentence(error))
    return FAILED


def _refuse(error: ClickException) -> int:
    """What was typed is no command; without any word the help was printed already."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if message and context is not None:
        screen.print_usage(context)
    if message:
        screen.print_failure(message)
    return USAGE


def sentence(error: BaseException) -> str:
    """Why a command cannot go on, for a person."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    package = type(error).__module__.partition(".")[0]
    if package in OUR_OWN:
        return str(error)
    if isinstance(error, typer.Abort):
        return "nothing was done"
    if isinstance(error, UnicodeError):
        return _not_text(error)
    if package in BROKER:
        return f"Kafka: {named(error)}: is `kol up` running, is KOL_KAFKA__BOOTSTRAP right?"
    if package in ENGINE:
        return f"ClickHouse: {named(error)}: is `kol up` running, is KOL_CLICKHOUSE__HOST right?"
    if package == "pydantic_core":
        return _invalid(error)
    if isinstance(error, OSError):
        return _of_the_system(error)
    return f"unforeseen {named(error)}; `kol --debug …` shows where it was raised"


def _not_text(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
        part = error.object[error.start : error.end]
        return f"not UTF-8: {part!r} at {error.start}"
    return str(error)


def _of_the_system(error: OSError) -> str:
    """What the operating system refuses, and of which file."""
    if error.filename is None:
        return error.strerror or named(error)
    return f"{escaped(os.fsdecode(error.filename))}: {error.strerror}"


def _invalid(error: Any) -> str:  # noqa: ANN401  # of pydantic, which is not imported for it
    """Each setting that is not valid and why; never its value, it may be a secret."""
    found = (("__".join(str(name) for name in one["loc"]), one["msg"]) for one in error.errors())
    return "\n".join(f"KOL_{name.upper()}: {why}" for name, why in found)


class LogSentences(logging.Handler):
    """Warnings of our own as sentences on stderr; with `--debug` also those of libraries.

    A library tries again many times a second and logs each; what becomes of it a command says.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if is_debugging() or record.name.partition(".")[0] in OUR_OWN:
            screen.print_notice(record.getMessage())
        if is_debugging() and record.exc_info and record.exc_info[1]:
            screen.print_traceback(record.exc_info[1])


def prepare_process() -> None:
    """Let what libraries log and threads raise go to the terminal by `screen`, too."""
    screen.accept_every_character()
    logging.basicConfig(handlers=[LogSentences()])
    threading.excepthook = lambda raised: fail(raised.exc_value) if raised.exc_value else None
