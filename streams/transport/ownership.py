"""Which partition numbers this worker holds, and the hooks that are called as they change."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from faust.types import TP

from streams.transport.wiring import Wiring, shared_partitions

log = logging.getLogger(__name__)


class Ownership:
    """Calls an app's hooks in the order that `wiring` describes.

    Args:
        wiring: topics and hooks.
        forget: called with lost partitions right before their hook is.

    """

    def __init__(self, wiring: Wiring, forget: Callable[[frozenset[int]], None]) -> None:
        self.lock = asyncio.Lock()  # hooks are called one at a time
        self._wiring = wiring
        self._forget = forget
        self._held: frozenset[int] = frozenset()
        self._generation = 0  # of the group, at the last assignment
        self._is_drained = False  # since reading was resumed

    async def assign(
        self, assigned: frozenset[TP], generation: int
    ) -> tuple[frozenset[int], Mapping[TP, int]]:
        """Release what went elsewhere, restore what is new. The caller holds `lock`.

        Args:
            assigned: topic partitions read in batches.
            generation: of the group.

        Returns:
            The partition numbers that are new, and where each of `assigned` goes on.

        Raises:
            NotCoPartitionedError: the topics do not have the same partitions.
            KeyError: the hook does not say where one of them goes on.

        """
        held = shared_partitions(assigned, self._wiring.topics)
        retained = self._held & held if self._saw_every_generation(generation) else frozenset()
        await self.release(self._held - retained)
        added = held - retained
        self._held = held
        starts = await self._wiring.hooks.assigned(added, held)
        if missing := assigned - starts.keys():
            raise KeyError(f"Hooks.assigned gave no offset for {sorted(missing)}")
        return added, {tp: starts[tp] for tp in assigned}

    def _saw_every_generation(self, generation: int) -> bool:
        """Whether nobody can have owned our partitions in between, as while we were asleep."""
        before, self._generation = self._generation, generation
        return generation in {before, before + 1}

    async def release(self, partitions: frozenset[int] | None = None) -> None:
        """These partitions, or all, are no longer ours. The caller holds `lock`."""
        partitions = self._held if partitions is None else partitions
        if partitions:
            self._held -= partitions
            self._forget(partitions)
            await self._wiring.hooks.lost(partitions)

    async def drain(self, deadline: float) -> None:
        """Let the app flush and snapshot, once until `resume`; cut off at `deadline`."""
        if self._is_drained:
            return
        self._is_drained = True
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())), self.lock:
                if self._held:
                    await self._wiring.hooks.drain()
        except TimeoutError:
            log.warning("the drain ran out of time; what is not durable is read again")
        except Exception:
            log.exception("the drain failed; what is not durable is read again")

    def resume(self) -> None:
        """Records are read again: there will be something to drain."""
        self._is_drained = False
