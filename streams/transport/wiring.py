"""How an app is tied to the transport: which topics, and who keeps their memory.

The order of events, which the transport guarantees:

* **Assignment.** Flow is stopped. `Hooks.lost` for partitions that went elsewhere, then
  `Hooks.assigned`: there a gained partition's state is fenced and restored and its new life
  committed. It answers where each input goes on, retained partitions included (their memory
  knows). Only then are the inputs sought to these offsets and fetched.
* **Rebalance.** All partitions are revoked first, as the group protocol has it. Queued
  batches are thrown away, `Hooks.drain` states and snapshots what memory holds, the offsets
  are committed, and the group goes on. Memory stays until the new assignment is known.
* **Stop.** Flow stops, `Hooks.drain`, commit, `Hooks.lost` for everything.
* **Crash.** No drain: memory may hold half a batch. `Hooks.lost`, and the next start replays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from faust.types import TP

BATCH_RECORDS: Final = 5_000  # per Faust event: keeps one fold within some milliseconds


class Hooks(Protocol):
    """Whoever keeps the partitions' memories. One call at a time, on the app's loop."""

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        """Partitions `added` are ours; make their memories ready. Nothing is read meanwhile.

        Returns:
            The next offset to read of every topic partition of `held` (added and retained).
            Never the group's offsets: state decides.

        Raises:
            Exception: the worker stops, and says why.

        """
        ...

    async def drain(self, lost: frozenset[int] | None) -> None:
        """No further batch comes: flush, snapshot, settle. `lost` is None while not yet known.

        May be cut off (cancelled) at the deadline; what is not settled then will be read again.
        """
        ...

    async def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are no longer ours: drop their memories, close their state logs."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the transport has to know about an app."""

    inputs: tuple[str, ...]  # aligned with each other by record time
    others: tuple[str, ...]  # read in batches too, as they come
    hooks: Hooks
    horizon_ms: int  # how far an input may run ahead of the others
    batch_records: int = BATCH_RECORDS
    leaves: bool = False  # a static member gives its place up at the stop (scale-in)
    drain_s: float | None = None  # at a rebalance; None: 0.7 of `broker_rebalance_timeout`
    stop_s: float = 7.0  # at the stop

    @property
    def topics(self) -> frozenset[str]:
        """Every topic that is read in batches; all with the same number of partitions."""
        return frozenset(self.inputs + self.others)


class NotCoPartitionedError(Exception):
    """The topics of a partition number are not all here, so its memory cannot be whole."""


def check_counts(counts: Mapping[str, int]) -> None:
    """Make sure that every topic is there, with as many partitions as the others.

    >>> check_counts({"a": 4, "b": 4})

    Raises:
        NotCoPartitionedError: one is missing or has another count.

    """
    if len(set(counts.values())) != 1 or 0 in counts.values():
        each = "; ".join(f"{topic}: {count}" for topic, count in sorted(counts.items()))
        raise NotCoPartitionedError(
            f"the topics need equal partition counts, and none may be missing ({each}). "
            "`kol topics` makes and verifies them; a count cannot be changed later."
        )


def shared_partitions(assigned: frozenset[TP], topics: frozenset[str]) -> frozenset[int]:
    """The partition numbers held, after making sure that every topic has the same ones.

    >>> sorted(shared_partitions(frozenset({TP("a", 3), TP("b", 3)}), frozenset({"a", "b"})))
    [3]

    Raises:
        NotCoPartitionedError: they differ.

    """
    by_topic = {topic: frozenset(p for t, p in assigned if t == topic) for topic in topics}
    numbers = frozenset(p for _, p in assigned)
    if any(held != numbers for held in by_topic.values()):
        each = "; ".join(f"{topic}: {sorted(held)}" for topic, held in sorted(by_topic.items()))
        raise NotCoPartitionedError(
            f"the topics do not have the same partitions here ({each}). They need equal partition "
            "counts, and every worker of the group must read the same topics: stop all workers "
            "before adding a topic, `kol topics` verifies the counts."
        )
    return numbers
