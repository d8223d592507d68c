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
    FULL_AFTER,
    NO_EVIDENCE,
    ONE,
    OUTCOME,
    SQUARE_FIELD,
    SUM_FIELD,
    Allowances,
    credibility,
    evidence,
    recovered,
    side_of,
    whole_after,
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
    kinds = [Kind(kind).label for _, _, kind, _ in batch]
    facts = decoded(INTERACTIONS, [interaction(kind) for kind in kinds]).facts
    assert isinstance(facts, Behaviour)
    granted: list[int] = allowances.grant(user, kol, side_of(facts), at).tolist()
    return granted


def expected_allowances(log: list[Judgement]) -> list[float]:
    """Say the definition again, in floats: a word uses up what has grown since the one before."""
    used: dict[tuple[int, int, str, int], int] = {}
    granted = []
    for user, kol, kind, at in log:
        key = (user, kol, *EVIDENCE_OF[kind])
        granted.append(1 - 2 ** (-max(at - used[key], 0) / (14 * DAY)) if key in used else 1.0)
        used[key] = max(at, used.get(key, at))
    return granted


@given(st.lists(judgements, max_size=4))
def test_allowances_are_used_one_after_the_other_in_the_order_of_the_log(
    batches: list[list[Judgement]],
) -> None:
    allowances, found = Allowances(slack=1000), list[int]()
    for batch in batches:
        found += grant(allowances, batch)
    log = [one for batch in batches for one in batch]

    assert [one / ONE for one in found] == pytest.approx(expected_allowances(log), abs=2e-3)


@given(judgements)
def test_words_of_many_users_at_once_and_of_each_alone_are_granted_the_same(
    log: list[Judgement],
) -> None:
    together, apart = Allowances(slack=1000), Allowances(slack=1000)
    many = [(user, kol, kind, at) for _, kol, kind, at in log for user in range(3)]
    found = grant(together, many)

    for user in range(3):
        assert grant(apart, [one for one in many if one[0] == user]) == found[user::3]
    arrays = [allowances.arrays("x") for allowances in (together, apart)]
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
        ONE,
    ]


def test_an_allowance_recovers_by_half_in_a_fortnight() -> None:
    allowances = Allowances(slack=0)
    found = grant(
        allowances,
        [(0, 0, Kind.MARK_CORRECT, NOON), (0, 0, Kind.MARK_CORRECT, NOON + 14 * DAY)],
    )

    assert found == [ONE, ONE // 2]


@pytest.mark.parametrize(("side", "days"), [(0, 14), (OUTCOME - 1, 14), (OUTCOME, 60)])
@given(passed=st.integers(0, 12 * 60 * DAY))
def test_recovery_is_exponential_to_a_millionth(side: int, days: int, passed: int) -> None:
    halvings = passed // MINUTE_MS / (days * 1_440)
    found = int(recovered(np.array([side]), np.array([passed]))[0])

    if halvings >= FULL_AFTER:
        assert found == ONE
    else:
        assert abs(found - ONE * (1 - 2**-halvings)) <= 1


@pytest.mark.parametrize(("kind", "days"), [(Kind.MARK_HELPFUL, 140), (None, 600)])
def test_an_allowance_that_is_whole_again_is_forgotten_without_a_trace(
    kind: Kind | None, days: int
) -> None:
    """Ten half-lives of 14 d, of what became of an order ten of 60 d."""
    one = np.zeros(1, np.int64)
    side = np.array([OUTCOME]) if kind is None else np.array([2 * 3])  # O, B

    def used(at: int) -> list[int]:
        granted: list[int] = allowances.grant(one, one, side, np.array([at])).tolist()
        return granted

    allowances = Allowances(slack=0)
    used(NOON)
    allowances.prune(NOON + days * DAY + HORIZON_MS - 1)
    before = len(allowances)
    allowances.prune(NOON + days * DAY + HORIZON_MS)

    assert [before, len(allowances)] == [1, 0]
    assert used(NOON + days * DAY) == [ONE]
    assert whole_after(side).tolist() == [days * DAY]


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
    ("age_d", "expected"),
    [(0, 0), (3, 2_500), (15, 62_500), (30, 250_000), (3_000, 250_000), (None, 122_500)],
)
def test_an_account_is_credible_as_far_as_it_has_grown(age_d: float | None, expected: int) -> None:
    """By the square of its age: ten of three days weigh a tenth of a grown one."""
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
        f"{('for', 'against')[sign]}_{dimension}" for dimension, sign in EVIDENCE_OF.values()
    ]
    assert [NAMES[SQUARE_FIELD[one]] for one in sides] == [
        f"square_{dimension}" for dimension, _ in EVIDENCE_OF.values()
    ]


def test_a_like_says_nothing() -> None:
    facts = decoded(INTERACTIONS, [interaction("like")]).facts
    assert isinstance(facts, Behaviour)

    assert side_of(facts).tolist() == [NO_EVIDENCE]
