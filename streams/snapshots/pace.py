"""How often a snapshot is taken: regularly, but never for more than a share of a core.

All snapshots of a worker together, of both sides and all its partitions, take at most
`SHARE` of one core: each of its n states has `SHARE / n`, and after a snapshot that was
`work` no other one of that state begins before `work / (SHARE / n)` has passed.
"""

from dataclasses import dataclass
from typing import Final

MIN_INTERVAL_S: Final = 5.0  # bounds what a crash must replay
SHARE: Final = 0.2  # of one core
MAX_STRETCH: Final = 120  # times the least interval: ten minutes, should a measurement be nonsense


@dataclass(slots=True)
class Pace:
    """When the next snapshot of one partition is due. Times are any steady clock, seconds.

    The interval stretches when a snapshot is much work: `work / share`. It relaxes by half
    per snapshot, so that one quick snapshot among slow ones does not mislead. Waiting is no
    work: after an outage of the broker snapshots are as frequent as before.
    """

    due_at: float
    min_interval_s: float = MIN_INTERVAL_S
    share: float = SHARE
    interval_s: float = MIN_INTERVAL_S
    affordable_at: float = float("-inf")  # when the last one's share of time is over

    @classmethod
    def spread(
        cls,
        now: float,
        partition: int,
        partitions: int,
        min_interval_s: float = MIN_INTERVAL_S,
        share: float = SHARE,
    ) -> "Pace":
        """The first ones of a worker's partitions fall evenly into the interval.

        `share` is this partition's own: a worker that keeps n states gives each `SHARE / n`.
        """
        phase = (partition % partitions + 1) / partitions
        return cls(now + min_interval_s * phase, min_interval_s, share, min_interval_s)

    def is_due(self, now: float) -> bool:
        """Whether to take one now."""
        return now >= self.due_at

    def is_affordable(self, now: float) -> bool:
        """Whether one may be taken before it is due, because the partition is idle."""
        return now >= self.affordable_at

    def record(self, now: float, work_s: float) -> None:
        """A snapshot was written; capturing and writing it cost `work_s` of a core.

        >>> pace = Pace(due_at=0.0)
        >>> pace.record(now=0.0, work_s=2.0)
        >>> pace.due_at
        10.0
        """
        interval = max(self.min_interval_s, work_s / self.share, self.interval_s / 2)
        self.interval_s = min(interval, MAX_STRETCH * self.min_interval_s)
        self.due_at = now + self.interval_s
        self.affordable_at = now + min(work_s / self.share, self.interval_s)
