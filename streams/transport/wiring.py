"""How an app is connected to the transport: which topics, and which hooks hold their state.

The transport guarantees this order:

* **Assignment.** Reading is stopped. `Hooks.lost` for partitions that went elsewhere, then
  `Hooks.assigned`: there a gained partition's former owner is fenced, its state restored, its
  new life committed. It returns where each topic goes on, also for retained partitions. Only
  then does the client seek to these offsets and fetch.
* **Rebalance.** All partitions are revoked first, as the group protocol has it. Queued
  batches are thrown away, `Hooks.drain` flushes and snapshots what memory holds, the offsets
  are committed, and the group goes on. State stays until the new assignment is known.
* **Stop.** Reading stops, `Hooks.drain`, commit, `Hooks.lost` for everything.
* **Crash.** No drain: memory may hold half a batch. `Hooks.lost`, and the next start replays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from faust.types import TP

PROTOCOL: Final = "faust"  # of a group whose members all may run together
BATCH_RECORDS: Final = 5_000  # per Faust event: keeps one fold within some milliseconds


class Hooks(Protocol):
    """What holds the state of partitions. One call at a time, on the app's loop."""

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        """Partitions `added` are ours: restore their state. Nothing is read meanwhile.

        Returns:
            The next offset to read of every topic partition of `held` (added and retained).
            Never the group's offsets: the state decides.

        Raises:
            Exception: the worker stops, and says why.

        """
        ...

    async def drain(self) -> None:
        """No further batch comes: flush, snapshot, mark durable.

        May be cancelled at the deadline; what is not durable then is read again.
        """
        ...

    async def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are no longer ours: drop their state, close their state logs."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the transport needs to know of an app."""

    inputs: tuple[str, ...]  # aligned with each other by record time
    others: tuple[str, ...]  # read in batches too, as they come
    hooks: Hooks
    horizon_ms: int  # how far an input may run ahead of the others
    first: frozenset[str] = frozenset()  # those of them that inputs stay unread for
    keyed: frozenset[str] = frozenset()  # those of them whose records are delivered with keys
    protocol: str = PROTOCOL  # of the group: a member with another one is refused by the broker
    batch_records: int = BATCH_RECORDS
    leaves: bool = False  # a static member gives its place up at the stop (scale-in)
    find_holder: Callable[[], str | None] | None = None  # asks for the member id with our name
    drain_s: float | None = None  # at a rebalance; None: 0.7 of `broker_rebalance_timeout`
    stop_s: float = 7.0  # at the stop

    @property
    def topics(self) -> frozenset[str]:
        """Every topic that is read in batches; all with the same number of partitions."""
        return frozenset(self.inputs + self.others)


class NotCoPartitionedError(Exception):
    """The topics of a partition number are not all here, so its state cannot be whole."""


def check_counts(counts: Mapping[str, int], deployed: int) -> None:
    """Make sure that every topic is there, with as many partitions as the others.

    Partitions beyond the deployed ones do not count, since nobody is assigned them.

    >>> check_counts({"a": 4, "b": 8}, deployed=4)

    Raises:
        NotCoPartitionedError: one is missing or has another count.

    """
    assignable = {min(count, deployed) for count in counts.values()}
    if len(assignable) != 1 or 0 in assignable:
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
