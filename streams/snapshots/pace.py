"""How often a snapshot is taken: regularly, but never for more than a share of a core.

All snapshots of a worker together, of both sides and all its partitions, take at most
`SHARE` of one core: each of its n states has `SHARE / n`, and after a snapshot that was
`work` no other one of that state begins before `work / (SHARE / n)` has passed.
"""

from dataclasses import dataclass
from typing import Final

LEAST_S: Final = 5.0  # bounds what a crash must replay
SHARE: Final = 0.2  # of one core
MOST: Final = 120  # times the least interval: ten minutes, should a measurement be nonsense


@dataclass(slots=True)
class Pace:
    """When the next snapshot of one partition is due. Times are any steady clock, seconds.

    The interval stretches when a snapshot is much work: `work / share`. It relaxes by half
    per snapshot, so that one quick snapshot among slow ones does not mislead. Waiting is no
    work: after an outage of the broker snapshots are as frequent as before.
    """

    due_at: float
    least_s: float = LEAST_S
    share: float = SHARE
    interval_s: float = LEAST_S
    free_at: float = float("-inf")  # when the last one's work is paid off

    @classmethod
    def spread(
        cls,
        now: float,
        partition: int,
        partitions: int,
        least_s: float = LEAST_S,
        share: float = SHARE,
    ) -> "Pace":
        """The first ones of a worker's partitions fall evenly into the interval.

        `share` is this partition's own: a worker that keeps n states gives each `SHARE / n`.
        """
        phase = (partition % partitions + 1) / partitions
        return cls(now + least_s * phase, least_s, share, least_s)

    def is_due(self, now: float) -> bool:
        """Whether to take one now."""
        return now >= self.due_at

    def is_free(self, now: float) -> bool:
        """Whether one may be taken before it is due, because the partition came to rest."""
        return now >= self.free_at

    def taken(self, now: float, work_s: float) -> None:
        """One was taken; capturing and writing it cost `work_s` of a core.

        >>> pace = Pace(due_at=0.0)
        >>> pace.taken(now=0.0, work_s=2.0)
        >>> pace.due_at
        10.0
        """
        wanted = max(self.least_s, work_s / self.share, self.interval_s / 2)
        self.interval_s = min(wanted, MOST * self.least_s)
        self.due_at = now + self.interval_s
        self.free_at = now + min(work_s / self.share, self.interval_s)
