"""What scores of trust make of the world of trust, as far as it needs no population.

Bounds are those of §11.4 of the design of the estimators.
"""

from functools import cache
from itertools import chain

import numpy as np

from schemas.values import Values
from tests.worlds.core import Passage, standing
from tests.worlds.draws import Floats, Ints
from tests.worlds.trust import SHORT, Trust, kol_id
from tests.worlds.world import BEGIN_MS

DAY_S = 86_400
BEGIN_S = BEGIN_MS // 1000


@cache
def world() -> Trust:
    return Trust(SHORT)


@cache
def scores() -> dict[str, Values]:
    """All rows of scores as they stand in the end."""
    rows = chain.from_iterable(Passage(world()).rows())
    return standing(rows, "kol_score", ("kol_id", "minute"))


def n_eff(kol: int) -> tuple[Ints, Floats]:
    """The day of each row of a KOL, in order of time, and its judgements."""
    found = scores()
    mine = np.flatnonzero(np.array(list(found["kol_id"])) == kol_id(kol))
    minute = np.array(found["minute"])[mine]
    order = np.argsort(minute)
    return (minute[order] - BEGIN_S) // DAY_S, np.array(found["n_eff"])[mine[order]]


def test_after_60_silent_days_a_tenth_of_the_judgements_is_left_at_most() -> None:
    card = world().card
    begin = card.days - card.silent_days
    for kol in np.flatnonzero(world().is_silent).tolist():
        day, n = n_eff(kol)

        assert day[-1] == card.days - 1  # midnight is said of who is silent, too
        assert n[-1] <= 0.1 * n[day < begin][-1]


def test_ten_young_accounts_make_no_new_kol_known() -> None:
    card = world().card
    of = {(attack.kind, attack.on): place for place, attack in enumerate(card.attacks)}
    boost = of["boost", "new"]
    day, n = n_eff(world().targets[boost])
    at = card.days - card.attacks[boost].day_before_end

    assert n[day == at][-1] - n[day < at][-1] < 5
