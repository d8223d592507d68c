import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import NAMES
from schemas.columns import Behaviour
from schemas.events import INTERACTIONS, Kind
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.evidence import (
    EVIDENCE_OF,
    FEW,
    FULL_AFTER,
    HALF_LIFE_MIN,
    NO_EVIDENCE,
    ONE,
    RECOVERY_MS,
    SQUARE_FIELD,
    SUM_FIELD,
    Allowances,
    credibility,
    evidence,
    recovered,
    side_of,
)
from tests.builders import DAY, HOUR, NOON, decoded, interaction

KINDS = list(EVIDENCE_OF)
Judgement = tuple[int, int, Kind, int]  # user, KOL, kind, at

judgements = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.sampled_from(KINDS),
        st.sampled_from([NOON, NOON + HOUR, NOON - HOUR, NOON + 14 * DAY, NOON + 200 * DAY]),
    ),
    max_size=20,
)


def grant(allowances: Allowances, batch: list[Judgement]) -> list[int]:
    user, kol, _, at = np.array(batch, np.int64).reshape(-1, 4).T
    kind = np.array([kind for _, _, kind, _ in batch], np.uint8)
    facts = decoded(INTERACTIONS, [interaction(Kind(k).name.lower()) for k in kind.tolist()]).facts
    assert isinstance(facts, Behaviour)
    granted = allowances.grant(user, kol, side_of(facts), kind, at)
    return [int(one) for one in granted]


def expected_evidence(log: list[Judgement]) -> list[float]:
    """Say the definition again, in floats."""
    left: dict[tuple[int, int, str, int], tuple[float, int]] = {}
    granted = []
    for user, kol, kind, at in log:
        dimension, sign, weight = EVIDENCE_OF[kind]
        key = (user, kol, dimension, sign)
        have, last = left.get(key, (1.0, at))
        have = 1 - (1 - have) * 2 ** (-max(at - last, 0) / (14 * DAY))
        give = min(weight / ONE, have)
        left[key] = (have - give, max(at, last))
        granted.append(give)
    return granted


@given(st.lists(judgements, max_size=4))
def test_evidence_is_granted_one_after_the_other_in_the_order_of_the_log(
    batches: list[list[Judgement]],
) -> None:
    allowances, found = Allowances(slack=1000), list[int]()
    for batch in batches:
        found += grant(allowances, batch)
    log = [one for batch in batches for one in batch]

    assert [one / ONE for one in found] == pytest.approx(expected_evidence(log), abs=2e-3)


@given(judgements)
def test_many_allowances_at_once_and_one_after_the_other_are_granted_the_same(
    log: list[Judgement],
) -> None:
    together, apart = Allowances(slack=1000), Allowances(slack=1000)
    many = [(user, kol, kind, at) for _, kol, kind, at in log for user in range(FEW + 1)]
    found = grant(together, many)

    for user in range(FEW + 1):
        mine = [one for one in many if one[0] == user]
        assert grant(apart, mine) == found[user :: FEW + 1]
    arrays = [allowances.arrays("x") for allowances in (together, apart)]
    assert sorted(arrays[0]["x.left"].tolist()) == sorted(arrays[1]["x.left"].tolist())
    assert sorted(arrays[0]["x.at"].tolist()) == sorted(arrays[1]["x.at"].tolist())


@given(judgements, judgements)
def test_restored_allowances_go_on(first: list[Judgement], more: list[Judgement]) -> None:
    allowances, again = Allowances(slack=0), Allowances(slack=0)
    grant(allowances, first)
    again.restore("x", allowances.arrays("x"))

    assert grant(again, more) == grant(allowances, more)


def test_one_account_never_has_more_than_one_in_force() -> None:
    allowances = Allowances(slack=0)
    log: list[Judgement] = [(0, 0, Kind.MARK_HELPFUL, NOON)] * 3

    assert grant(allowances, log) == [ONE, 0, 0]


