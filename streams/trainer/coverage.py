"""How much of a source was found, and how much of it was added up.

A part of a table holds the inserts of its partition from a least to a greatest number, and the
rows that deletions up to its data version have left. So a partition is described by two numbers:

    block       no row beyond it was there
    mutation    the least data version of its parts: a deletion raises it once all of them have it

What is found at one moment is a `Coverage`. Rows with a number beyond the kept one's block are
new; a partition with another mutation than the kept one's may have lost rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Part(NamedTuple):
    """A part of a table, as `system.parts` has it."""

    partition: str
    first: int  # least number of an insert in it
    last: int  # greatest
    mutation: int  # its data version


class Reach(NamedTuple):
    """How much of a partition."""

    block: int
    mutation: int


Coverage = Mapping[str, Reach]  # partition -> how much of it


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where roll-ups of a source are true, as the last turn that wrote it left it."""

    of: str  # UUID of the source, as one restored numbers its inserts anew; its roll-ups
    coverage: Coverage
    zone: str  # of the days
    hours_from: int  # seconds: hours from this one on are kept
    turned_at: int  # milliseconds


def coverage_of(parts: Iterable[Part], *, replicated: bool) -> dict[str, Reach]:
    """How much of a table its active parts are.

    Numbers of a single server are given out and committed in one order. Those of replicas are
    committed in any order, so there only the unbroken beginning of a partition counts.

    >>> parts = [Part("202601", 0, 3, 0), Part("202601", 5, 5, 5)]
    >>> coverage_of(parts, replicated=False), coverage_of(parts, replicated=True)
    ({'202601': Reach(block=5, mutation=0)}, {'202601': Reach(block=3, mutation=0)})
    """
    found: dict[str, Reach] = {}
    for part in sorted(parts):
        before = found.get(part.partition)
        if before is None:
            found[part.partition] = Reach(part.last, part.mutation)
            continue
        is_next = not replicated or part.first <= before.block + 1
        block = max(before.block, part.last) if is_next else before.block
        found[part.partition] = Reach(block, min(before.mutation, part.mutation))
    return found


def is_more(found: Coverage, kept: Coverage) -> bool:
    """Whether there may be rows beyond the kept ones."""
    return any(reach.block > kept.get(at, Reach(-1, 0)).block for at, reach in found.items())


def may_be_less(found: Coverage, kept: Coverage) -> set[str]:
    """The partitions that may have lost rows of the kept ones.

    A server that restarts after its newest rows were dropped gives their numbers out again, so a
    block that is less than the kept one counts, too.
    """
    gone = Reach(-1, -1)
    there = {at: (found.get(at, gone), reach) for at, reach in kept.items()}
    return {
        at
        for at, (now, before) in there.items()
        if now.mutation != before.mutation or now.block < before.block
    }
