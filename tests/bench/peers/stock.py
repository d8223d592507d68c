"""Stock Faust: an agent as shipped that decodes JSON and counts per KOL, no sink.

python -m tests.bench.peers.stock BOOTSTRAP WARM EVENTS
"""

import json
import os
import sys
import tempfile
import uuid
from collections import Counter

import faust

from schemas.events import INPUTS
from streams.bench.windows import Marks
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
    marks = Marks(warm, events)

    @app.agent(topic)
    async def count(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            try:
                counts[json.loads(value).get("kol_id")] += 1
            except (ValueError, AttributeError):  # no JSON, no object
                counts[None] += 1
            if marks.count_done(1):
                marks.print_mark()
                os._exit(0)  # the end of a measurement, not of an app

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
