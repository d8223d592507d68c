"""When each turn is due: again after some seconds, or at an hour of the business day."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from streams.settings import Settings
from streams.trainer.standing import LATE_SECONDS
from streams.trainer.turns import AWAITED, Turn

RETRY_SECONDS: Final = 5.0  # after a failure, at the least
RETRY_DAILY_SECONDS: Final = 600.0  # after one of a turn that is due once a day
LEFT_SECONDS: Final = 30.0  # after one that has left something
FIRST_SECONDS: Final = 60.0  # from a start to such a turn that no holder is known to have taken
SHARE: Final = 5  # a turn takes at most one in so many seconds, but for those that are asked for,
LONGEST_PAUSE: Final = LATE_SECONDS / 2  # and those whose roll-ups would count as late


class Schedule:
    """The turns of one process and when each is due; seconds of the clock.

    Args:
        turns: by name.
        settings: of the deployment.
        clock: seconds that never go back.
        now_ms: milliseconds since the epoch.

    """

    def __init__(
        self,
        turns: Mapping[str, Turn],
        settings: Settings,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._now_ms = now_ms
        self._zone = settings.business_zone
        self._hours = {name: turn.hour(settings) for name, turn in turns.items() if turn.hour}
        self.every = {name: turn.seconds(settings) for name, turn in turns.items()}
        first = {name: FIRST_SECONDS if turn.hour else 0.0 for name, turn in turns.items()}
        self.due = {name: clock() + seconds for name, seconds in first.items()}

    def take_over(self, succeeded: Mapping[str, int]) -> None:
        """Go on where the former holder's turns succeeded at these times, milliseconds."""
        for name in self._hours.keys() & succeeded.keys():
            self.due[name] = self._at_its_hour(name, succeeded[name])

    def ask(self) -> None:
        """Somebody waits for turns: they are due at once."""
        self.due.update(dict.fromkeys(self.due.keys() & set(AWAITED), 0.0))

    def wait(self) -> float:
        """Seconds until the next turn is due; 0 if one is."""
        return max(0.0, min(self.due.values()) - self._clock())

    def is_due(self, name: str) -> bool:
        """Whether a turn is."""
        return self.due[name] <= self._clock()

    def succeed(self, name: str, begun: float, *, is_left: bool = False) -> None:
        """A turn that began then has succeeded, perhaps with a part of what there is."""
        if is_left:
            self.due[name] = self._next(begun, LEFT_SECONDS)
        elif name in self._hours:
            self.due[name] = self._at_its_hour(name, self._now_ms())
        else:
            self.due[name] = self._next(begun, self.every[name])

    def fail(self, name: str, begun: float) -> None:
        """It has failed."""
        every = RETRY_DAILY_SECONDS if name in self._hours else self.every[name]
        self.due[name] = self._next(begun, max(every, RETRY_SECONDS))

    def again(self, name: str, seconds: float) -> None:
        """It is due so soon."""
        self.due[name] = self._clock() + seconds

    def _next(self, begun: float, every: float) -> float:
        now = self._clock()
        pause = min((SHARE - 1) * (now - begun), LONGEST_PAUSE)
        return max(begun + every, now + pause)

    def _at_its_hour(self, name: str, after_ms: int) -> float:
        due = next_hour(after_ms, self._hours[name], self._zone)
        return self._clock() + (due - self._now_ms()) / 1000


def next_hour(after_ms: int, hour: int, zone: str) -> int:
    """The first time that a clock of a zone shows a full hour after a moment, milliseconds.

    >>> next_hour(0, 3, "Asia/Shanghai") // 3_600_000, next_hour(0, 9, "Asia/Shanghai") // 3_600_000
    (19, 1)
    """
    after = datetime.fromtimestamp(after_ms / 1000, ZoneInfo(zone))
    at = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    if at <= after:
        at += timedelta(days=1)
    return int(at.timestamp() * 1000)
