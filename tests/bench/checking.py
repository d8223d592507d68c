"""Whether what our workers wrote of a benchmark's input is what the oracle says.

    python -m tests.bench.checking HOME

Prints one line of JSON: what differs, in words, the messages that were compared, and the SHA-256
of each table's rows. `kol bench` rates nothing before nothing differs.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from streams.settings import Settings, running_stack_settings
from tests.chaos import verdict
from tests.chaos.world import logged
from tests.oracle import oracle


def sha256(rows: Iterable[tuple[Any, ...]]) -> str:
    """Of the rows in their order by value, one a line."""
    lines = sorted(json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check(settings: Settings) -> dict[str, Any]:
    """Compare every row that stands with the oracle's, and hash them."""
    stands = verdict.told(settings)
    partitions = settings.kafka.partitions
    log = logged(settings.kafka.bootstrap, partitions)
    expected = oracle(log, partitions)
    key = settings.hmac_key.get_secret_value().encode()
    wrong = verdict.against_oracle(stands, expected, len(log), key)
    tables: dict[str, Counter[tuple[Any, ...]]] = {
        "credits": stands.credits,
        "products": stands.products,
        "cells": Counter({(*at, *values): 1 for at, values in stands.cells.items()}),
        "doors": Counter({(*at, n): 1 for at, n in stands.doors.items()}),
    }
    return {
        "wrong": wrong,
        "messages": len(log),
        "orders": stands.orders.total(),
        "events": stands.events.total(),
        "sha256": {name: sha256(rows.elements()) for name, rows in tables.items()},
    }


def main(home: str) -> None:
    """Print what a check of the stack in this home says."""
    found = check(Settings(**running_stack_settings(Path(home))))
    print(json.dumps(found, ensure_ascii=False))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
