"""The dimensions of a database that no trainer keeps yet, before the views read it."""

import asyncio
import time
from contextlib import closing

from streams.settings import Settings
from streams.trainer.dimensions.reading import ReferenceReader
from streams.trainer.dimensions.turn import Dimensions
from streams.trainer.generations import Version
from streams.trainer.report import Report
from streams.trainer.turns import begin_by_hand, patient_client


async def read_dimensions(settings: Settings) -> Report:
    """Read all reference topics to their ends, by one turn beside those of a trainer.

    Raises:
        BrokerError, ReadingError: the brokers or ClickHouse refuse.

    """
    with closing(patient_client(settings)) as client:
        now_ms = time.time_ns() // 1_000_000
        generation = await begin_by_hand(settings, client, now_ms)
        return await asyncio.to_thread(
            lambda: Dimensions(client, settings, lambda: None, ReferenceReader(settings)).turn(
                Version(generation, 1), now_ms=now_ms, at_once=True
            )
        )
