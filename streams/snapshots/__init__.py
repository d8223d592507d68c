"""Memory that survives: snapshots of a partition's arrays on its state topic.

log = StateLog(client, "kol", "user", "kol-user-state", 3, format=FORMAT)
opened = await log.open()                       # fence, restore, new life
where = starts(3, opened.offsets, logs)         # state decides where reading goes on
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
from streams.snapshots.starts import (
    Log,
    RetentionGapError,
    ShorterTopicError,
    Starts,
    StateMissingError,
    is_missing,
    starts,
)
from streams.snapshots.statelog import (
    ClosedError,
    FencedError,
    Opened,
    StateLog,
    UnsureError,
    Written,
)

__all__ = [
    "Arrays",
    "Capture",
    "ClosedError",
    "DamagedSnapshotError",
    "FencedError",
    "Log",
    "Manifest",
    "NewerFormatError",
    "Opened",
    "Pace",
    "RetentionGapError",
    "ShorterTopicError",
    "Starts",
    "StateLog",
    "StateMissingError",
    "UnsureError",
    "Written",
    "is_missing",
    "starts",
]
