"""The dimensions of a database that no trainer keeps yet, before the views read it."""

import asyncio
import time
from contextlib import closing

from streams.settings import Settings
from streams.trainer.dimensions.reading import ReferenceReader
from streams.trainer.dimensions.turn import Dimensions
from streams.trainer.generations import Version, begin_generation, claim
from streams.trainer.report import Report
from streams.trainer.turns import greatest_generation, patient_client


async def read_dimensions(settings: Settings) -> Report:
    """Read all reference topics to their ends, by one turn beside those of a trainer.

    Raises:
        BrokerError, ReadingError: the brokers or ClickHouse refuse.

    """
    with closing(patient_client(settings)) as client:
        now_ms = time.time_ns() // 1_000_000
        generation = await begin_generation(
            settings.kafka, claim(now_ms), lambda: greatest_generation(client)
        )
        return await asyncio.to_thread(
            lambda: Dimensions(client, settings, lambda: None, ReferenceReader(settings)).turn(
                Version(generation, 1), now_ms=now_ms, at_once=True
            )
        )
