"""Memory that survives: snapshots of a partition's arrays on its state topic.

log = StateLog(client, "kol", "user", "kol-user-state", 3, format=FORMAT)
opened = await log.open()                       # fence, restore, new life
where = start_offsets(3, opened.offsets, logs)         # state decides where reading goes on
…
taken = log.capture(memory.arrays())            # between two batches
…                                               # every row from before it acknowledged
written = await log.write(taken, offsets)       # durable: the offsets may be committed
"""

from streams.snapshots.chunks import (
    Arrays,
    Capture,
    DamagedSnapshotError,
    Manifest,
    NewerFormatError,
)
from streams.snapshots.pace import Pace
from streams.snapshots.start_offsets import (
    LogOffsets,
    RetentionGapError,
    ShorterTopicError,
    StartOffsets,
    StateMissingError,
    is_state_missing,
    start_offsets,
)
from streams.snapshots.statelog import Opened, StateLog, Written
from streams.snapshots.transactions import ClosedError, FencedError, UncertainCommitError

__all__ = [
    "Arrays",
    "Capture",
    "ClosedError",
    "DamagedSnapshotError",
    "FencedError",
    "LogOffsets",
    "Manifest",
    "NewerFormatError",
    "Opened",
    "Pace",
    "RetentionGapError",
    "ShorterTopicError",
    "StartOffsets",
    "StateLog",
    "StateMissingError",
    "UncertainCommitError",
    "Written",
    "is_state_missing",
    "start_offsets",
]
