"""Stock Faust: an agent as shipped that decodes JSON and counts per KOL, no sink.

python -m streams.bench.stock BOOTSTRAP WARM EVENTS
"""

import json
import os
import sys
import tempfile
import time
import uuid
from collections import Counter

import faust

from schemas.events import INPUTS
from streams.bench.peer import Stopwatch
from streams.settings import Settings


def main(bootstrap: str, warm: int, events: int) -> None:
    """Count events until the window is full, then print one JSON object and end."""
    app = faust.App(
        f"stock-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=tempfile.gettempdir(),
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    topics = [Settings().kafka.broker_topic(topic) for topic in INPUTS]
    topic = app.topic(*topics, value_serializer="raw", value_type=bytes)
    counts: Counter[str | None] = Counter()
    watch = Stopwatch(warm, events)

    @app.agent(topic)
    async def count(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            counts[json.loads(value).get("kol_id")] += 1
            if watch.count_done(1, time.perf_counter(), time.process_time()):
                sys.stdout.write(json.dumps(watch.result()) + "\n")
                sys.stdout.flush()
                os._exit(0)  # the end of a measurement, not of an app

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