def test_a_fan_can_still_complain() -> None:
    allowances = Allowances(slack=0)

    assert grant(allowances, [(0, 0, Kind.QA_ATTEND, NOON), (0, 0, Kind.UNFOLLOW, NOON)]) == [
        ONE,
        ONE // 2,
    ]


def test_an_allowance_recovers_by_half_in_a_fortnight() -> None:
    allowances = Allowances(slack=0)
    found = grant(
        allowances,
        [(0, 0, Kind.MARK_CORRECT, NOON), (0, 0, Kind.MARK_CORRECT, NOON + 14 * DAY)],
    )

    assert found == [ONE, ONE // 2]


@given(st.integers(0, ONE), st.integers(0, 12 * HALF_LIFE_MIN * MINUTE_MS))
def test_recovery_is_exponential_to_a_millionth(left: int, passed: int) -> None:
    minutes = passed // MINUTE_MS
    exact = ONE - (ONE - left) * 2 ** (-minutes / HALF_LIFE_MIN)
    found = int(recovered(np.array([left]), np.array([passed]))[0])

    if minutes >= FULL_AFTER * HALF_LIFE_MIN:
        assert found == ONE
    else:
        assert abs(found - exact) <= 1


def test_an_allowance_that_is_whole_again_is_forgotten_without_a_trace() -> None:
    allowances = Allowances(slack=0)
    grant(allowances, [(0, 0, Kind.MARK_HELPFUL, NOON)])
    allowances.prune(NOON + RECOVERY_MS + HORIZON_MS - 1)
    before = len(allowances)
    allowances.prune(NOON + RECOVERY_MS + HORIZON_MS)

    assert [before, len(allowances)] == [1, 0]
    assert grant(allowances, [(0, 0, Kind.MARK_HELPFUL, NOON + RECOVERY_MS)]) == [ONE]


def test_allowances_are_kept_while_they_are_few() -> None:
    allowances = Allowances(slack=10)
    grant(allowances, [(0, 0, Kind.MARK_HELPFUL, NOON)])
    allowances.prune(NOON + 900 * DAY)

    assert len(allowances) == 1


def test_users_get_new_numbers_and_keep_their_allowances() -> None:
    allowances = Allowances(slack=0)
    grant(allowances, [(6, 0, Kind.MARK_HELPFUL, NOON)])
    allowances.renumber_users(np.arange(7) - 6)

    assert allowances.users().tolist() == [0]
    assert grant(allowances, [(0, 0, Kind.MARK_HELPFUL, NOON)]) == [0]


@pytest.mark.parametrize(
    ("age_d", "expected"), [(0, 0), (15, 125_000), (30, 250_000), (3_000, 250_000), (None, 125_000)]
)
def test_an_account_is_credible_as_far_as_it_has_grown(age_d: float | None, expected: int) -> None:
    assert credibility(np.array([np.nan if age_d is None else age_d])).tolist() == [expected]


def test_evidence_is_credibility_times_what_is_granted_rounded() -> None:
    assert evidence(np.array([ONE, 3, 2]), np.array([250_000, 166_667, 250_000])).tolist() == [
        250_000,
        1,
        1,
    ]


def test_each_side_has_its_fields() -> None:
    facts = decoded(INTERACTIONS, [interaction(Kind(k).name.lower()) for k in KINDS]).facts
    assert isinstance(facts, Behaviour)
    sides = side_of(facts)

    assert [NAMES[SUM_FIELD[one]] for one in sides] == [
        f"{('for', 'against')[sign]}_{dimension}" for dimension, sign, _ in EVIDENCE_OF.values()
    ]
    assert [NAMES[SQUARE_FIELD[one]] for one in sides] == [
        f"square_{dimension}" for dimension, _, _ in EVIDENCE_OF.values()
    ]


def test_a_like_says_nothing() -> None:
    facts = decoded(INTERACTIONS, [interaction("like")]).facts
    assert isinstance(facts, Behaviour)

    assert side_of(facts).tolist() == [NO_EVIDENCE]
