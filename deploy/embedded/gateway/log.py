"""The access log: one line per request, without statements, rows, parameters or passwords."""

import logging
import sys
import time
import traceback
from dataclasses import dataclass

from schemas.escapes import escaped_lines

_log = logging.getLogger("deploy.embedded.gateway")


@dataclass(slots=True)
class Line:
    """What is known of a request, filled in while it goes its way."""

    method: str
    user: str = "-"  # who it turned out to be, never who they said they are
    kind: str = "-"  # of the statement
    query_id: str = "-"
    code: int = 0  # of the error, also one that came after the first byte
    rows: int = 0  # written
    received: int = 0  # bytes of the body on the wire

    def write(self, status: int, seconds: float) -> None:
        """Write it down.

        user=kol kind=INSERT method=POST status=200 code=0 rows=5000 received=81234 ms=12.1 id=…
        """
        _log.info(
            "user=%s kind=%s method=%s status=%d code=%d rows=%d received=%d ms=%.1f id=%s",
            self.user,
            self.kind,
            self.method,
            status,
            self.code,
            self.rows,
            self.received,
            seconds * 1000,
            self.query_id,
        )


def note(text: str) -> None:
    """Write down what happens to the gateway itself."""
    _log.info("%s", text)


def fault(error: BaseException) -> None:
    """Write down where an unforeseen error came from; its text may hold data and is left out."""
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("fault %s\n%s", type(error).__name__, places)


class _Escaped(logging.Formatter):
    """Lines of text whose control characters are escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; a fault has lines."""
        return escaped_lines(super().format(record))


def begin() -> None:
    """Send all of it to the error stream, with times in UTC."""
    lines = logging.StreamHandler(sys.stderr)
    form = _Escaped("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    lines.setFormatter(form)
    _log.addHandler(lines)
    _log.setLevel(logging.INFO)
    _log.propagate = False
