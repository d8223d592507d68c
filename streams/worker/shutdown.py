"""How a worker process ends: in bounded time, and its last line says why.

A stop drains, states and snapshots, then lets everything go; each step has its own bound.
None of them is needed for what is promised: what is not safe is read again, as after a
kill. So where they take too long together (producers of a broker that is away, a rebalance
that waits for others), a timer ends the process.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

STOP_SECONDS: Final = 9.0  # from the signal, or the fault, to the end at the latest

OURS: Final = frozenset({"schemas", "sinks", "streams"})  # their errors are written for people

log = logging.getLogger("kol")


class Ending:
    """The end of one process.

    Args:
        seconds: how long a stop in order may take.
        leave: ends the process with a code, at once.

    """

    def __init__(
        self, seconds: float = STOP_SECONDS, leave: Callable[[int], object] = os._exit
    ) -> None:
        self.reason: BaseException | None = None
        self._seconds = seconds
        self._leave = leave
        self._timer: threading.Timer | None = None

    def begin(self, reason: BaseException | None = None) -> None:
        """The worker stops: asked to, or for this reason. Only the first call counts."""
        if self._timer is None:
            self.reason = reason
            self._timer = threading.Timer(self._seconds, self._cut)
            self._timer.daemon = True
            self._timer.start()

    def told(self, reason: BaseException | None = None) -> int:
        """Say the last line; gives the exit code.

        Args:
            reason: why it ended, if nothing was said at its beginning.

        """
        if self._timer is None:
            self.reason = reason
        if self.reason is None:
            log.info("stopped")
            return 0
        log.critical("this worker cannot go on: %s", sentence(self.reason))
        return 1

    def _cut(self) -> None:
        log.warning(
            "not stopped in %g s: it ends here; what is not safe will be read again", self._seconds
        )
        code = self.told()
        logging.shutdown()
        self._leave(code)


def sentence(error: BaseException) -> str:
    """What a person reads: the message, after the name of an error that is not ours.

    >>> sentence(KeyError("a"))
    "KeyError: 'a'"
    """
    said = " ".join(str(error).split())
    name = type(error).__name__
    if not said:
        return name
    return said if type(error).__module__.split(".")[0] in OURS else f"{name}: {said}"
