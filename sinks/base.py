"""What every way out has in common: one verb, `write`, and what is known of its health."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from schemas.rows import Rows


class SinkStopped(Exception):  # noqa: N818  # it names what happened to the sink, as Kafka's do
    """Rows cannot be written until a person has mended something; the message says what.

    Nothing was dropped: the rows were not taken, and no offset behind them may be committed.
    """


class State(StrEnum):
    """How a table's way out is doing."""

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
    """Rows a sink has taken for good."""

    table: str
    rows: int  # acknowledged, refused ones not among them
    refused: int = 0  # given to `refuse`, for they can never be written
    seconds: float = 0.0  # from the call to the acknowledgement


@dataclass(frozen=True, slots=True)
class Refused:
    """One row the database can never take."""

    table: str
    row: Mapping[str, Any]
    error: str  # for a person


Refuse = Callable[[Refused], Awaitable[None]]  # returns once the row is safe elsewhere


class Sink(Protocol):
    """A way out for rows."""

    async def write(self, rows: Rows) -> Written:
        """Take rows; returns once they are safe. Calls may overlap.

        The arrays of `rows` must not change until then.

        Raises:
            SinkStopped: they are not safe, and waiting will not help.

        """
        ...

    async def close(self) -> None:
        """Finish what is under way and let go."""
        ...


@dataclass(slots=True)
class Health:
    """What is known of one table's way out."""

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
    """Told what happens; this one does not care. Metrics are fed by an heir."""

    def written(self, health: Health, rows: int, seconds: float) -> None:
        """Rows were acknowledged this long after they were handed in."""

    def retried(self, health: Health) -> None:
        """An insert failed and will be tried again."""

    def refused(self, health: Health, fault: Fault) -> None:
        """A row was refused for good."""

    def changed(self, health: Health) -> None:
        """`health.state` is another one than before."""
