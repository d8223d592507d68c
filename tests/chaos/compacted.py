"""After the faults: all compacted topics are compacted, and what they leave has to be enough.

somebody is forgotten ──▶ compaction ──▶ all killed: states come from what is left
      ──▶ the rest of the traffic ──▶ kol drain ──▶ the verdict
      ──▶ kol replay run, --swap: a second app reads everything ──▶ every view as before
"""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from schemas.partitioner import partition_of
from tests.builders import HOUR, click, paid
from tests.chaos.compaction import compact, compare_views, rows_of_views, without_rows
from tests.chaos.judging import Case, Say, judge
from tests.chaos.stack import START_SECONDS
from tests.chaos.world import Sent

GONE: Final = "user gone"  # does something before all others, and is forgotten
REPLAY: Final = "kol-2"
REPLAY_SECONDS: Final = 900.0
SETTLED_SECONDS: Final = 60.0  # until the trainer of the replay has added up and emptied everything


class Compacted(Protocol):
    """Figures that know how many records compaction took away."""

    compacted: int


def of_gone(now: int, partitions: int) -> list[Sent]:
    """What somebody does who is forgotten before compaction."""
    at = partition_of(GONE.encode(), partitions)
    events: list[tuple[str, Mapping[str, object]]] = [
        ("clickstream", click(ts=now - 8 * HOUR, user_id=GONE)),
        ("purchases", paid("o-gone", 999, ts=now - 7 * HOUR, user_id=GONE)),
    ]
    return [Sent(topic, at, GONE.encode(), json.dumps(one).encode()) for topic, one in events]


def compacted(case: Case, rest: Sequence[Sent], figures: Compacted, say: Say) -> list[str]:
    """What is wrong of a stack that goes on, and of one that begins anew, after compaction."""
    stack = case.stack
    stack.kol("forget", GONE, "--yes", "--json")
    case.gone = GONE
    case.known()  # also what is refused of records that go now
    figures.compacted = compact(stack.settings.kafka)
    say(f"  compaction took {figures.compacted:,} records away; all are killed")
    for name in [*stack.names(), *stack.trainers()]:
        stack.signal(name, signal.SIGKILL)
    case.tell(rest)
    case.drain()
    wrong = judge(case).wrong
    if not figures.compacted:
        wrong.append("compaction took nothing away")
    begun = time.monotonic()
    variables = json.loads(stack.kol("replay", "run", REPLAY, "--json", seconds=REPLAY_SECONDS))[
        "variables"
    ]
    stack.join("replay-worker", variables)
    stack.join_trainer("replay-trainer", variables)
    for name in ("replay-worker", "replay-trainer"):
        stack.serves(name, START_SECONDS)
    lost = case.lost()
    before = rows_of_views(stack.settings, lost)
    wrong += without_rows(before)
    stack.kol("replay", "run", REPLAY, "--swap", "--json", seconds=REPLAY_SECONDS)
    say(f"  a replay was there after {time.monotonic() - begun:.0f} s, without {len(lost)} letters")
    deadline = time.monotonic() + SETTLED_SECONDS
    while other := compare_views(rows_of_views(stack.settings, lost), before):
        if time.monotonic() > deadline:
            break
        time.sleep(1.0)
    return [*wrong, *(f"replay: {line}" for line in other)]
