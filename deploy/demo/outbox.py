"""Messages of the demo under way to their topics: up to 2 s late, some twice, some malformed."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from deploy.demo import market
from deploy.demo.audience import User
from deploy.demo.market import Kol
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES

Event = dict[str, Any]
Message = tuple[str, Event]  # topic, value

DUPLICATED: Final = 0.02  # messages that come a second time
MALFORMED: Final = 0.001  # messages that come malformed as well
ON_TIME: Final = 0.8  # messages that are no later than `USUAL_DELAY_MS`
USUAL_DELAY_MS: Final = 50
MAX_DELAY_MS: Final = 2_000
SESSION_MS: Final = 1_800_000


class Outbox:
    """Events under way to their topics, in order of arrival.

    Args:
        rng: decides who is late, and what comes twice or malformed.

    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._pending: list[tuple[int, int, str, Event]] = []  # arrival, number, topic, event
        self._number = 0

    def arrived(self, until: int) -> Iterator[Message]:
        """Topic and event of all that arrives before a moment; each once."""
        while self._pending and self._pending[0][0] < until:
            _, _, topic, event = heappop(self._pending)
            yield topic, event

    def click(self, at: int, user: User, event: str, **fields: object) -> None:
        """Send an event of `clickstream`."""
        channel = "live" if "live_id" in fields else "social" if "kol_id" in fields else "shelf"
        self._send(
            CLICKSTREAM,
            at,
            user,
            {
                "event": event,
                "session_id": f"{user.device_hash[:6]}-{at // SESSION_MS:x}",
                "platform": user.platform,
                "channel_type": channel,
                "device_hash": user.device_hash,
                "ip_hash": user.ip_hash,
                **user.family,
                **fields,
            },
        )

    def interact(self, at: int, user: User, kol: Kol, event: str, **fields: object) -> None:
        """Send an event of `content-interactions`."""
        self._send(
            INTERACTIONS,
            at,
            user,
            {
                "event": event,
                "kol_id": kol.kol_id,
                "account_age_d": user.account_age_d,
                "device_hash": user.device_hash,
                "ip_hash": user.ip_hash,
                **fields,
            },
        )

    def purchase(self, at: int, user: User, **fields: object) -> Event:
        """Send an event of `purchases`."""
        channel = market.draw(self._rng, market.CHANNELS)
        about = {"platform": user.platform, "channel_type": channel, "is_member": user.is_member}
        return self._send(PURCHASES, at, user, {**fields, **about})

    def new_id(self, prefix: str, at: int) -> str:
        """An id that no other run of the world has: it holds the time."""
        self._number += 1
        return f"{prefix}{at:x}-{self._number:x}"

    def _send(self, topic: str, at: int, user: User, fields: Event) -> Event:
        """Put a message on its way: a little late, perhaps twice, perhaps malformed as well."""
        rng = self._rng
        event = {"event_id": self.new_id("e", at), "ts": at, "user_id": user.user_id, **fields}
        arrival = at + rng.randint(0, USUAL_DELAY_MS if rng.random() < ON_TIME else MAX_DELAY_MS)
        self._push(arrival, topic, event)
        draw = rng.random()
        if draw < DUPLICATED:
            self._push(arrival + rng.randint(100, MAX_DELAY_MS), topic, event)
        elif draw < DUPLICATED + MALFORMED:
            self._push(arrival, topic, rng.choice(MALFORM)(event))
        return event

    def _push(self, arrival: int, topic: str, event: Event) -> None:
        heappush(self._pending, (arrival, self._number, topic, event))
        self._number += 1


MALFORM: Final[tuple[Callable[[Event], Event], ...]] = (
    lambda event: {name: value for name, value in event.items() if name != "ts"},
    lambda event: event | {"ts": str(event["ts"])},
    lambda event: event | {"ts": event["ts"] // 1_000},  # seconds instead of milliseconds
    lambda event: event | {"event": "hologram_view", "kind": "gift"},
    lambda event: event | {"kol_id": "organic", "kind": "gift"},
)
