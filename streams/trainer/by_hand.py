"""A turn of the roll-ups outside the rhythm: by a person, or before the views read a database.

It begins a generation of its own, and needs no lock: what the holder writes meanwhile under its
lower one is not read, and the holder begins a greater one before its next turn.
"""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from streams.clients.clickhouse import query
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.generations import Version
from streams.trainer.report import Report
from streams.trainer.rollups import RollUps, SupersededError
from streams.trainer.turns import begin_by_hand, patient_client

TRIES: Final = 10  # to begin a turn above those of a holder that is at work, too


class OtherZoneError(ExpectedError):
    """The roll-ups have days of another time zone than the settings; says what to set."""


class ByHand(NamedTuple):
    """A turn by hand."""

    generation: int
    report: Report


async def roll_up(
    settings: Settings,
    from_day: date | None = None,
    on_statement: Callable[[], None] = lambda: None,
) -> ByHand:
    """Bring all roll-ups up to date.

    Args:
        settings: of the deployment.
        from_day: hours and days from this one on are recomputed even if nothing has changed.
        on_statement: called before each statement of the turn.

    Raises:
        OtherZoneError: days have another zone, which only a trainer changes: a shell without
            the setting would.
        BrokerError: the brokers do not answer.
        ReadingError: ClickHouse refuses a statement; the next turn does what is left.

    """
    conf = settings.clickhouse
    with closing(patient_client(settings)) as client:
        _check_zone(client, settings.business_zone)
        rollups = RollUps(
            client,
            conf.database,
            settings.business_zone,
            replicated=bool(conf.cluster),
            before=on_statement,
        )
        tries = TRIES
        while True:
            now_ms = time.time_ns() // 1_000_000
            generation = await begin_by_hand(settings, client, now_ms)
            version = Version(generation, 1)
            try:
                report = rollups.turn(version, now_ms=now_ms, from_day=from_day, at_once=True)
            except SupersededError:  # the holder was faster to go above this one
                tries -= 1
                if not tries:
                    raise
            else:
                return ByHand(generation, report)


def _check_zone(client: Client, zone: str) -> None:
    for row in query(client, "SELECT zone FROM rollup_cursor ORDER BY version DESC LIMIT 1"):
        if row["zone"] != zone:
            raise OtherZoneError(
                f"days of the roll-ups are those of {row['zone']}, KOL_BUSINESS_ZONE is {zone}: "
                "set it as the trainer has it; to change it, restart the trainer with the new one"
            )
