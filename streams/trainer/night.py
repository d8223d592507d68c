"""The turn of the night: what was erased is erased again, and searched for.

An insert that was under way can land after a deletion, and a worker that reads the inputs again
can write what it wrote before. So for as long as the inputs may hold an erased person, each night
looks for rows of the person, takes them out, looks again, and says what it found. Likewise with
what consents have ended, with values below a tombstone, and with readings that count no more.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.dimensions import DIMENSIONS
from schemas.events import INPUTS
from schemas.topics import ERASURES
from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_failures import of_brokers
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.consents import Consents
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.reading import ReferenceReader, erasures_end
from streams.trainer.dimensions.store import DimensionStore
from streams.trainer.erased_rows import ErasedRows, remove_hidden
from streams.trainer.failures import Failures
from streams.trainer.report import Report

DAY_MS: Final = 86_400_000
MARGIN_MS: Final = DAY_MS  # for clocks, and for a retention that was shortened
TAKEN_BACK_DAYS: Final = 30  # rows that take a key back are kept so long


log = logging.getLogger("kol.trainer")


class FoundAgainError(ExpectedError):
    """Rows of erased persons are still there after they were taken out; says where."""


class Night:
    """One turn of the night.

    Args:
        client: of the account that writes.
        settings: of the deployment.
        before: called before each statement.
        reader: of the process, which knows the erasures that it read in former turns.

    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        before: Callable[[], None],
        reader: ReferenceReader,
    ) -> None:
        self._client = client
        self._settings = settings
        self._before = before
        self._reader = reader

    def turn(self, now_ms: int, last_ms: int) -> Report:
        """Erase, empty and tidy; gives what was found.

        Args:
            now_ms: the time, milliseconds.
            last_ms: when a night last succeeded; 0: never.

        Raises:
            ReadingError, BrokerError: ClickHouse or the brokers refuse.
            FoundAgainError: something is left.

        """
        started = time.perf_counter()
        report, failures = Report(), Failures()
        with of_brokers("nobody says how long inputs are kept"):
            oldest = self._oldest_input(now_ms)
        with failures.kept():
            self._erase(oldest, report)
        with failures.kept():
            self._empty(min(oldest, last_ms), report)
        with failures.kept():
            self._tidy(now_ms)
        with failures.kept():
            report.removed += remove_hidden(self._client, self._before)
        failures.end()
        report.seconds = time.perf_counter() - started
        return report

    def _oldest_input(self, now_ms: int) -> int:
        """Up to when records of the inputs are gone for sure, milliseconds."""
        with kafka_admin(self._settings.kafka) as broker:
            there = broker.counts().keys()
            kept = [
                int(broker.configs(topic)["retention.ms"]) for topic in INPUTS if topic in there
            ]
        if not kept or min(kept) < 0:
            return 0
        return max(0, now_ms - max(kept) - MARGIN_MS)

    def _erase(self, oldest: int, report: Report) -> None:
        if not self._settings.hmac_key.get_secret_value():
            return  # nobody can be erased without it
        names = sorted(self._persons().erased_since(oldest))
        rows = ErasedRows(self._client, names, self._before)
        erased = rows.erase()
        report.found |= erased.deleted
        if erased.renamed:
            report.found["order_credit"] = erased.renamed
        if not erased.is_nothing:
            log.warning("rows of erased persons had come back and are taken out: %s", report.found)
        if not erased.is_nothing and (left := rows.left()):
            raise FoundAgainError(f"rows of erased persons are left in {', '.join(sorted(left))}")

    def _persons(self) -> Persons:
        unread, reader = of_brokers("erasures cannot be read"), self._reader
        with unread, kafka_admin(self._settings.kafka) as broker, reader.opened():
            end = erasures_end(broker)
            return reader.persons(broker.topic_ids().get(ERASURES, ""), end)

    def _empty(self, since_ms: int, report: Report) -> None:
        emptied = Consents(self._client, self._before).empty(since_ms // 1000)
        report.left = emptied.why_left
        if emptied.rows:
            report.found["event"] = report.found.get("event", 0) + emptied.rows

    def _tidy(self, now_ms: int) -> None:
        """Remove rows of dimensions that count no more."""
        store = DimensionStore(self._client, self._before)
        cursors = store.cursors()
        read = [one for one in DIMENSIONS if one.topic in cursors]
        store.drop_former({one: cursors[one.topic].shown for one in read})
        for dimension in read:
            store.drop_taken_back(dimension, 0)
            store.drop_old_marks(dimension, now_ms // 1000 - TAKEN_BACK_DAYS * 86_400)
