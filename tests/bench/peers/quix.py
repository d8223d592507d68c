"""W1 on quixstreams, as its documentation shows it: state by key, a group_by, change-logged stores.

    PYTHON -m tests.bench.peers.quix BOOTSTRAP WARM EVENTS PARTITIONS NAME

PYTHON is that of an environment of its own (`.venv/peers/quixstreams`): what it pins is not what we
pin. The three topics are concatenated, whose partitions it reads by record time; an order is judged
when it is read, and a cell is said anew with each of its events. It ends with its window, or once
nothing comes any more.
"""

import sys
import tempfile
from collections.abc import Iterator
from typing import Any, Final

from streams.bench.windows import Marks
from tests.bench.peers.w1 import COMMIT_SECONDS, LOOKED_AT, MINUTE_MS, Order, looked_at, read, split

INPUTS: Final = ("clickstream", "content-interactions", "purchases")
KEPT: Final = 2 * LOOKED_AT
IDLE_SECONDS: Final = 3.0  # without a message: everything is read

Event = dict[str, Any]
State = Any  # quixstreams' own: that is only where this runs, not where it is read


def by_user(event: Event, state: State) -> Event | None:
    """Keep a touch; the message of an order that is judged."""
    touches = state.get("touches", [])
    if "pay_cents" in event:
        order = Order(event["order_id"], event["ts"], event["pay_cents"])
        shares = split(order, looked_at([(at, kol) for at, kol in touches], order))
        return {"order": [order.order_id, shares]} if shares else None
    touches.append([event["ts"], event["kol_id"]])
    state.set("touches", sorted(touches)[-LOOKED_AT:] if len(touches) > KEPT else touches)
    return None


def by_kol(event: Event, state: State) -> Event:
    """Count an event; the message of its cell."""
    minute = event["ts"] // MINUTE_MS
    counts = state.get(str(minute), {})
    counts[event["event"]] = counts.get(event["event"], 0) + 1
    state.set(str(minute), counts)
    return {"cell": [event["kol_id"], minute, counts]}


def key_of(said: Event) -> str:
    """The key of a message of the output topic."""
    return said["order"][0] if "order" in said else "{} {}".format(*said["cell"][:2])


def main(bootstrap: str, warm: int, events: int, partitions: int, name: str) -> None:
    """Do W1 of everything that is on the inputs."""
    with tempfile.TemporaryDirectory(prefix="kol-bench-quix-") as folder:
        marks = Marks(warm, events)
        build(bootstrap, partitions, name, folder, marks).run(timeout=IDLE_SECONDS)
        marks.print_mark()


def build(bootstrap: str, partitions: int, name: str, folder: str, marks: Marks) -> Any:  # noqa: ANN401  # as above
    """The application, with its state below a folder."""
    from quixstreams import Application  # noqa: PLC0415  # as above
    from quixstreams.models import TopicConfig  # noqa: PLC0415  # as above

    app = Application(
        broker_address=bootstrap,
        consumer_group=name,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        state_dir=folder,
        producer_extra_config={"compression.type": "lz4", "linger.ms": 20},
        loglevel="ERROR",
    )
    config = TopicConfig(partitions, 1, {"cleanup.policy": "compact"})
    output = app.topic(f"{name}-output", value_serializer="json", config=config)

    def sound(topic: str) -> Any:  # noqa: ANN401  # it ships types, but not where this is checked
        def taken(value: bytes) -> Iterator[Event]:
            if marks.count_done(1):
                app.stop()
            event = read(topic, value)
            is_paid = topic == "purchases" and event is not None and event["kind"] == "paid"
            if event is not None and (is_paid or (topic != "purchases" and event.get("kol_id"))):
                yield event

        source = app.topic(topic, value_deserializer="bytes", key_deserializer="str")
        return app.dataframe(source).apply(taken, expand=True)

    clicks, interactions, purchases = map(sound, INPUTS)
    whole = clicks.concat(interactions).concat(purchases)
    orders = whole.apply(by_user, stateful=True)
    orders = orders.filter(lambda said: said is not None)
    orders.to_topic(output, key=key_of)
    met = whole.filter(lambda event: "pay_cents" not in event)
    cells = met.group_by(lambda event: event["kol_id"], name="kol")
    cells.apply(by_kol, stateful=True).to_topic(output, key=key_of)
    return app


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
