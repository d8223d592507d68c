"""Rows of `event`: each accepted event once, as it was decoded.

A row is a function of its event and of what is known at its record time. So it is stated once in
a life, at any time before its batch is durable, and stated again by who reads the event again: key
and values are the same.
What is collected here is no memory: no snapshot holds it.
"""

from collections.abc import Mapping
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Keys, Mask, Moments
from schemas.consents import ALLOWED
from schemas.events import INTERACTIONS, Kind
from schemas.identity import hashes_of
from schemas.rows import Rows, joined
from schemas.values import Coded, Values, pick
from schemas.version import version_of
from streams.core.arrays.index import RowNumbers
from streams.core.user.evidence import credibility
from streams.core.user.known_values import KnownValues

TABLE: Final = "event"
FOLDED: Final = 1  # an event is one statement
MILLION: Final = 1_000_000

_KINDS: Final = [kind.label for kind in Kind]
_KIND: Final = np.zeros(256, np.int32)  # place in `_KINDS` by code
_KIND[list(Kind)] = np.arange(len(Kind))


class EventRows:
    """Rows that nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[dict[str, Values]] = []
        self._users: list[Keys] = []
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
            which: the events that are stated.
            allowed: which of `ALLOWED` may be said of each of `events`, shape (n, 3); None: none.
            known: what is known of contents at record times; None: nothing.

        """
        if not which.size:
            return
        columns = {
            **_of(events),
            **_consented(details, allowed),
            **_disclosed(details, known or KnownValues(), events.received_at),
        }
        self._parts.append({name: pick(column, which) for name, column in columns.items()})
        self._users.append(events.user[which])
        self._count += len(which)

    def take(self, epoch: int, life: int) -> Rows | None:
        """All rows since the last call; None where there are none."""
        if not self._parts:
            return None
        rows = joined([Rows(TABLE, part) for part in self._parts])
        columns = {
            **rows.columns,
            "user_hash": hex_of(np.concatenate(self._users)),
            "version": np.full(self._count, version_of(epoch, life, FOLDED), np.uint64),
        }
        self._parts, self._users, self._count = [], [], 0
        return Rows(TABLE, columns)


def hex_of(users: Keys) -> NDArray[np.bytes_]:
    """Keys of users as texts of 32 hex digits."""
    return np.frombuffer(hashes_of(users).hex().encode(), "S32")


def _of(events: Behaviour) -> dict[str, Values]:
    """The columns that rules read, too."""
    count = len(events)
    speaks = events.topic == INTERACTIONS
    completion = np.rint(events.completion * MILLION)
    return {
        "moment": events.at,
        "received_at": events.received_at,
        "topic": Coded(np.zeros(count, np.int32), [events.topic]),
        "kind": Coded(_KIND[events.kind], _KINDS),
        "kol_id": Coded(events.kol, events.kols),
        "share_depth": events.share_depth,
        "dwell_ms": events.dwell_ms,
        "completion_ppm": np.where(np.isnan(completion), -1, completion).astype(np.int32),
        "visible_ms": events.visible_ms,
        "account_age_d": events.account_age_d,
        "credibility_ppm": credibility(events.account_age_d)
        if speaks
        else np.zeros(count, np.int64),
        "identity": events.identity[:, 0],
    }


def _disclosed(
    details: Mapping[str, Values], known: KnownValues, received_at: Moments
) -> dict[str, Values]:
    """Whether their contents are sponsored and say so, and by which number."""
    content = cast("Coded", details["content_id"])
    found = known.disclosure(content.names, content.code, received_at)
    return {
        "sponsored": found.sponsored,
        "disclosed": found.disclosed,
        "snapshot": found.number,
    }


def _consented(details: Mapping[str, Values], allowed: Mask | None) -> dict[str, Values]:
    """The details, without what is not allowed to be said."""
    found = dict(details)
    for place, name in enumerate(ALLOWED):
        label = cast("Coded", found[name])
        is_allowed = False if allowed is None else allowed[:, place]
        found[name] = Coded(np.where(is_allowed, label.code, -1), label.names)
    return found
