"""Rows of `event`: each accepted event once, as it was decoded.

A row is a function of its event and of what is known at its record time. So it is stated once in
a life, at any time before its batch is durable, and stated again by who reads the event again: key
and values are the same.
What is collected here is no memory: no snapshot holds it. Nor is anything computed while batches
come: the columns of some thousand events at once cost a fraction of what those of a batch do.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Keys, Mask
from schemas.consents import ALLOWED
from schemas.event_details import LABELS, NAMED, UNKNOWN
from schemas.events import CLICKSTREAM, INTERACTIONS, Kind
from schemas.identity import hashes_of
from schemas.numbered import CONTENT
from schemas.rows import Rows
from schemas.values import Coded, Values, join, join_codes, pick
from schemas.version import version_of
from streams.core.arrays.index import RowNumbers
from streams.core.user.evidence import credibility
from streams.core.user.known_values import Asked, KnownValues, Raters, disclosure

TABLE: Final = "event"
FOLDED: Final = 1  # an event is one statement
MILLION: Final = 1_000_000

_TOPICS: Final = [CLICKSTREAM, INTERACTIONS]
_KINDS: Final = [kind.label for kind in Kind]
_KIND: Final = np.zeros(256, np.int32)  # place in `_KINDS` by code
_KIND[list(Kind)] = np.arange(len(Kind))


class EventPart(NamedTuple):
    """Events of one batch that are stated."""

    events: Behaviour
    details: Mapping[str, Values]  # a column of which nothing is said may be missing
    allowed: Mask | None  # which of `ALLOWED` may be said, shape (n, 3); None: none
    asked: Asked  # what is known of contents
    raters: Raters  # and of users
    version: int


class EventRows:
    """Rows that nobody has taken yet."""

    def __init__(self) -> None:
        self._waiting: list[EventPart] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        events: Behaviour,
        details: Mapping[str, Values],
        which: RowNumbers,
        allowed: Mask | None = None,
        known: KnownValues | None = None,
    ) -> None:
        """Collect the rows of some events.

        Args:
            events: a decoded batch.
            details: of the same events, as `schemas.event_details` gives them.
            which: the events that are stated, ascending.
            allowed: which of `ALLOWED` may be said of each of `which`, shape (n, 3); None: none.
            known: what is known of contents and users at record times; None: nothing.

        """
        if not which.size:
            return
        if len(which) < len(events):
            details = {name: pick(column, which) for name, column in details.items()}
            events = events.take(which)
        known = known or KnownValues()
        asked = known.asked(CONTENT, events.received_at)
        raters = known.raters(events.user, events.received_at)
        self._waiting.append(EventPart(events, details, allowed, asked, raters, 0))
        self._count += len(which)

    def take(self, epoch: int, life: int) -> list[EventPart]:
        """All that was collected since the last call, for `rows_of`."""
        version = version_of(epoch, life, FOLDED)
        parts = [part._replace(version=version) for part in self._waiting]
        self._waiting, self._count = [], 0
        return parts


def needs_consent(details: Mapping[str, Values]) -> bool:
    """Whether any event says anything that only its user can allow to be said."""
    return any(name in details and any(cast("Coded", details[name]).names) for name in ALLOWED)


def rows_of(parts: Sequence[EventPart]) -> Rows | None:
    """The rows of events, also of several partitions, in that order; None where there are none."""
    if not parts:
        return None
    raters = Raters(*map(np.concatenate, zip(*(part.raters for part in parts), strict=True)))
    columns = {**_of([part.events for part in parts], raters), **_details(parts)}
    code, values = join_codes([part.asked for part in parts])
    found = disclosure(cast("Coded", columns["content_id"]), Asked(code, values))
    sizes = [len(part.events) for part in parts]
    return Rows(
        TABLE,
        {
            **columns,
            "sponsored": found.sponsored,
            "disclosed": found.disclosed,
            "snapshot": found.number,
            "version": np.repeat(np.array([part.version for part in parts], np.uint64), sizes),
        },
    )


def hex_of(users: Keys) -> NDArray[np.bytes_]:
    """Keys of users as texts of 32 hex digits."""
    return np.frombuffer(hashes_of(users).hex().encode(), "S32")


def _of(parts: Sequence[Behaviour], raters: Raters) -> dict[str, Values]:
    """The columns that rules read, too."""

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    topic = np.repeat([_TOPICS.index(part.topic) for part in parts], [*map(len, parts)])
    completion = np.rint(joined("completion") * MILLION)
    age = joined("account_age_d")
    speaks = topic == _TOPICS.index(INTERACTIONS)
    return {
        "moment": joined("at"),
        "received_at": joined("received_at"),
        "topic": Coded(topic, _TOPICS),
        "kind": Coded(_KIND[joined("kind")], _KINDS),
        "user_hash": hex_of(joined("user")),
        "kol_id": join([Coded(part.kol, part.kols) for part in parts]),
        "share_depth": joined("share_depth"),
        "dwell_ms": joined("dwell_ms"),
        "completion_ppm": np.where(np.isnan(completion), -1, completion).astype(np.int32),
        "visible_ms": joined("visible_ms"),
        "account_age_d": age,
        "credibility_ppm": np.where(speaks, credibility(age, *raters), 0),
        "identity": np.concatenate([part.identity[:, 0] for part in parts]),
    }


def _details(parts: Sequence[EventPart]) -> dict[str, Values]:
    """The details, without what is not allowed to be said."""
    sizes = [len(part.events) for part in parts]
    most = max(sizes)
    no_text, no_name = np.full(most, -1, np.int32), np.zeros(most, np.uint64)
    no_flag, no_word = np.full(most, UNKNOWN, np.int8), np.zeros((most, len(ALLOWED)), np.bool_)
    nothing = [Coded(no_text[:size], ()) for size in sizes]
    said = [part.details for part in parts]
    of_consent = [{} if part.allowed is None else part.details for part in parts]

    def column(name: str, absent: Iterable[Values]) -> Values:
        details = of_consent if name in ALLOWED else said
        return join([part.get(name, none) for part, none in zip(details, absent, strict=True)])

    found = {
        **{name: column(name, nothing) for name in LABELS},
        **{name: column(name, [no_name[:size] for size in sizes]) for name in NAMED},
        "first_screen": column("first_screen", [no_flag[:size] for size in sizes]),
    }
    allowed = np.concatenate(
        [no_word[: len(part.events)] if part.allowed is None else part.allowed for part in parts]
    )
    for place, name in enumerate(ALLOWED):
        label = cast("Coded", found[name])
        found[name] = Coded(np.where(allowed[:, place], label.code, -1), label.names)
    return found
