"""The quick comparison of CI: our cost by that of the stock client, beside a stored ratio.

The client is confluent-kafka and msgspec, which no change of ours makes slower or faster. So the
ratio is one of the code, not of the machine; what moves it by a quarter is no noise. One is stored
for the compiled path and one for the readable.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streams.bench.checkout import NO_CHECKOUT, ROOT
from streams.errors import ExpectedError

STORED: Final = ROOT / "tests/bench/quick.json"
WORSE: Final = 1.25  # times the stored ratio
ROUNDS: Final = 3
EVENTS: Final = 60_000


class SlowerError(ExpectedError):
    """The ratio has risen by more than a quarter, or there is none to compare with."""


def ratio_of(report: Mapping[str, Any]) -> float:
    """The cost of ours by that of the client, of a report whose other systems are ratios to it."""
    return round(1 / float(report["ratios"]["client"]["median"]), 3)


def stored_ratio(path: str, file: Path = STORED) -> float:
    """The ratio to compare with, of a code path.

    Raises:
        SlowerError: none is stored.

    """
    try:
        return float(json.loads(file.read_text())[path]["ours_by_client"])
    except FileNotFoundError as error:
        raise SlowerError(f"no ratio is stored: {NO_CHECKOUT}") from error
    except KeyError as error:
        raise SlowerError(
            f"no ratio of the {path} path is stored: `kol bench --quick --store` does"
        ) from error


def store(report: Mapping[str, Any], file: Path = STORED) -> None:
    """Store the ratio of a report's code path, and what it was measured on."""
    others = json.loads(file.read_text()) if file.exists() else {}
    found = {
        "ours_by_client": ratio_of(report),
        "rounds": report["rounds"],
        "events": report["input"]["events"],
        "sha256": report["input"]["sha256"],
        "machine": {name: report["machine"][name] for name in ("cores", "cpu", "python")},
    }
    file.write_text(json.dumps(others | {report["path"]: found}, indent=2, sort_keys=True) + "\n")


def is_slower(ratio: float, stored: float) -> bool:
    """Whether a ratio has risen by more than a quarter.

    >>> is_slower(4.9, 4.0), is_slower(5.1, 4.0)
    (False, True)
    """
    return ratio > stored * WORSE
