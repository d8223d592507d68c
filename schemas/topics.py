"""Every topic, its key, its partitions and its configuration, as data.

`kol topics` creates what is missing from this table and verifies the rest against it. N is
the number of partitions of a deployment: the inputs, the cells and the states have it alike,
so that one worker holds the same partition numbers of all of them. It cannot change later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.reference_types import (
    CONSENTS,
    CONTENTS,
    IDENTITIES,
    NOTICES,
    PERCEPTIONS,
    POLICIES,
    PROFILES,
    SPEND,
)

CELLS: Final = "kol-cells"
USER_STATE: Final = "kol-user-state"
KOL_STATE: Final = "kol-kol-state"
SNAPSHOTS: Final = "kol-snapshots"
CRISES: Final = "kol-crises"
REVIEWS: Final = "kol-reviews"
ERASURES: Final = "kol-erasures"
DEAD_LETTERS: Final = "kol-dead-letters"
TRAINER: Final = "kol-trainer"

OWN: Final = frozenset({CELLS, USER_STATE, KOL_STATE, DEAD_LETTERS, TRAINER})  # of one app alone

MAX_MESSAGE_BYTES: Final = 1 << 20  # of a record batch, as the broker counts it
DEAD_LETTER_BYTES: Final = MAX_MESSAGE_BYTES + (64 << 10)  # any input record and its headers

Spread = Literal["N", "1", "1-N"]
Configs = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what it carries and how it is set up."""

    name: str
    key: str
    partitions: Spread  # as many as the deployment has, exactly one, or any number between
    about: str
    required: Configs  # verified: with another value events get lost or rows get wrong
    initial: Configs  # set at creation, the operator's afterwards

    def count(self, n: int) -> int:
        """How many partitions it is created with, in a deployment of `n`."""
        return n if self.partitions == "N" else 1

    def fits(self, count: int, n: int) -> bool:
        """Whether `count` partitions are right in a deployment of `n`."""
        return count == self.count(n) or (self.partitions == "1-N" and 1 <= count <= n)


def plan(n: int) -> dict[str, tuple[int, dict[str, str]]]:
    """How many partitions and which configuration each topic is created with.

    >>> plan(8)["kol-reviews"]
    (1, {'cleanup.policy': 'compact', 'max.message.bytes': '1048576'})
    """
    return {t.name: (t.count(n), {**t.required, **t.initial}) for t in TOPICS.values()}


def alter_command(topic: str, key: str, value: str) -> str:
    """How a person gives a topic of the brokers a setting.

    >>> alter_command("a", "b", "c")
    'kafka-configs.sh --alter --entity-type topics --entity-name a --add-config b=c'
    """
    what = f"--entity-type topics --entity-name {topic} --add-config {key}={value}"
    return f"kafka-configs.sh --alter {what}"


def _limit(limit: int) -> Configs:
    return {"max.message.bytes": str(limit)}


def _days(days: int) -> Configs:
    return {"retention.ms": str(days * 86_400_000)}


_DELETED: Final = {"cleanup.policy": "delete"}
_COMPACTED: Final = {"cleanup.policy": "compact", **_limit(MAX_MESSAGE_BYTES)}
_INPUT: Final = {
    **_DELETED,
    **_limit(MAX_MESSAGE_BYTES),
    "message.timestamp.type": "LogAppendTime",  # the broker's clock, not a producer's
}
_WEEK: Final = _days(7)
_REFERENCE: Final = {
    **_COMPACTED,
    "message.timestamp.type": "LogAppendTime",
    "delete.retention.ms": _days(30)["retention.ms"],  # until then a reader must have seen it gone
}
_ERASED: Final = {"max.compaction.lag.ms": "3600000"}  # so that erased users leave the disks
_STATE: Final = {
    "segment.bytes": str(64 << 20),  # the last segment is never compacted, and a restore reads it
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.2",  # the share of replaced records that a restore reads
    **_ERASED,
}
_LETTERS: Final = {"cleanup.policy": "compact,delete", **_ERASED, **_days(30)}

