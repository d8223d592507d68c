"""What the shop knows of its users' families, and what of it they allow to be used.

A family is drawn from its own seed, so knowing families changes no event but by these fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Final

from deploy.demo import market

STAGES: Final = (  # first month of a child's life in each; below: before birth
    ("pregnancy", -9),
    ("0-6m", 0),
    ("6-12m", 6),
    ("1-3y", 12),
    ("3-6y", 36),
)
OLDEST_MONTHS: Final = 72
CITIES: Final = {
    "上海": 0.16,
    "北京": 0.14,
    "广州": 0.11,
    "深圳": 0.11,
    "杭州": 0.1,
    "成都": 0.1,
    "武汉": 0.08,
    "西安": 0.07,
    "长沙": 0.07,
    "郑州": 0.06,
}
AGE_BANDS: Final = {"18-24": 0.08, "25-29": 0.34, "30-34": 0.36, "35-39": 0.17, "40-44": 0.05}
TAGS: Final = ("科学", "真实", "省钱", "有机", "颜值", "省心")

BOUND: Final = 0.85  # of users whose anonymous id is known to be theirs
TOLD: Final = 0.7  # of those, who told the month of birth and their age
ANSWERED: Final = 0.88  # of users asked what may be used of them
ALLOWED: Final[Mapping[str, float]] = MappingProxyType(  # of those who answered
    {"stage": 0.9, "geo": 0.8, "age_band": 0.7}
)


@dataclass(frozen=True, slots=True)
class Family:
    """A user's family; `months` is the child's age when the demo goes live."""

    anon_id: str
    months: int
    geo: str
    age_band: str
    tags: Mapping[str, float]
    is_bound: bool
    has_told: bool  # age and month of birth
    consent: Mapping[str, bool] | None  # None: never answered

    @property
    def stage(self) -> str:
        """The stage of the child's life, e.g. `0-6m`."""
        return [name for name, first in STAGES if first <= self.months][-1]

    def on_events(self) -> dict[str, str]:
        """What clicks of the family carry."""
        told = {"age_band": self.age_band} if self.has_told else {}
        return {"anon_id": self.anon_id, "baby_stage": self.stage, "geo": self.geo, **told}


class Families:
    """The family of user number n is the same one whenever it is asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.of = lru_cache(maxsize=None)(self._drawn)

    def _drawn(self, number: int) -> Family:
        rng = Random(f"family-{self._seed}-{number}")
        is_bound = rng.random() < BOUND
        allowed = {what: rng.random() < share for what, share in ALLOWED.items()}
        return Family(
            anon_id=f"a-{rng.getrandbits(64):016x}",
            months=int(rng.triangular(STAGES[0][1], OLDEST_MONTHS, 4)),
            geo=market.draw(rng, CITIES),
            age_band=market.draw(rng, AGE_BANDS),
            tags={tag: round(rng.random(), 2) for tag in rng.sample(TAGS, 2)},
            is_bound=is_bound,
            has_told=is_bound and rng.random() < TOLD,
            consent=allowed if rng.random() < ANSWERED else None,
        )
