"""What every sink has in common: one verb, `write`, and what is known of its health."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from schemas.rows import Rows


class SinkStopped(Exception):  # noqa: N818  # it names what happened to the sink, as Kafka's do
    """Rows cannot be written until a person has mended something; the message says what.

    Nothing was dropped: the rows are not acknowledged, and no offset after them may be committed.
    """


class State(StrEnum):
    """How the sink of a table is doing."""

    OK = "ok"
    RETRYING = "retrying"
    STOPPED = "stopped"


class Fault(StrEnum):
    """Why a row can never be written: what about its values is to blame."""

    ENCODING = "encoding"  # our client cannot write them as their columns' types
    PARSING = "parsing"  # the server cannot read them
    TYPE = "type"  # the server read them, and their column takes no such values
    RANGE = "range"  # too large or too small for their column


@dataclass(frozen=True, slots=True)
class Written:
    """Rows that a sink has acknowledged."""

    table: str
    rows: int  # acknowledged, refused ones not among them
    refused: int = 0  # passed to `refuse`: they can never be written
    seconds: float = 0.0  # from the call to the acknowledgement


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that the database can never store."""

    table: str
    row: Mapping[str, Any]
    error: str  # for a person


Refuse = Callable[[Refused], Awaitable[None]]  # returns once the row is safe elsewhere


class Sink(Protocol):
    """Where rows are written."""

    async def write(self, rows: Rows) -> Written:
        """Write rows; returns once they are acknowledged. Calls may overlap.

        The arrays of `rows` must not change until then.

        Raises:
            SinkStopped: they are not acknowledged, and waiting will not help.

        """
        ...

    async def close(self) -> None:
        """Finish what is under way and close."""
        ...


@dataclass(slots=True)
class Health:
    """What is known of the sink of one table."""

    table: str
    state: State = State.OK
    rows: int = 0  # acknowledged
    waiting: int = 0  # handed in, not acknowledged
    refused: int = 0
    inserts: int = 0  # that succeeded
    retries: int = 0
    succeeded_at: float | None = None  # seconds since the epoch
    error: str = ""  # the last one, without values of rows


class Observer:
    """Is notified of what happens; this one ignores it, a subclass feeds metrics."""

    def written(self, health: Health, rows: int, seconds: float) -> None:
        """Rows were acknowledged this long after they were handed in."""

    def retried(self, health: Health) -> None:
        """An insert failed and will be tried again."""

    def refused(self, health: Health, fault: Fault) -> None:
        """A row was refused for good."""

    def changed(self, health: Health) -> None:
        """`health.state` is another one than before."""
