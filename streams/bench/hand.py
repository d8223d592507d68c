"""A hand-written consumer: confluent-kafka's `consume(500)`, msgspec, a dict of counts, no sink.

python -m streams.bench.hand BOOTSTRAP WARM EVENTS
"""

import json
import sys
import time
import uuid
from collections import Counter

import msgspec
from confluent_kafka import Consumer

from schemas.events import INPUTS
from streams.bench.peer import Stopwatch
from streams.settings import Settings

BATCH = 500  # larger ones are slower: the cache


class Event(msgspec.Struct, gc=False):
    """The only field that is counted."""

    kol_id: str | None = None


def main(bootstrap: str, warm: int, events: int) -> None:
    """Count events until the window is full, then print one JSON object and end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"hand-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([Settings().kafka.broker_topic(topic) for topic in INPUTS])
    decode = msgspec.json.Decoder(Event).decode
    counts: Counter[str | None] = Counter()
    watch = Stopwatch(warm, events)
    while True:
        messages = consumer.consume(BATCH, timeout=1.0)
        for message in messages:
            value = message.value()
            if value is not None:
                counts[decode(value).kol_id] += 1
        if watch.count_done(len(messages), time.perf_counter(), time.process_time()):
            break
    sys.stdout.write(json.dumps(watch.result()) + "\n")
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
