"""What a snapshot of the user side holds: arrays by name, as views; what is not yet written too."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Rejected
from schemas.events import INPUTS
from streams.core.arrays.arena import Arrays
from streams.core.user.state import UserState

Run = Callable[[Sequence[Callable[[], None]]], None]  # calls all functions, in any order


class Part(Protocol):
    """A part of memory that a snapshot can hold."""

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views, under names that begin with the prefix."""

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies."""


def in_turn(calls: Sequence[Callable[[], None]]) -> None:
    """Call one function after the other."""
    for call in calls:
        call()


def arrays_of(state: UserState) -> dict[str, NDArray[Any]]:
    """Everything a snapshot holds."""
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.array(list(state.durable_offsets.values()), np.int64),
        "reached": np.array(list(state.read_to.values()), np.int64),
        "scalars": np.array([state.folded, state.pruned_to], np.int64),
        "key": state.keyed.check,  # whose names these are
        "letters": np.frombuffer(msgspec.msgpack.encode(state.letters), np.uint8),
    }
    for name, part in _parts(state).items():
        arrays |= part.arrays(name)
    return arrays


def restore(state: UserState, arrays: Arrays, run: Run) -> None:
    """Take over what `arrays_of` gave.

    Nearly all of the time goes into indexes of parts that know nothing of each other;
    `run` may build them at the same time.
    """
    state.offsets |= dict(zip(state.offsets, arrays["offsets"].tolist(), strict=True))
    state.read_to = dict(zip(INPUTS, arrays["reached"].tolist(), strict=True))
    state.folded, state.pruned_to = arrays["scalars"].tolist()
    state.letters = msgspec.msgpack.decode(arrays["letters"].tobytes(), type=list[Rejected])
    parts = _parts(state)
    longest_first = sorted(parts, key=lambda name: name != "touches")  # as long as all others
    run([partial(parts[name].restore, name, arrays) for name in longest_first])


def _parts(state: UserState) -> dict[str, Part]:
    """The parts by the names of their arrays."""
    return {
        "tally": state.door_counts,
        **{f"gate.{topic}": gate for topic, gate in state.gates.items()},
        "names": state.names,
        "labels": state.labels,
        "users": state.users,
        "touches": state.touches,
        "orders": state.orders,
        "cells": state.cells,
        "distinct": state.distinct,
        "buyers": state.buyers,
        "depth": state.depth,
        "allowances": state.allowances,
        "share_reach": state.share_reach,
        "unfollowers": state.unfollowers,
        "admission": state.admission,
        "forgotten": state.erased,
        "consents": state.consents,
    }
