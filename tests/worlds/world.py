"""What all worlds have: a card of fixed figures, events day by day, and how they come to topics.

A world is its card and nothing else: equal cards are equal bytes. What is true in it is there
before any event is drawn, and no draw of an event changes it.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np

from deploy.demo import outbox
from deploy.demo.bulk import Sent
from deploy.demo.market import RHYTHM
from schemas.events import CLICKSTREAM
from tests.worlds.draws import Floats, Ints, uniform
from tests.worlds.messages import Events, Form

BEGIN_MS: Final = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC: a day and an ISO week begin
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000  # milliseconds
HORIZON_MS: Final = 2 * HOUR  # what comes later than this is too late, by `deploy/what-counts.md`
SHANGHAI_H: Final = 8  # hours ahead of UTC

Record = Mapping[str, Any]  # of a reference topic

_DAYS: Final = 10**5  # numbers of events: part, day, place in the day
_PLACES: Final = 10**8


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How events come to their topics.

    Attributes:
        copied: share of messages that come twice [deploy/demo/outbox.py, DUPLICATED].
        on_time: share that comes within 50 ms, others within 2 s [deploy/demo/outbox.py].
        stray: share that comes out of order, up to `stray_ms` later [chosen: 1 in 100, as phones
            that were offline].
        stray_ms: most of that delay [chosen: half an hour less than the two hours of the horizon,
            so that none is dropped].
        late: share of clickstream that comes too late, 3 to 6 hours [chosen: as few as are seen in
            a short world; of that topic alone, which always has newer events by then].
        broken: share of which a copy without its time comes as well [deploy/demo/outbox.py,
            MALFORMED].

    """

    copied: float = outbox.DUPLICATED
    on_time: float = outbox.ON_TIME
    stray: float = 0.01
    stray_ms: int = HORIZON_MS - 30 * MINUTE
    late: float = 0.0
    broken: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Card:
    """What every card has.

    Attributes:
        seed: of everything [chosen: any; targets ask for several].
        days: how long it goes on.
        kols: how many there are.
        users: how many accounts there are, those of attackers and before sign-in not counted.
        delivery: how events come to their topics.
        messages: that come, copies and all [counted]; 0 where nobody has counted them.
        sha256: of all messages in order [computed]; empty where nobody has.

    """

    seed: int = 1
    days: int
    kols: int
    users: int
    delivery: Delivery = Delivery()
    messages: int = 0
    sha256: str = ""

    def varied(self, **changes: Any) -> Self:  # noqa: ANN401  # of any figure
        """The same card but for some figures; nobody has counted its messages."""
        return replace(self, **{"messages": 0, "sha256": "", **changes})


class World(ABC):
    """Events of a card, in the order of their record times, and what is true meanwhile."""

    name: ClassVar[str]
    forms: ClassVar[Sequence[Form]]

    def __init__(self, card: Card) -> None:
        self.card = card

    @property
    @abstractmethod
    def accounts(self) -> int:
        """How many user ids there are: numbers of users are below it."""

    @abstractmethod
    def day(self, day: int) -> Events:
        """What begins on a day, by event time; some of it may happen on later ones."""

    def references(self) -> Iterator[tuple[str, Record]]:
        """Topic and record of what reference topics say, in order of their moments."""
        yield from ()

    @property
    def all_forms(self) -> Sequence[Form]:
        """The forms, and after them the same as they are when they come without a time."""
        timeless = [Form(one.topic, one.text.replace(',"ts":<at:13>', "")) for one in self.forms]
        return *self.forms, *timeless

    def days(self) -> Iterator[Events]:
        """All events day by day, in order of arrival: copies, late and broken ones, too.

        One day more than the card has: what would come after that is not told.
        """
        waiting = Events.joined([])
        for day in range(self.card.days + 1):
            end = BEGIN_MS + (day + 1) * DAY
            if day < self.card.days:
                new = delivered(self.day(day), self.card, self.forms)
                waiting = Events.joined([waiting, new])
            here = waiting["arrives"] < end
            yield waiting.take(here).in_order()
            waiting = waiting.take(~here)

    def keys(self) -> list[bytes]:
        """The key of every user's messages."""
        return [b"u%07d" % user for user in range(self.accounts)]

    def messages(self) -> Iterator[Sent]:
        """Topic, key and value of every message, for Kafka, in order of arrival."""
        keys, topics = self.keys(), [form.topic for form in self.all_forms]
        for events in self.days():
            values = events.messages(self.all_forms).tolist()
            for form, user, value in zip(
                events["form"].tolist(), events["user"].tolist(), values, strict=True
            ):
                yield topics[form], keys[user], value

    def digest(self) -> tuple[int, str]:
        """How many messages come, and the SHA-256 of topics, keys and values in order."""
        keys, topics = self.keys(), [form.topic.encode() for form in self.all_forms]
        count, found = 0, hashlib.sha256()
        for events in self.days():
            values = events.messages(self.all_forms).tolist()
            of = zip(events["form"].tolist(), events["user"].tolist(), values, strict=True)
            parts = [part for form, user, value in of for part in (topics[form], keys[user], value)]
            found.update(b"\n".join([*parts, b""]))
            count += len(events)
        return count, found.hexdigest()


def numbered(part: int, day: int, many: int) -> Ints:
    """Numbers of events that no other part of a world and no other day has."""
    return (part * _DAYS + day) * _PLACES + np.arange(many)


def moments(rng: np.random.Generator, day: int, many: int) -> Ints:
    """Moments of a day, as busy as its hours are."""
    weight = np.roll(RHYTHM, -SHANGHAI_H)
    hour = np.searchsorted(np.cumsum(weight) / np.sum(weight), rng.random(many), side="right")
    found: Ints = BEGIN_MS + day * DAY + hour * HOUR + rng.integers(0, HOUR, many)
    return found


def delivered(events: Events, card: Card, forms: Sequence[Form]) -> Events:
    """Events with their record times, and what comes twice or broken.

    It is decided by the number of each event: who else has events does not matter.
    """
    how, number, at = card.delivery, events["number"], events["at"]

    def drawn(name: str) -> Floats:
        return uniform(card.seed, f"delivery/{name}", number)

    slow = np.where(drawn("on time") < how.on_time, outbox.USUAL_DELAY_MS, outbox.MAX_DELAY_MS)
    later, odd, more = drawn("delay"), drawn("odd"), drawn("more")
    is_click = np.array([form.topic == CLICKSTREAM for form in forms])[events["form"]]
    late = how.stray + how.late * is_click
    delay = np.select(
        [odd < how.stray, odd < late], [later * how.stray_ms, (3 + 3 * later) * HOUR], later * slow
    )
    events = events.replace(arrives=at + delay.astype(np.int64))
    again = np.flatnonzero(more < how.copied)
    broken = np.flatnonzero((more >= how.copied) & (more < how.copied + how.broken))
    copy, malformed = events.take(again), events.take(broken)
    pause = 100 + drawn("pause")[again] * outbox.MAX_DELAY_MS
    return Events.joined(
        [
            events,
            copy.replace(arrives=copy["arrives"] + pause.astype(np.int64)),
            malformed.replace(form=malformed["form"] + len(forms)),
        ]
    )
