"""How the trainer of an app stands, as the brokers know it: its group, its generation, its notes.

The holder commits its generation and notes beside it. So it is known on every machine, also where
the trainer's own pages cannot be reached, and after it died.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from kafka.errors import CoordinatorNotAvailableError, GroupIdNotFoundError

from schemas.topics import TRAINER
from streams.clients.kafka_admin import Broker

LONGEST_COMPLAINT: Final = 300  # characters: brokers keep 4 KiB of notes
LATE_SECONDS: Final = 300.0  # without a turn that succeeded: roll-ups stand still


class Notes(msgspec.Struct, frozen=True):
    """What a holder writes down; times are milliseconds since the epoch, UTC."""

    host: str
    pid: int
    since: int  # when it took over
    settled: int = 0  # the last generation in which a turn has left no roll-up waiting
    read: int = 0  # the last one in which a turn has left no record of a reference topic unread
    succeeded: dict[str, int] = {}  # turn -> when it last did; msgspec copies the default
    complaints: dict[str, str] = {}  # turn -> what a person should look at, although it did

    @property
    def who(self) -> str:
        """For a person.

        >>> Notes("shop-1", 7, 0).who
        'process 7 of shop-1'
        """
        return f"process {self.pid} of {self.host}"

    def after(
        self, turn: str, now_ms: int | None, complaint: str = "", **generations: int
    ) -> "Notes":
        """These notes after a turn that succeeded, with `settled` or `read` where it says that.

        Without a time it has left something: the next one begins where this one did.
        """
        succeeded = self.succeeded if now_ms is None else {**self.succeeded, turn: now_ms}
        complaints = {one: why for one, why in self.complaints.items() if one != turn}
        if complaint:
            complaints[turn] = complaint[:LONGEST_COMPLAINT]
        return msgspec.structs.replace(
            self, succeeded=succeeded, complaints=complaints, **generations
        )

    def encode(self) -> str:
        """As it is committed.

        >>> decode_notes(Notes("shop-1", 7, 0).encode()) == Notes("shop-1", 7, 0)
        True
        """
        return msgspec.json.encode(self).decode()


def decode_notes(text: str) -> Notes | None:
    """The notes in a text; None where it holds none."""
    try:
        return msgspec.json.decode(text, type=Notes)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """The trainers of an app at a moment."""

    members: int  # that run, the holder and those that stand by
    generation: int  # the last one that a holder confirmed; 0: none ever did
    notes: Notes | None

    def last_success(self, turn: str) -> int | None:
        """When a turn last succeeded, ms; None: never."""
        return None if self.notes is None else self.notes.succeeded.get(turn)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        notes = None if self.notes is None else msgspec.to_builtins(self.notes)
        return {"members": self.members, "generation": self.generation, "notes": notes}


def group_of(app_id: str) -> str:
    """The consumer group of the trainers of an app.

    >>> group_of("kol")
    'kol-trainer'
    """
    return f"{app_id}-trainer"


def standing(broker: Broker, app_id: str) -> Standing:
    """How the trainers of an app stand."""
    group, place = group_of(app_id), (TRAINER, 0)
    try:
        generation = broker.committed(group).get(place, 0)
        notes = decode_notes(broker.notes(group).get(place, ""))
        return Standing(len(broker.members(group)), generation, notes)
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):  # no group has ever been there
        return Standing(0, 0, None)
