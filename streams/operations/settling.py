"""Waiting until the roll-ups say what the tables say, and the dimensions what their topics say.

Whoever waits asks the trainer by a record of its topic. The holder of the lock sees it, begins a
generation above it, and takes a turn that leaves nothing for later; its notes say so. So this
needs the brokers alone, wherever the trainer runs.
"""

import asyncio
from typing import Final

from streams.clients.kafka_admin import Broker
from streams.operations import trainer_standing
from streams.operations.drain import PAUSE_SECONDS, NotDrainedError, Observer, Retrying
from streams.settings import Settings
from streams.trainer.generations import begin_generation, claim
from streams.trainer.standing import Standing, standing

ALONE_SECONDS: Final = 3.0  # without a trainer; one may be starting
NO_TRAINER: Final = (
    "no trainer runs, so roll-ups by hour and day stay as they are: `kol up` runs one, elsewhere "
    "`kol trainer`"
)
SAFE: Final = (
    "Events themselves are safe, in ClickHouse and in a snapshot; `kol rollup` brings roll-ups up "
    "to date by hand"
)


def settle(broker: Broker, settings: Settings, timeout: float, observer: Observer) -> bool:
    """Wait for a turn that began after this call; whether there was one.

    False where no trainer runs: then roll-ups stay as they are, and the observer is told.

    Raises:
        NotDrainedError: none has succeeded after `timeout` seconds.

    """
    started = observer.clock()
    retry = Retrying(started + timeout, observer)

    def stands() -> Standing:
        return retry(lambda: standing(broker, settings.app_id))

    while not (found := stands()).members:
        if observer.clock() - started > ALONE_SECONDS:
            observer.notice(NO_TRAINER)
            return False
        observer.sleep(PAUSE_SECONDS)
    observer.step("waiting for the roll-ups and the reference topics")
    mine = claim(observer.now_ms())
    asked = retry(lambda: asyncio.run(begin_generation(settings.kafka, mine)))
    is_reported = False
    while what := _left(found, asked):
        if observer.clock() - started > timeout:
            now = observer.now_ms()
            why = trainer_standing.fault(found, now) or trainer_standing.summary(found, now)
            raise NotDrainedError(
                f"{what} are not up to date after {max(0.0, timeout):.0f} s: {why}. {SAFE}"
            )
        if not (found.members or is_reported):
            is_reported = True
            observer.notice("the trainer is gone; waiting for one")
        observer.sleep(PAUSE_SECONDS)
        found = stands()
    return True


def _left(found: Standing, asked: int) -> str:
    """What no turn of a generation above this one has finished; empty once all is done.

    >>> _left(Standing(1, 3, None), 3)
    'the roll-ups'
    """
    if found.notes is None or found.notes.settled <= asked:
        return "the roll-ups"
    return "" if found.notes.read > asked else "the dimensions of reference topics"
