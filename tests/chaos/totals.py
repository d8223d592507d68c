"""A reader of totals: what can only grow is asked for all the time, and never goes back.

Rows replace each other while workers die, restore and replay; a reader must see none of it.
What may be asked for so, in one epoch (a new one begins at nothing) and without erasures:

- *Messages by door*, for each topic partition: which door a message leaves by depends on what
  lies before it on its own partition alone, and a restored worker writes nothing before it has
  read as far as the one before it may have.
- *Orders of the stream in bulk*, and what was paid: each has one `paid`, so it stays. (Of orders
  paid twice the earlier payment stands: it may be the smaller one, and moves the order.)
- *What was given back of them*: refunds are never withdrawn, and count up to what was paid.
- *Credits of them*, by model: KOLs exchange shares, the sum is what was paid.

Cells, scores and counters such as `refund_unmatched` may go back in a right run.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from streams.clients.clickhouse import ReadingError, connect, query
from streams.settings import Settings

LOOK: Final = 0.5  # seconds between two looks
DOORS: Final = """
SELECT concat(topic, '/', toString(partition), ' by ', door) AS name, toInt64(n) AS n
FROM v_door WHERE kind != 'counter'
"""
ORDERS: Final = """
SELECT arrayJoin([
    ('orders', toInt64(count())),
    ('cents paid', toInt64(sum(paid_cents))),
    ('cents given back', toInt64(sum(refunded_cents)))
]) AS pair, pair.1 AS name, pair.2 AS n
FROM v_order WHERE order_id LIKE 'o%-%'
"""
CREDITS: Final = """
SELECT arrayJoin([
    (concat('cents by ', model), toInt64(sum(credit_cents))),
    (concat('cents given back by ', model), toInt64(sum(refunded_cents)))
]) AS pair, pair.1 AS name, pair.2 AS n
FROM v_order_credit WHERE order_id LIKE 'o%-%' GROUP BY model
"""  # no order but those of the stream in bulk has such an id


class Totals(threading.Thread):
    """Asks for totals until stopped; `back` says where one was smaller than before."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="totals", daemon=True)
        self.back: list[str] = []
        self.looks = 0
        self._settings = settings
        self._most: dict[str, dict[str, int]] = {}  # question -> greatest answers
        self._over = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._over.is_set():
            with suppress(ReadingError, OSError):
                for question in (DOORS, ORDERS, CREDITS):
                    self._look(question)
                self.looks += 1
            self._over.wait(LOOK)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join(30)

    def _look(self, question: str) -> None:
        client = connect(self._settings.clickhouse.model_copy(update={"connect_seconds": 1.0}))
        try:
            rows = query(client, question)
        finally:
            client.close()
        self.note(question, {str(row["name"]): int(row["n"]) for row in rows})

    def note(self, question: str, totals: Mapping[str, int]) -> None:
        """Take in the answer of a question as it stands now; what is not in it is 0."""
        most = self._most.setdefault(question, {})
        for name in most.keys() | totals.keys():
            before, n = most.get(name, 0), totals.get(name, 0)
            if n < before:
                self.back.append(f"{name}: {n} after {before}")
            most[name] = max(n, before)
