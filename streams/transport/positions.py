"""Where the reading of topic partitions stands, and what one turn of the fetch thread brings."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from faust.types import TP

from streams.transport.records import PIECE_BYTES, Piece

if TYPE_CHECKING:
    pass


PIECES: Final = 8  # batches decoded in one turn of the fetch thread


TURN_BYTES: Final = 2 * PIECE_BYTES  # and what they may weigh, but for the last one


@dataclass(slots=True)
class Fetch:
    """What one turn of the fetch thread brings."""

    generation: int
    pieces: list[tuple[TP, Piece]] = field(default_factory=list)  # in the order to deliver
    plain: dict[TP, list[Any]] = field(default_factory=dict)  # of topics not read in batches

    @property
    def is_full(self) -> bool:
        """Whether it is enough for one turn."""
        weight = sum(piece.size for _, piece in self.pieces)
        return len(self.pieces) >= PIECES or weight >= TURN_BYTES

    def __bool__(self) -> bool:
        return bool(self.pieces or self.plain)


class End(NamedTuple):
    """Where a partition ends, as the broker says."""

    readable: int  # first offset not yet readable: of what is there, or of an open transaction
    appended: int  # first offset where nothing is yet
    at: int  # neither is older than this, milliseconds since the epoch


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """Where the reading of one topic partition stands."""

    position: int | None  # next offset to hand out; None: not begun
    end: int | None  # first offset not yet readable, as last heard; None: not heard lately
    quiet_s: float  # seconds since the last record, or since reading began
    safe: int | None = None  # the next offset as committed; None: not begun
    committed_at: float | None = None  # seconds since the epoch; None: not by this process
    given: int | None = None  # the offset behind the last records handed out; None: not begun
    ended_at: int | None = None  # `end` is no older than this, milliseconds since the epoch
    appended: int | None = None  # first offset where nothing is yet, as last heard

    @property
    def is_at_end(self) -> bool:
        """Whether everything readable was handed out."""
        return self.position is not None and self.end is not None and self.position >= self.end

    @property
    def is_whole(self) -> bool:
        """Whether everything appended was: no open transaction holds older events back."""
        return self.is_at_end and self.appended is not None and self.end == self.appended


class Answers:
    """How old what the broker says may be, though it is seen only now.

    An answer can lie about while this process is stopped or its threads wait for their turn.
    But it was asked for after the one before it had been seen, so it is no older than that.
    """

    def __init__(self) -> None:
        self._seen: dict[TP, tuple[int | None, int]] = {}  # when: the one before, and the last

    def asked_at(self, tp: TP, seen_at: int | None) -> int | None:
        """A time before the last answer was asked for; None while only one is known.

        Args:
            tp: what the answer is about.
            seen_at: when the last one was seen, milliseconds; None: there is none.

        """
        if seen_at is None:
            self._seen.pop(tp, None)
            return None
        before, last = self._seen.get(tp, (None, seen_at))
        if last != seen_at:
            before, last = last, seen_at
        self._seen[tp] = before, last
        return before
