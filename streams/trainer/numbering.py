"""The turn "numbers": what the dimensions and, once a day, the facts say becomes numbered values.

Old numbers go.

Of all apps on the brokers one publishes: the one whose trainer published last, as long as a trainer
of it runs. So a replay, whose dimensions are read later, contradicts nobody.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.events import INPUTS
from schemas.number_log import FOREVER, NumberLog
from schemas.numbered import KINDS, RATER
from schemas.topics import SNAPSHOTS
from streams.clients.clickhouse import ReadingError
from streams.clients.kafka_admin import BrokerError, kafka_admin
from streams.clients.kafka_failures import of_brokers
from streams.clients.kafka_reader import oldest_at
from streams.settings import Settings
from streams.trainer.daily import DAILY, Day, States, daily_states
from streams.trainer.population import Population
from streams.trainer.publishing import Numbers, newest_numbers
from streams.trainer.report import NewestNumber, Report
from streams.trainer.standing import group_of

REMOVAL_MS: Final = 3_600_000  # between two looks for numbers that nobody asks for any more
SLACK_MS: Final = 4 * 3_600_000  # before the oldest input record: minutes stay open for hours

log = logging.getLogger("kol.trainer")


class Numbering:
    """What a process keeps between two turns: how far it has read, what it has looked at.

    Args:
        settings: of the deployment.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._numbers = Numbers(settings.kafka, settings.app_id)
        self._database = settings.clickhouse.database
        self._population = Population(self._database)
        self._day = Day()
        self._topic_id = ""  # that the numbers are of
        self._refused: dict[str, str] = {}
        self._told: set[str] = set()  # of damaged numbers, in the log
        self._looked_at = -REMOVAL_MS  # when numbers were last removed, ms

    def turn(
        self, client: Client, before: Callable[[], None], now_ms: int, *, anyway: bool = False
    ) -> Report:
        """Publish what has changed; gives the newest numbers, and what is kept back.

        Args:
            client: of an account that reads the dimensions.
            before: each statement; raises where the turn is to end.
            now_ms: milliseconds since the epoch.
            anyway: also publish what is kept back.

        Raises:
            ExpectedError: ClickHouse or the brokers refuse, or a number did not come about.

        """
        self._follow_topic()
        found = asyncio.run(self._numbers.read())
        seen = newest_numbers(found)  # before the dimensions are read
        other = "" if anyway else self._publisher(found)
        if other:
            why = f"a trainer of {other} publishes the numbers"
            return Report(newest=newest_of(found), others=why)
        if anyway:
            self._population.forget()
        changed = self._population.changed(client, before, seen)
        states = {kind: entries for kind, (entries, _) in changed.items()}
        states |= self._daily(client, before, found, now_ms, anyway=anyway)
        if states:
            done = asyncio.run(
                self._numbers.publish(states, now_ms, anyway=anyway, seen=seen, before=before)
            )
            now = newest_numbers(self._numbers.log)
            for kind, (_, marks) in changed.items():
                self._population.take(kind, marks, now[kind])
            for kind in states:
                self._refused.pop(kind, None)
            for kind, number in done.published.items():
                base = "a base" if number.base is None else f"to {number.manifest.base}"
                rows, size = number.manifest.rows, number.stored_bytes
                log.info(
                    "number %d of %s: %d rows, %d bytes, %s",
                    *(number.manifest.number, kind, rows, size, base),
                )
            for kind, why in done.refused.items():
                log.warning("no number of %s is published: %s", kind, why)
            self._refused |= done.refused
        if now_ms - self._looked_at >= REMOVAL_MS:
            before()
            self._remove(now_ms)
            self._looked_at = now_ms
        numbers = self._numbers.log
        bad = damaged(numbers)
        for line in set(bad) - self._told:
            log.warning("%s", line)
        self._told |= set(bad)
        return Report(newest=newest_of(numbers), refused=dict(self._refused), damaged=bad)

    def _daily(
        self,
        client: Client,
        before: Callable[[], None],
        found: NumberLog,
        now_ms: int,
        *,
        anyway: bool,
    ) -> States:
        """What is known of trust, where it is to be said today."""
        sealed = {kind: one.sealed_at for kind, one in newest_of(found).items() if kind in DAILY}
        kinds = self._day.due(sealed, now_ms, anyway=anyway)
        if not self._settings.trainer.daily_trust:
            return {}
        if not self._settings.clickhouse.events:  # where raters stand
            kinds = [kind for kind in kinds if kind != RATER]
        if not kinds:
            return {}
        self._day.asked(now_ms)
        try:
            return daily_states(client, self._database, now_ms, before, kinds)
        except ReadingError as error:  # contents and accounts are not to wait for it
            self._refused |= dict.fromkeys(kinds, str(error))
            log.warning("no numbers of %s are published: %s", ", ".join(kinds), error)
            return {}

    def _follow_topic(self) -> None:
        """Begin anew where the topic was made anew: nothing that was published is there."""
        kafka = self._settings.kafka
        with of_brokers(f"{SNAPSHOTS} cannot be asked for"), kafka_admin(kafka) as broker:
            topic_id = broker.topic_ids().get(SNAPSHOTS)
        if topic_id is None:
            raise BrokerError(f"{SNAPSHOTS} is not there: run `kol topics`")
        if topic_id != self._topic_id:
            self._topic_id = topic_id
            self._numbers = Numbers(kafka, self._settings.app_id)
            self._population.forget()

    def _publisher(self, found: NumberLog) -> str:
        """The other app whose trainer published last, if one of its trainers runs."""
        newest = [one for kind in KINDS if (one := found.newest(kind)) is not None]
        if not newest:
            return ""
        app = max(newest, key=lambda one: one.manifest.number).manifest.app
        if app == self._settings.app_id:
            return ""
        unknown = of_brokers(f"whether a trainer of {app} runs is not known")
        with unknown, kafka_admin(self._settings.kafka) as broker:
            return app if broker.members(group_of(app)) else ""

    def _remove(self, now_ms: int) -> None:
        """Remove the numbers that were superseded before the oldest record of the inputs."""
        if not any(self._numbers.log.superseded(kind, FOREVER) for kind in KINDS):
            return
        kafka = self._settings.kafka
        unknown = of_brokers("the oldest record of the inputs is not known")
        with unknown, kafka_admin(kafka) as broker:
            first = broker.first_offsets(INPUTS)
        oldest = asyncio.run(oldest_at(kafka, first))
        since = min(now_ms if oldest is None else oldest, now_ms) - SLACK_MS
        if gone := asyncio.run(self._numbers.remove_before(since)):
            log.info("%d numbers removed: all inputs are newer than what superseded them", gone)


def damaged(found: NumberLog) -> list[str]:
    """The numbers above the newest whole one of their kind that are not whole, and why."""
    newest = newest_of(found)
    return [
        f"number {one.number} of {one.kind} is not used: {one.why}"
        for one in found.faults()
        if one.kind not in newest or one.number > newest[one.kind].number
    ]


def newest_of(found: NumberLog) -> dict[str, NewestNumber]:
    """The newest whole number of each kind that has one."""
    return {
        kind: NewestNumber(one.manifest.number, one.manifest.rows, one.sealed_at)
        for kind in KINDS
        if (one := found.newest(kind)) is not None
    }
