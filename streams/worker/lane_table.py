"""The lanes that this worker owns: one of each side for each of its partitions."""

import time
from collections.abc import Callable, Collection, Iterator
from itertools import chain

from streams.core.sides import Side
from streams.snapshots.pace import SHARE
from streams.worker.kol_lane import KolLane
from streams.worker.lanes import Lane
from streams.worker.user_lane import UserLane


class LaneTable:
    """Lanes by side and partition, and the clock that their times are of.

    Args:
        partitions: of every input topic.
        mute_s: longest silence of a lane after its restore.
        on_crash: ends the worker with an error.
        clock: any steady clock, seconds.

    """

    def __init__(
        self,
        partitions: int,
        mute_s: float,
        on_crash: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.partitions = partitions
        self.user: dict[int, UserLane] = {}
        self.kol: dict[int, KolLane] = {}
        self.crash = on_crash
        self.clock = clock
        self._mute_s = mute_s

    def __len__(self) -> int:
        return len(self.user) + len(self.kol)

    def __iter__(self) -> Iterator[Lane]:
        return chain(self.user.values(), self.kol.values())

    def of(self, side: Side) -> list[Lane]:
        """The lanes of one side, by partition."""
        lanes: dict[int, UserLane] | dict[int, KolLane]
        lanes = self.user if side is Side.USER else self.kol
        return [lanes[partition] for partition in sorted(lanes)]

    def unmuted(self, side: Side) -> list[Lane]:
        """Those of them that may write."""
        now = self.clock()
        return [lane for lane in self.of(side) if not lane.is_muted(now, self._mute_s)]

    def find(self, side: Side, partition: int) -> Lane | None:
        """A lane, None where it is not ours."""
        return self.user.get(partition) if side is Side.USER else self.kol.get(partition)

    def is_ours(self, lane: Lane) -> bool:
        """Whether a lane still is in the table."""
        return self.find(lane.side, lane.partition) is lane

    @property
    def held(self) -> list[int]:
        """The partitions, in order."""
        return sorted(self.user.keys() | self.kol.keys())

    def add(self, user: UserLane, kol: KolLane) -> None:
        """Take both lanes of a partition in."""
        self.user[user.partition], self.kol[kol.partition] = user, kol
        self._share_core()

    def remove(self, partitions: Collection[int]) -> list[Lane]:
        """Let the lanes of these partitions go; gives them."""
        removed = [lane for lane in self if lane.partition in partitions]
        for partition in partitions:
            self.user.pop(partition, None)
            self.kol.pop(partition, None)
        self._share_core()
        return removed

    def abandon(self, error: BaseException) -> None:
        """Throw all memories away and end the worker: their events are to be read again."""
        self.user.clear()
        self.kol.clear()
        self.crash(error)

    def _share_core(self) -> None:
        """Let the snapshots of all lanes together take their share of a core."""
        for lane in self:
            lane.pace.share = SHARE / len(self)
