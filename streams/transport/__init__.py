"""Reads topics: Faust over aiokafka, one Faust event per fetched record batch.

`Transport` is found by the scheme `kafkab://` of the broker's URL. `wire` connects an app to
its topics and hooks before it starts; its agents read topics made by `batch_topic`:

    app = faust.App("kol", broker="kafkab://b1:9092", **APP_SETTINGS)
    wire(app, Wiring(inputs=INPUTS, others=(CELLS,), hooks=hooks, horizon_ms=HORIZON_MS))
    events = batch_topic(app, INPUTS)

    @app.agent(events)
    async def user_side(stream):
        async for event in stream.noack().events():
            if is_current(app, event):
                fold(event.value)

Faust asks the consumer for messages, the consumer its fetch thread; a record then goes by
`fetch_thread.py`, `records.py`, `consumer.py` and `deliveries.py` to its agent. `wiring.py`
says when which hook is called. An agent never acknowledges: when a snapshot is
durable, `consumer_of(app).mark_durable(offsets)` lets its offsets be committed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

import faust
from faust.exceptions import ImproperlyConfigured
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT, TopicT
from faust.types.tuples import Message

from streams.transport.consumer import BatchConsumer
from streams.transport.fetch_thread import OffsetsGoneError
from streams.transport.membership import FencedMemberError
from streams.transport.positions import ReadPosition
from streams.transport.raw_records import read_raw
from streams.transport.records import CorruptRecordsError
from streams.transport.wiring import Hooks, NotCoPartitionedError, Wiring

__all__ = [
    "APP_SETTINGS",
    "SCHEME",
    "TP",
    "BatchConsumer",
    "CorruptRecordsError",
    "FencedMemberError",
    "Hooks",
    "NotCoPartitionedError",
    "OffsetsGoneError",
    "ReadPosition",
    "Transport",
    "Wiring",
    "batch_topic",
    "consumer_of",
    "is_current",
    "read_raw",
    "wire",
]

SCHEME: Final = "kafkab"
QUEUED_BATCHES: Final = 8  # for an agent: who brings more to six is paused until there are three

# What the transport relies on, for `faust.App(**APP_SETTINGS)`; all else is the operator's.
APP_SETTINGS: Final[Mapping[str, Any]] = {
    "topic_allow_declare": False,  # topics belong to the deployment
    "topic_disable_leader": True,  # no topic of Faust's own
    "stream_wait_empty": True,  # drain while the agents still run
    "stream_recovery_delay": 0,  # there are no tables to wait for
    "PartitionAssignor": "streams.transport.assignor:Assignor",  # a topic may grow meanwhile
    "Topic": "streams.transport.queues:BatchTopic",  # delivery waits for no agent
    "TableManager": "streams.transport.tables:NoTables",  # starts a second sooner
    "store": "memory://",
    "table_standby_replicas": 0,
    "processing_guarantee": "at_least_once",  # snapshots make it exact
    "broker_commit_every": 1_000_000,  # the timer commits
    "broker_max_poll_records": None,  # bytes bound a fetch
    "broker_max_poll_interval": 900.0,  # survive a long outage of the sink inside the group
    "consumer_max_fetch_size": 1 << 20,  # per partition
    "consumer_auto_offset_reset": "earliest",
    "agent_supervisor": "mode.CrashingSupervisor",  # a half-folded batch must not live on
}


class BatchSchema(faust.Schema[Any, Any]):
    """Passes the batch on as it is: the agent decodes it and counts what is rejected."""

    def loads_key(  # Faust's
        self,
        app: Any,  # noqa: ANN401, ARG002  # Faust's signature
        message: Message,  # noqa: ARG002  # as above
        *,
        loads: Callable[..., Any] | None = None,  # noqa: ARG002  # as above
        serializer: Any = None,  # noqa: ANN401, ARG002  # as above
    ) -> Any:  # noqa: ANN401  # as above
        return None

    def loads_value(  # Faust's
        self,
        app: Any,  # noqa: ANN401, ARG002  # Faust's signature
        message: Message,
        *,
        loads: Callable[..., Any] | None = None,  # noqa: ARG002  # as above
        serializer: Any = None,  # noqa: ANN401, ARG002  # as above
    ) -> Any:  # noqa: ANN401  # as above
        batch, message.value = message.value, None  # the event has it; do not hold it twice
        return batch


class Transport(driver.Transport):
    """Faust's aiokafka transport, with a consumer of record batches."""

    Consumer: ClassVar[type[Any]] = BatchConsumer
    wiring: Wiring | None = None


def wire(app: faust.App, wiring: Wiring) -> None:
    """Connect an app to its topics and hooks; call it before `app.start()`.

    Raises:
        ImproperlyConfigured: the broker's scheme is another, or the streams are not awaited.

    """
    transport = app.transport
    if not isinstance(transport, Transport):
        raise ImproperlyConfigured(f"the broker's URL must begin with {SCHEME}://")
    if not app.conf.stream_wait_empty:
        raise ImproperlyConfigured("stream_wait_empty must be on: the drain needs the agents")
    transport.wiring = wiring


def batch_topic(app: faust.App, names: Sequence[str], queued: int = QUEUED_BATCHES) -> TopicT:
    """One Faust topic over all of `names`, with a short queue in front of its agent."""
    topic = app.topic(*names, schema=BatchSchema())
    topic.maxsize = queued  # `app.topic(maxsize=…)` is dropped silently: 4 096 batches
    return topic


def consumer_of(app: faust.App) -> BatchConsumer:
    """The app's consumer, typed."""
    return cast("BatchConsumer", app.consumer)


def is_current(app: faust.App, event: EventT[Any]) -> bool:
    """Whether an event belongs to the present assignment: ask before each fold."""
    return consumer_of(app).is_current(event.message)


# the entry point names it too; this serves a working tree that is not installed
drivers.TRANSPORTS.aliases.setdefault(SCHEME, "streams.transport:Transport")
