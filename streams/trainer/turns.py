"""The turns that a trainer takes: what each is for, how often it is due, what it does.

A turn is idempotent and may be cut off between any two statements: the next one, of this process
or of another, does what is left. It states its rows under a version that is greater than those of
all turns before it, and smaller than those of all that begin after it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from streams.clients.clickhouse import connect, query
from streams.settings import Settings
from streams.trainer.consents import Consents
from streams.trainer.dimensions.reading import ReferenceReader
from streams.trainer.dimensions.turn import Dimensions
from streams.trainer.generations import TURN_BITS, Version, begin_generation, claim
from streams.trainer.night import Night
from streams.trainer.numbering import Numbering
from streams.trainer.report import Report
from streams.trainer.rollups import RollUps

MINUTES: Final = "minutes"
DIMENSIONS: Final = "dimensions"
NUMBERS: Final = "numbers"
CONSENTS: Final = "consents"
NIGHTLY: Final = "nightly"
AWAITED: Final = (MINUTES, DIMENSIONS)  # turns that whoever asks for one waits for
CLOCKS_MS: Final = 3_600_000  # that the clocks of ClickHouse and of the trainer differ at the most
KEPT: Final = ("rollup_floor", "rollup_cursor", "dimension_cursor")  # say how far turns have come


@dataclass(frozen=True, slots=True)
class Work:
    """What a turn is given."""

    client: Client
    before: Callable[[], None]  # each statement; raises `StoppedError` where the turn is to end
    settings: Settings
    generation: int
    number: int  # rises with every turn of the process
    now_ms: int  # milliseconds since the epoch, UTC
    settles: bool  # whether nothing may be left for a later turn
    last_ms: int = 0  # when a turn of this kind last succeeded, milliseconds; 0: never


class Turn(NamedTuple):
    """One kind of turn."""

    seconds: Callable[[Settings], float]  # from the beginning of one to that of the next
    take: Callable[[Work], Report]
    hour: Callable[[Settings], int] | None = None  # of the business day; None: at any time


class StoppedError(Exception):
    """The process is to end, or has lost the lock; what is left of the turn is for the next one."""


def patient_client(settings: Settings) -> Client:
    """A client of turns; a statement that takes too long ends here and at the server.

    Raises:
        ReadingError: no server answers, or the account is refused.

    """
    seconds = settings.trainer.statement_seconds
    client = connect(settings.clickhouse.model_copy(update={"insert_seconds": seconds}))
    client.set_client_setting("max_execution_time", math.ceil(seconds))
    return client


def greatest_generation(client: Client) -> int:
    """The greatest generation of rows in the database; 0 without rows."""
    versions = [
        int(query(client, f"SELECT max(version) AS version FROM {table}")[0]["version"])  # noqa: S608  # names of ours
        for table in KEPT
    ]
    return max(versions) >> TURN_BITS


async def begin_by_hand(settings: Settings, client: Client, now_ms: int) -> int:
    """The generation of a turn beside those of the holder, greater than all of its own so far.

    Raises:
        BrokerError: the brokers do not answer, or refuse.
        ReadingError: ClickHouse refuses.

    """
    known = partial(greatest_generation, client)
    return await begin_generation(settings.kafka, claim(now_ms), known)


def _roll_ups(work: Work) -> Report:
    conf, zone = work.settings.clickhouse, work.settings.business_zone
    rollups = RollUps(
        work.client, conf.database, zone, replicated=bool(conf.cluster), before=work.before
    )
    version = Version(work.generation, work.number)
    return rollups.turn(version, now_ms=work.now_ms, at_once=work.settles)


@cache
def _reference_reader(settings: Settings) -> ReferenceReader:
    """What this process keeps of reference topics from one turn to the next."""
    return ReferenceReader(settings)


def _dimensions(work: Work) -> Report:
    reader = _reference_reader(work.settings)
    dimensions = Dimensions(work.client, work.settings, work.before, reader)
    version = Version(work.generation, work.number)
    return dimensions.turn(version, now_ms=work.now_ms, at_once=work.settles)


@cache
def _numbering(settings: Settings) -> Numbering:
    """What this process keeps of numbers from one turn to the next."""
    return Numbering(settings)


def _numbers(work: Work) -> Report:
    return _numbering(work.settings).turn(work.client, work.before, work.now_ms)


def _consents(work: Work) -> Report:
    since = max(0, work.last_ms - CLOCKS_MS) // 1000
    emptied = Consents(work.client, work.before).empty(since)
    rows = {"event": emptied.rows} if emptied.rows else {}
    return Report(rows=rows, left=emptied.why_left)


def _nightly(work: Work) -> Report:
    night = Night(work.client, work.settings, work.before, _reference_reader(work.settings))
    return night.turn(work.now_ms, work.last_ms)


TURNS: Final[Mapping[str, Turn]] = MappingProxyType(
    {
        MINUTES: Turn(
            lambda settings: settings.trainer.minutes_seconds,
            _roll_ups,
        ),
        DIMENSIONS: Turn(
            lambda settings: settings.trainer.dimensions_seconds,
            _dimensions,
        ),
        NUMBERS: Turn(
            lambda settings: settings.trainer.numbers_seconds,
            _numbers,
        ),
        CONSENTS: Turn(
            lambda settings: settings.trainer.consents_seconds,
            _consents,
        ),
        NIGHTLY: Turn(
            lambda _: 86_400.0,
            _nightly,
            lambda settings: settings.trainer.night_hour,
        ),
    }
)
