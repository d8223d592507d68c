"""Which topic of a partition is read next: the one whose next record is oldest.

While topics arrive together this decides nothing. While catching up it keeps one topic from
running days ahead of the others, which would fill memory with days of open minutes. It only
bounds memory: results never depend on the order in which the topics are read.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_WAIT_S: Final = 5.0  # for a topic that has more records but brings none


@dataclass(frozen=True, slots=True)
class TopicHead:
    """Where one topic of a partition stands. Times are record times in milliseconds."""

    head: int | None  # of the next record; None: no record is fetched
    is_ready: bool  # its agent can take records
    has_more: bool  # the broker has, or may have, more than what is fetched
    newest: int | None  # of the newest record read so far; None: not known

    @property
    def lower_bound(self) -> int | None:
        """A time that the next record is not expected to be older than; None: not known."""
        return self.head if self.head is not None else self.newest


def next_topic(topics: Mapping[str, TopicHead], horizon_ms: int) -> str | None:
    """The topic whose next record is oldest among those that can be read now.

    None if there is none, or if that topic is more than `horizon_ms` ahead of one that has
    more to bring. A topic at its end holds no other back.

    >>> at_ten, at_noon = TopicHead(10, True, True, None), TopicHead(12, True, True, None)
    >>> next_topic({"a": at_noon, "b": at_ten}, horizon_ms=1)
    'b'
    >>> behind = TopicHead(None, True, True, 10)
    >>> next_topic({"a": at_noon, "b": behind}, horizon_ms=1) is None
    True
    """
    heads = {topic: it.head for topic, it in topics.items() if it.is_ready and it.head is not None}
    if not heads:
        return None
    topic = min(heads, key=lambda name: (heads[name], name))
    slow = [
        it
        for name, it in topics.items()
        if name not in heads and (it.head is not None or it.has_more)
    ]
    is_ahead = any(
        it.lower_bound is None or heads[topic] - it.lower_bound > horizon_ms for it in slow
    )
    return None if is_ahead else topic


class Alignment:
    """`next_topic`, but after `max_wait_s` a silent topic holds the others back no longer."""

    def __init__(self, horizon_ms: int, max_wait_s: float = MAX_WAIT_S) -> None:
        self._horizon_ms = horizon_ms
        self._max_wait_s = max_wait_s
        self._waiting_since: dict[Hashable, float] = {}

    def choose(self, group: Hashable, topics: Mapping[str, TopicHead], now: float) -> str | None:
        """The topic of `group` to read next, None to wait; `now` is any steady clock, seconds."""
        topic = next_topic(topics, self._horizon_ms)
        if topic is not None:
            self._waiting_since.pop(group, None)
            return topic
        ready = {name: it for name, it in topics.items() if it.is_ready and it.head is not None}
        if not ready or now - self._waiting_since.setdefault(group, now) < self._max_wait_s:
            return None
        return next_topic(ready, self._horizon_ms)

    def forget(self) -> None:
        """Begin anew, after the positions have changed."""
        self._waiting_since.clear()


class Catchup:
    """Whether inputs stay unread because a topic that goes first has more.

    They do until what was its end is read: its end may move on for ever. If it brings nothing for
    `max_wait_s` they are read all the same, and whoever needs more of it waits and says so.
    """

    def __init__(self, max_wait_s: float = MAX_WAIT_S) -> None:
        self._max_wait_s = max_wait_s
        self._behind: dict[Hashable, tuple[int, int, float]] = {}  # which end, where, since when

    def is_behind(self, which: Hashable, position: int, end: int, now: float) -> bool:
        """Whether to leave inputs unread; `now` is any steady clock, seconds."""
        goal, before, since = self._behind.get(which, (end, position, now))
        if position >= goal:
            self._behind.pop(which, None)
            return False
        if position != before:
            since = now
        self._behind[which] = goal, position, since
        return now - since < self._max_wait_s

    def forget(self) -> None:
        """Begin anew, after the positions have changed."""
        self._behind.clear()
