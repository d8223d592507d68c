"""Evidence for and against a KOL, as far as the allowance of an account reaches.

    c = agreement * min(1, account_age / 30 d)^2 * purchase     credibility of the source
    a <- 1 - 2^(-dt / half-life)                                allowance, begins at 1
    evidence = c a

A word takes all that the allowance holds, which grows again with the half-life of the dimension. It
is kept per user, KOL, dimension and sign, in the order of the log; time only moves forward in it.
So one account never has more than c in force for a dimension and sign. All numbers are integers
in millionths. Kumar et al., REV2: Fraudulent User Prediction in Rating Platforms (2018) for c.

Every word weighs the same: how much rarer those against a KOL are is for the population to say
(`streams.core.kol.population`), and one unit lets words be counted.

An account's age counts squared: ten accounts of three days weigh as much as a tenth of a grown
one, not as one. With odds of twenty one correction moves a score by points, so it has to be true.

Agreement is how often a source said what was believed a week later, 1/2 where that is not known;
purchase is 1 for who has bought, else 1/2 (numbers of kind `rater`). An account of unknown age
counts as 21 days old, which is half.
"""

import math
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, DIMENSIONS
from schemas.columns import Behaviour, Mask, Moments
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, packed
from streams.core.moments import HORIZON_MS, MINUTE_MS, NEVER

ONE: Final = 1_000_000
FOR, AGAINST = 0, 1

EVIDENCE_OF: Final = {  # kind -> dimension, sign
    Kind.MARK_CORRECT: ("E", FOR),
    Kind.EXPERT_CORRECTION: ("E", AGAINST),
    Kind.KOL_REPLY: ("B", FOR),
    Kind.QA_ATTEND: ("B", FOR),
    Kind.MARK_HELPFUL: ("B", FOR),
    Kind.UNFOLLOW: ("B", AGAINST),
    Kind.LEAVE_PRIVATE: ("B", AGAINST),
}
AGREEMENT: Final = ONE // 2  # of a source that nobody has judged
GROWN_D: Final = 30.0  # days
UNKNOWN_AGE_D: Final = 21.0  # days

FULL_AFTER: Final = 10  # half-lives: then the allowance is whole again

_BITS: Final = 32
_MOMENT_BITS: Final = 42  # of milliseconds: until the year 2109


class _Recovery(NamedTuple):
    """How an allowance grows again."""

    half_life: int  # minutes
    missing: NDArray[np.int64]  # of what was missing, 2^32, by minutes inside one half-life

    @classmethod
    def of(cls, half_life: int) -> Self:
        left = [round(2**_BITS * 2 ** (-minute / half_life)) for minute in range(half_life)]
        return cls(half_life, np.array(left, np.int64))

    def left(self, passed_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """An allowance some time after it was used up, in millionths."""
        halvings, minutes = np.divmod(passed_ms // MINUTE_MS, self.half_life)
        missing = ONE * self.missing[minutes] >> (_BITS + np.minimum(halvings, FULL_AFTER))
        return ONE - np.where(halvings < FULL_AFTER, missing, 0)


_USUAL: Final = _Recovery.of(20_160)  # 14 d
_OF_OUTCOME: Final = _Recovery.of(86_400)  # 60 d

NO_EVIDENCE: Final = -1
_SIDE: Final = np.full(256, NO_EVIDENCE, np.int64)  # dimension * 2 + sign
_SIDE[list(EVIDENCE_OF)] = [2 * DIMENSIONS.index(d) + sign for d, sign in EVIDENCE_OF.values()]
OUTCOME: Final = 2 * DIMENSIONS.index("O")  # and its sign

SUM_FIELD: Final = np.array(
    [AT[f"{word}_{d}"] for d in DIMENSIONS for word in ("for", "against")]
)  # by side
SQUARE_FIELD: Final = np.array([AT[f"square_{d}"] for d in DIMENSIONS for _ in (FOR, AGAINST)])


def side_of(events: Behaviour) -> NDArray[np.int64]:
    """Dimension * 2 + sign of each event, NO_EVIDENCE where it is none."""
    return _SIDE[events.kind]


def credibility(
    account_age_d: NDArray[np.float64],
    agreement: NDArray[np.float64] | float = math.nan,
    bought: Mask | bool = False,  # noqa: FBT001, FBT002  # a column
) -> NDArray[np.int64]:
    """The credibility c of every source, in millionths.

    Args:
        account_age_d: days; NaN: not known.
        agreement: with what is believed, 0 to 1; NaN: not known.
        bought: whether the source has an order that stands.

    """
    age = np.where(np.isnan(account_age_d), UNKNOWN_AGE_D, account_age_d)
    agrees = np.where(np.isnan(agreement), AGREEMENT, ONE * np.asarray(agreement))
    grown = np.clip(age / GROWN_D, 0, 1) ** 2
    return np.rint(agrees * np.where(bought, 1.0, 0.5) * grown).astype(np.int64)


def recovered(sides: NDArray[np.int64], passed_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Allowances some time after they were used up, by dimension * 2 + sign, in millionths."""
    left = _USUAL.left(passed_ms)
    of_outcome = np.flatnonzero(sides >= OUTCOME)
    left[of_outcome] = _OF_OUTCOME.left(passed_ms[of_outcome])
    return left


def whole_after(sides: NDArray[np.int64]) -> NDArray[np.int64]:
    """After how long allowances are whole again, milliseconds."""
    half_life = np.where(sides >= OUTCOME, _OF_OUTCOME.half_life, _USUAL.half_life)
    return FULL_AFTER * half_life * MINUTE_MS


def expired(allowances: ExpiringTable, watermark: int) -> Mask:
    """Which allowances are whole again for every event to come."""
    until = allowances["at"] + whole_after(allowances["hi"].astype(np.int64)) + HORIZON_MS
    whole: Mask = until <= watermark
    return whole


class Allowances(ExpiringPart):
    """When each user's allowance was used, by KOL, dimension and sign; whole ones leave."""

    def __init__(self, slack: int) -> None:
        self._one = ExpiringTable(slack, expired, at=np.int64)
        super().__init__({"": self._one})

    def grant(
        self,
        user: RowNumbers,
        kol: NDArray[Any],
        sides: NDArray[np.int64],
        at: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The allowance of each word, in the order of the log, 1e-6."""
        row, first = self._one.add(packed(user, kol), sides.astype(np.uint64))
        self._one["at"][row[first]] = NEVER
        order = np.argsort(row, kind="stable")
        begins = np.diff(row[order], prepend=-1) != 0
        before = np.empty(len(row), np.int64)
        before[order] = _latest_before(at[order], begins, self._one["at"][row[order]])
        granted = np.full(len(row), ONE)
        again = np.flatnonzero(before != NEVER)
        passed = np.maximum(at[again] - before[again], 0)
        granted[again] = recovered(sides[again], passed)
        np.maximum.at(self._one["at"], row, at)
        return granted


def _latest_before(at: Moments, begins: Mask, used: Moments) -> Moments:
    """The latest moment of its group before each, `used` where a group begins."""
    group = np.cumsum(begins) << _MOMENT_BITS
    latest = np.maximum.accumulate(group + np.maximum(at, np.where(begins, used, 0))) - group
    return np.where(begins, used, np.roll(latest, 1))


def evidence(granted: NDArray[np.int64], credible: NDArray[np.int64]) -> NDArray[np.int64]:
    """The evidence c g, rounded to millionths."""
    return (granted * credible + ONE // 2) // ONE
