"""Where `kol` begins: Ctrl-C ends it with a word also while modules are being imported."""

import os
import signal
from types import FrameType

INTERRUPTED = 130  # as of a process that SIGINT ended


def main() -> None:
    """Run `kol`."""
    signal.signal(signal.SIGINT, _end)
    from streams.cli import main as run  # noqa: PLC0415  # takes a third of a second

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        _end()


def _end(_number: int = 0, _frame: FrameType | None = None) -> None:
    """End at once: nothing was begun, and an import that is interrupted can say anything."""
    os.write(2, b"kol: interrupted\n")
    os._exit(INTERRUPTED)
