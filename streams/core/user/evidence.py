"""Evidence for and against a KOL, as far as the allowance of an account reaches.

    c = agreement * min(1, account_age / 30 d) * purchase     credibility of the source
    a <- 1 - (1 - a) 2^(-dt / 14 d)                           allowance, begins at 1
    g = min(v, a),   a <- a - g                               granted of the weight v
    evidence = c g

The allowance is kept per user, KOL, dimension and sign, in the order of the log of
content-interactions; time only moves forward in it. So one account never has more than c
in force for a dimension and sign. All numbers are integers in millionths.
Kumar et al., REV2: Fraudulent User Prediction in Rating Platforms (2018) for c.

Priors, until they are learned: agreement 1/2, verified purchase 1/2; an account of
unknown age counts as 15 days old.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, DIMENSIONS
from schemas.columns import Behaviour, Mask
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, packed
from streams.core.moments import HORIZON_MS, MINUTE_MS

ONE: Final = 1_000_000
FOR, AGAINST = 0, 1

EVIDENCE_OF: Final = {  # kind -> dimension, sign, weight
    Kind.MARK_CORRECT: ("E", FOR, 2 * ONE),
    Kind.EXPERT_CORRECTION: ("E", AGAINST, 2 * ONE),
    Kind.KOL_REPLY: ("B", FOR, ONE // 2),
    Kind.QA_ATTEND: ("B", FOR, ONE),
    Kind.MARK_HELPFUL: ("B", FOR, ONE),
    Kind.UNFOLLOW: ("B", AGAINST, ONE // 2),
    Kind.LEAVE_PRIVATE: ("B", AGAINST, ONE // 2),
}
CREDIBILITY: Final = ONE // 4  # of a grown account: agreement 1/2 times verified purchase 1/2
GROWN_D: Final = 30.0  # days
UNKNOWN_AGE_D: Final = 15.0  # days

HALF_LIFE_MIN: Final = 20_160  # 14 d
FULL_AFTER: Final = 10  # half-lives: then the allowance is whole again
RECOVERY_MS: Final = FULL_AFTER * HALF_LIFE_MIN * MINUTE_MS

_BITS = 32
MISSING_AFTER: Final = np.array(  # of what was missing, 2^32; minutes inside one half-life
    [round(2**_BITS * 2 ** (-minute / HALF_LIFE_MIN)) for minute in range(HALF_LIFE_MIN)], np.int64
)

_MISSING: Final = MISSING_AFTER.tolist()

FEW: Final = 16  # allowances of a batch with events left, below which they go one by one

NO_EVIDENCE: Final = -1
_WEIGHT: Final = np.zeros(256, np.int64)
_WEIGHT[list(EVIDENCE_OF)] = [weight for _, _, weight in EVIDENCE_OF.values()]
_SIDE: Final = np.full(256, NO_EVIDENCE, np.int64)  # dimension * 2 + sign
_SIDE[list(EVIDENCE_OF)] = [2 * DIMENSIONS.index(d) + sign for d, sign, _ in EVIDENCE_OF.values()]

SUM_FIELD: Final = np.array(
    [AT[f"{word}_{d}"] for d in DIMENSIONS for word in ("for", "against")]
)  # by side
SQUARE_FIELD: Final = np.array([AT[f"square_{d}"] for d in DIMENSIONS for _ in (FOR, AGAINST)])


def side_of(events: Behaviour) -> NDArray[np.int64]:
    """Dimension * 2 + sign of each event, NO_EVIDENCE where it is none."""
    return _SIDE[events.kind]


def credibility(account_age_d: NDArray[np.float64]) -> NDArray[np.int64]:
    """The credibility c of every source, in millionths."""
    age = np.where(np.isnan(account_age_d), UNKNOWN_AGE_D, account_age_d)
    return np.rint(CREDIBILITY * np.clip(age / GROWN_D, 0, 1)).astype(np.int64)


def recovered(left: NDArray[np.int64], passed_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is left of an allowance after a time, in millionths."""
    halvings, minutes = np.divmod(passed_ms // MINUTE_MS, HALF_LIFE_MIN)
    missing = (ONE - left) * MISSING_AFTER[minutes] >> (_BITS + np.minimum(halvings, FULL_AFTER))
    return ONE - np.where(halvings < FULL_AFTER, missing, 0)


def _grant_in_turn(
    left: int, last: int, at: Sequence[int], weight: Sequence[int]
) -> tuple[list[int], int, int]:
    """What the events of one allowance are granted one after the other, what is left, and when.

    The same as `recovered` with each: an account may send a million events, and arrays of
    one cost more than numbers.
    """
    granted = []
    for now, asked in zip(at, weight, strict=True):
        halvings, minutes = divmod(max(now - last, 0) // MINUTE_MS, HALF_LIFE_MIN)
        missing = 0
        if halvings < FULL_AFTER:
            missing = (ONE - left) * _MISSING[minutes] >> (_BITS + halvings)
        given = min(asked, ONE - missing)
        left, last = ONE - missing - given, max(last, now)
        granted.append(given)
    return granted, left, last


def expired(allowances: ExpiringTable, watermark: int) -> Mask:
    """Which allowances are whole again for every event to come."""
    whole: Mask = allowances["at"] + RECOVERY_MS + HORIZON_MS <= watermark
    return whole


class Allowances(ExpiringPart):
    """What is left of each user's allowance, by KOL, dimension and sign; whole ones leave."""

    def __init__(self, slack: int) -> None:
        self._one = ExpiringTable(slack, expired, left=np.int64, at=np.int64)
        super().__init__({"": self._one})

    def grant(
        self,
        user: RowNumbers,
        kol: NDArray[Any],
        sides: NDArray[np.int64],
        kind: NDArray[np.uint8],
        at: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """What each event is granted of its weight, in the order of the log, 1e-6."""
        row, first = self._one.add(packed(user, kol), sides.astype(np.uint64))
        left, last = self._one["left"], self._one["at"]
        left[row[first]], last[row[first]] = ONE, at[first]
        weight, granted = _WEIGHT[kind], np.zeros(len(row), np.int64)
        order = np.argsort(row, kind="stable")
        begins = np.flatnonzero(np.diff(row[order], prepend=-1))
        ends = np.append(begins[1:], len(row))[: len(begins)]
        turn = begins.copy()
        while len(turn) > FEW:  # each turn takes the first waiting event of every row
            event = order[turn]
            of, now = row[event], at[event]
            have = recovered(left[of], np.maximum(now - last[of], 0))
            granted[event] = np.minimum(weight[event], have)
            left[of] = have - granted[event]
            last[of] = np.maximum(last[of], now)
            turn += 1
            turn, ends = turn[turn < ends], ends[turn < ends]
        for begin, end in zip(turn.tolist(), ends.tolist(), strict=True):
            event = order[begin:end]
            of = row[event[0]]
            granted[event], left[of], last[of] = _grant_in_turn(
                int(left[of]), int(last[of]), at[event].tolist(), weight[event].tolist()
            )
        return granted


def evidence(granted: NDArray[np.int64], credible: NDArray[np.int64]) -> NDArray[np.int64]:
    """The evidence c g, rounded to millionths."""
    return (granted * credible + ONE // 2) // ONE
