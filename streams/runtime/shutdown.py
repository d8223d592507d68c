"""How a process ends: in bounded time, and its last log line says why.

A stop drains, flushes and snapshots, then closes everything; each step has its own bound.
Correctness needs none of them: what is not durable is read again, as after a kill. So where
they take too long together (producers of a broker that is away, a rebalance that waits for
others), a timer ends the process.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from streams.errors import ExpectedError

STOP_SECONDS: Final = 9.0  # from the signal or the fault to the end, at the most

OURS: Final = frozenset({"schemas", "sinks", "streams"})  # their errors are written for people

log = logging.getLogger("kol")


class Shutdown:
    """The end of one process.

    Args:
        seconds: how long a stop in order may take.
        exit_process: ends the process with a code, at once.
        name: what this process is, in its last line.

    Attributes:
        explain: gives the reason that is logged for the one that ended the process.

    """

    def __init__(
        self,
        seconds: float = STOP_SECONDS,
        exit_process: Callable[[int], object] = os._exit,
        name: str = "worker",
    ) -> None:
        self.reason: BaseException | None = None
        self.explain: Callable[[BaseException], BaseException] = lambda reason: reason
        self._seconds = seconds
        self._exit_process = exit_process
        self._name = name
        self._timer: threading.Timer | None = None

    def begin(self, reason: BaseException | None = None) -> None:
        """The process stops: asked to, or for this reason. Only the first call counts."""
        if self._timer is None:
            self.reason = reason
            self._timer = threading.Timer(self._seconds, self._force)
            self._timer.daemon = True
            self._timer.start()

    def report(self, reason: BaseException | None = None) -> int:
        """Log the last line; gives the exit code.

        Args:
            reason: why it ended, if `begin` was not called.

        """
        if self._timer is None:
            self.reason = reason
        if self.reason is None:
            log.info("stopped")
            return 0
        reason = self.explain(self.reason)
        log.critical("this %s cannot go on: %s", self._name, sentence(reason))
        return reason.exit_code if isinstance(reason, ExpectedError) else 1

    def _force(self) -> None:
        log.warning(
            "not stopped in %g s: it ends here; what is not durable will be read again",
            self._seconds,
        )
        code = self.report()
        logging.shutdown()
        self._exit_process(code)


def sentence(error: BaseException) -> str:
    """What a person reads: the message, after the name of an error that is not ours.

    >>> sentence(KeyError("a"))
    "KeyError: 'a'"
    """
    message = " ".join(str(error).split())
    name = type(error).__name__
    if not message:
        return name
    return message if type(error).__module__.split(".")[0] in OURS else f"{name}: {message}"
