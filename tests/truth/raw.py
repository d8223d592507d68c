"""Trust as a plain share: what speaks for a KOL over all that speaks, counted since the beginning.

    share_d = for / (for + against)      unweighted; nothing is forgotten, nobody is doubted
    score   = exp(sum of omega log share_d)

It is what a dashboard without estimators shows. Of expertise and benevolence events speak, of
outcome orders that were given back or not, of authenticity and integrity what contents, notices
and surveys say. Dimensions of which nothing speaks are left out, as the score leaves them out.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from schemas.reference_types import CONTENTS, NOTICES, PERCEPTIONS
from streams.core.kol.trust import OMEGA
from tests.worlds.draws import Floats, Ints
from tests.worlds.messages import Events
from tests.worlds.trust import FOR, Trust, TrustCard
from tests.worlds.world import BEGIN_MS, DAY, Record

FOR_AT, AGAINST_AT = 0, 1
OF_EVENTS: Final = ("E", "B")
YOUNG_D: Final = 30  # days of an account

_OMEGA: Final = np.array([OMEGA[d] for d in DIMENSIONS])
_A, _I, _O = (DIMENSIONS.index(d) for d in "AIO")
_PLACES: Final = {form: place for place, form in enumerate(Trust.forms)}
_PAID, _REFUND = (
    next(i for i, form in enumerate(Trust.forms) if f'"kind":"{kind}"' in form.text)
    for kind in ("paid", "refund")
)


class Counted(Trust):
    """The world of trust, which counts what it says."""

    def __init__(self, card: TrustCard) -> None:
        super().__init__(card)
        size = (card.days, card.kols)
        self.said = np.zeros((*size, len(DIMENSIONS), 2))  # for, against, by the day it begins
        self.signs = np.zeros(size)  # of expertise and benevolence
        self.young_signs = np.zeros(size)  # by accounts that are young
        self.later_signs = np.zeros(size)  # by those that were on the first day
        for day, kol, dimension, amount in self._audited():
            self.said[day, kol, dimension] += amount

    def day(self, day: int) -> Events:
        """What begins on a day; it is counted."""
        events = super().day(day)
        form, kol, user = events["form"], events["kol"], events["user"]
        for sign in self.card.signs:
            here = np.flatnonzero(form == _PLACES[sign.form])
            if sign.dimension not in OF_EVENTS:
                continue
            at = FOR_AT if sign.speaks == FOR else AGAINST_AT
            counts = np.bincount(kol[here], minlength=self.card.kols)
            self.said[day, :, DIMENSIONS.index(sign.dimension), at] += counts
            self.signs[day] += counts
            age = self.age_d[user[here]]
            for into, is_young in (
                (self.young_signs, age + day < YOUNG_D),
                (self.later_signs, age < YOUNG_D),
            ):
                into[day] += np.bincount(kol[here][is_young], minlength=self.card.kols)
        self._orders_of(events, form, kol)
        return events

    def _orders_of(self, events: Events, form: Ints, kol: Ints) -> None:
        for which, back in ((_PAID, 0), (_REFUND, 1)):
            here = np.flatnonzero(form == which)
            day = np.minimum((events["at"][here] - BEGIN_MS) // DAY, self.card.days)
            inside = day < self.card.days
            place = day[inside], kol[here][inside]
            np.add.at(self.said[:, :, _O, FOR_AT], place, -1.0 if back else 1.0)
            np.add.at(self.said[:, :, _O, AGAINST_AT], place, float(back))

    def _audited(self) -> Iterator[tuple[int, int, int, tuple[float, float]]]:
        """Day, KOL, dimension, and how much speaks for and against it."""
        texts: set[str] = set()
        for topic, record in self.references():
            day = (int(record["ts"]) - BEGIN_MS) // DAY
            kol = int(str(record["kol_id"])[1:])
            for dimension, good, bad in _audit(topic, record, texts):
                yield day, kol, dimension, (good, bad)

    @property
    def shares(self) -> Floats:
        """For over all, by dimension, up to the end of each day; NaN where nothing speaks."""
        told = np.cumsum(self.said, axis=0)
        with np.errstate(invalid="ignore"):
            found: Floats = told[..., FOR_AT] / told.sum(axis=-1)
        return found


def _audit(topic: str, record: Record, texts: set[str]) -> Iterator[tuple[int, float, float]]:
    """Dimension, for, against."""
    if topic == PERCEPTIONS:
        stars = (record["authenticity"] - 1) / 4
        yield _A, stars, 1 - stars
    elif topic == NOTICES:
        yield _I, 0.0, 1.0
    elif topic == CONTENTS and "text" in record:
        is_copy = record["text"] in texts
        texts.add(record["text"])
        yield _A, float(not is_copy), float(is_copy)
        if record["sponsored"]:
            yield _I, float(record["disclosed"]), float(not record["disclosed"])


def combined(parts: Floats, used: Mask) -> Floats:
    """The weighted geometric mean over the last axis, over the dimensions that are used.

    NaN where none is; a part that is NaN must not be used.
    """
    weights = _OMEGA * used
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(used, np.log(np.where(used, parts, 1.0)), 0.0)
        found: Floats = np.exp((weights * logs).sum(axis=-1) / weights.sum(axis=-1))
    return found