_ALL: Final = (
    Topic(CLICKSTREAM, "user_id", "N", "what users do in the shop", _INPUT, _WEEK),
    Topic(INTERACTIONS, "user_id", "N", "what users do with content of KOLs", _INPUT, _WEEK),
    Topic(PURCHASES, "user_id", "N", "orders paid, refunded, cancelled", _INPUT, _WEEK),
    Topic(PROFILES, "kol_id", "1-N", "who the KOLs are", _REFERENCE, _ERASED),
    Topic(CONTENTS, "content_id", "1-N", "what they published", _REFERENCE, {}),
    Topic(SPEND, "kol_id/campaign/day", "1-N", "what was spent", _REFERENCE, {}),
    Topic(PERCEPTIONS, "kol_id/respondent/wave", "1-N", "what surveys say", _REFERENCE, _ERASED),
    Topic(IDENTITIES, "anon_id/ts", "1-N", "which anonymous id is whose", _REFERENCE, _ERASED),
    Topic(POLICIES, "policy_id", "1-N", "public policy that moves demand", _REFERENCE, {}),
    Topic(NOTICES, "kol_id/kind/ref", "1-N", "violations, retractions, appeals", _REFERENCE, {}),
    Topic(CONSENTS, "user_id", "N", "what families allow to be used", _REFERENCE, _ERASED),
    Topic(
        CELLS,
        "none: partition by kol_id",
        "N",
        "changed minute cells and watermarks, from the user side to the KOL side",
        {**_DELETED, **_limit(MAX_MESSAGE_BYTES)},
        _WEEK,
    ),
    Topic(USER_STATE, "chunk", "N", "snapshots of the user side", _COMPACTED, _STATE),
    Topic(KOL_STATE, "chunk", "N", "snapshots of the KOL side", _COMPACTED, _STATE),
    Topic(
        SNAPSHOTS,
        "kind/number/part",
        "1",
        "numbered values: what all workers take for known from a record time on",
        {**_COMPACTED, "message.timestamp.type": "LogAppendTime"},
        {"segment.bytes": str(64 << 20), "segment.ms": "86400000"},  # superseded numbers go by days
    ),
    Topic(CRISES, "kol_id", "N", "crises opened, closed, superseded", _COMPACTED, {}),
    Topic(REVIEWS, "crisis_id", "1", "a person's verdict on a crisis", _COMPACTED, {}),
    Topic(
        ERASURES,
        "name of the user · moment",
        "N",
        "users to forget, each record on every partition",
        {**_COMPACTED, "message.timestamp.type": "LogAppendTime"},
        {},
    ),
    Topic(
        DEAD_LETTERS,
        "source topic/partition/offset",
        "N",
        "rejected messages and late purchases, byte for byte",
        _limit(DEAD_LETTER_BYTES),
        _LETTERS,
    ),
    Topic(
        TRAINER,
        "`newest`",
        "1",
        "who keeps the roll-ups; the number of a record is a generation of their rows",
        _COMPACTED,
        {},
    ),
)
TOPICS: Final[Mapping[str, Topic]] = MappingProxyType({topic.name: topic for topic in _ALL})

# Topics without which everything runs: what needs one of them has no value, and says so.
OPTIONAL: Final = frozenset({PROFILES, CONTENTS, SPEND, PERCEPTIONS, IDENTITIES, POLICIES, NOTICES})

# Topics that versions which did not use them have created, with settings of that time
ONCE_PLANNED: Final = frozenset({*OPTIONAL, SNAPSHOTS})

AT_LEAST: Final = frozenset({"delete.retention.ms"})  # settings that may also be greater


def suffices(key: str, value: str | None, wanted: str) -> bool:
    """Whether a setting has the value that is wanted, or one as good.

    >>> suffices("delete.retention.ms", "90", "80"), suffices("max.message.bytes", "90", "80")
    (True, False)
    """
    if key in AT_LEAST and value is not None and value.isdecimal():
        return int(value) >= int(wanted)
    return value == wanted


# Settings of `required` without which no worker starts, and why
DECISIVE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "message.timestamp.type": "record times of producers would decide which events are refused",
        "cleanup.policy": "events or state would be removed while they are needed",
    }
)

# Created, but nothing reads or nothing writes them yet: the docs do not list them.
PLANNED: Final = frozenset({CRISES, REVIEWS})
