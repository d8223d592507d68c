"""State that survives: snapshots of a partition's arrays on its state topic.

log = StateLog(client, "kol", "user", "kol-user-state", 3, CONVERSIONS)
opened = await log.open()                          # fence, restore, commit the new life
begins = start_offsets(3, opened.offsets, logs)    # the state decides where reading begins
…
capture = log.capture(memory.arrays())             # between two batches
…                                                  # every row from before it acknowledged
written = await log.write(capture, offsets)        # durable: the offsets may be committed
"""

from streams.snapshots.chunks import (
    Capture,
    DamagedSnapshotError,
    Steps,
    run,
)
from streams.snapshots.formats import WAY_BACK, Conversion, NewerFormatError, format_number
from streams.snapshots.pace import Pace
from streams.snapshots.start_offsets import (
    LogOffsets,
    OldStateError,
    OtherKeyError,
    OtherTopicError,
    StateMissingError,
    check_topic_names,
    committed_beyond,
    start_offsets,
)
from streams.snapshots.statelog import Opened, StateLog
from streams.snapshots.transactions import ClosedError, FencedError, UncertainCommitError

__all__ = [
    "WAY_BACK",
    "Capture",
    "ClosedError",
    "Conversion",
    "DamagedSnapshotError",
    "FencedError",
    "LogOffsets",
    "NewerFormatError",
    "OldStateError",
    "Opened",
    "OtherKeyError",
    "OtherTopicError",
    "Pace",
    "StateLog",
    "StateMissingError",
    "Steps",
    "UncertainCommitError",
    "check_topic_names",
    "committed_beyond",
    "format_number",
    "run",
    "start_offsets",
]
