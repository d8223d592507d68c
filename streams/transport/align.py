"""Which topic of a partition is read next: the one whose next record is oldest.

Live, the topics of a partition arrive together and this decides nothing. While catching
up it keeps one topic from running days ahead of the others, which would make memory hold
days of open minutes. Only a bound on memory hangs on it: what is said in the end does not
depend on the order in which the topics are read.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

PATIENCE_S: Final = 5.0  # how long a topic is waited for that has more but brings nothing


@dataclass(frozen=True, slots=True)
class TopicHead:
    """Where one topic of a partition stands. Times are record times in milliseconds."""

    head: int | None  # of the next record at hand; None: nothing is at hand
    ready: bool  # the records at hand may be taken now
    more: bool  # the broker has, or may have, more than what is at hand
    reached: int | None  # of the newest record taken so far; None: not known

    @property
    def bound(self) -> int | None:
        """A time that the next record is not expected to be older than; None: not known."""
        return self.head if self.head is not None else self.reached


def foremost(topics: Mapping[str, TopicHead], horizon_ms: int) -> str | None:
    """The topic to read next: its head is the oldest at hand.

    None if nothing is at hand, or if that topic is more than `horizon_ms` ahead of one that
    has more to bring. A topic at its end holds nobody.

    >>> at_ten, at_noon = TopicHead(10, True, True, None), TopicHead(12, True, True, None)
    >>> foremost({"a": at_noon, "b": at_ten}, horizon_ms=1)
    'b'
    >>> behind = TopicHead(None, True, True, 10)
    >>> foremost({"a": at_noon, "b": behind}, horizon_ms=1) is None
    True
    """
    heads = {topic: it.head for topic, it in topics.items() if it.ready and it.head is not None}
    if not heads:
        return None
    topic = min(heads, key=lambda name: (heads[name], name))
    slow = [
        it for name, it in topics.items() if name not in heads and (it.head is not None or it.more)
    ]
    ahead = any(it.bound is None or heads[topic] - it.bound > horizon_ms for it in slow)
    return None if ahead else topic


class Alignment:
    """`foremost`, with a bound on the waiting: nobody waits for ever for a silent topic."""

    def __init__(self, horizon_ms: int, patience_s: float = PATIENCE_S) -> None:
        self._horizon_ms = horizon_ms
        self._patience_s = patience_s
        self._held_since: dict[Hashable, float] = {}

    def choose(self, group: Hashable, topics: Mapping[str, TopicHead], now: float) -> str | None:
        """The topic of `group` to read next, None to wait; `now` is any steady clock, seconds."""
        topic = foremost(topics, self._horizon_ms)
        if topic is not None:
            self._held_since.pop(group, None)
            return topic
        ready = {name: it for name, it in topics.items() if it.ready and it.head is not None}
        if not ready or now - self._held_since.setdefault(group, now) < self._patience_s:
            return None
        return foremost(ready, self._horizon_ms)

    def forget(self) -> None:
        """Begin anew, after the positions have changed."""
        self._held_since.clear()
