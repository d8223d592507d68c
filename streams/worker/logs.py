"""The log of a worker: JSON lines on stderr."""

import json
import logging
import sys
import time

from schemas.escapes import escaped_json

QUIET = ("aiokafka", "kafka", "mode", "faust", "streams.transport")  # warnings of theirs only


class JsonLines(logging.Formatter):
    """One JSON object a line, control characters escaped; never values of rows."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return escaped_json(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def log_to_stderr(level: str) -> None:
    """Write JSON lines from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
