"""A month of traffic of a million users as columns, to build a large memory within a minute.

Users, KOLs and kinds are drawn with long tails; each user comes several times a month and follows
a few KOLs. Nothing is decoded: it serves to measure memory, not reading.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NONE, UNKNOWN_CENTS, Behaviour, Decoded, Purchases
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES, Kind

DAY_MS: Final = 86_400_000
START_MS: Final = 1_767_225_600_000  # 2026-01-01
BATCH: Final = 20_000  # events of a fetch
PURCHASED: Final = 0.03  # of all events
TENTH: Final = 0.1  # of purchases are refunds, of events are shared, are live
TAIL: Final = 1.5  # exponent: some users come often,
FAME: Final = 3  # and some KOLs are known to all
FAVOURITES: Final = 7  # a user follows one KOL in so many
SKUS: Final = 5_000  # products
DISORDER_MS: Final = 2_000
CLICK_KINDS: Final = (Kind.CLICK, Kind.PDP_VIEW, Kind.IMPRESSION, Kind.ADD_CART)
ENGAGEMENT_KINDS: Final = (
    Kind.VIEW,
    Kind.VIEW,
    Kind.LIKE,
    Kind.SAVE,
    Kind.QA_ATTEND,
    Kind.MARK_HELPFUL,
)


class Crowd:
    """Users and KOLs whose events are drawn from one seed, in order of time."""

    def __init__(self, seed: int, users: int, kols: int, at_ms: int = START_MS) -> None:
        self.users = users
        self.kols = kols
        self.at_ms = at_ms
        self.number = 0  # events so far
        self._rng = np.random.default_rng(seed)
        self._names = [f"kol-{n:05d}" for n in range(kols)]

    def batches(self, events: int, passing_ms: int) -> Iterator[Decoded]:
        """Batches of `events` events, spread evenly over `passing_ms` of event time."""
        left = events
        while left:
            size = min(BATCH, left)
            yield from self._batch(size, passing_ms * size // events)
            left -= size

    def _batch(self, size: int, passing_ms: int) -> Iterator[Decoded]:
        sizes = self._rng.multinomial(size, [0.5, 0.5 - PURCHASED, PURCHASED])
        for topic, n in zip((CLICKSTREAM, INTERACTIONS, PURCHASES), sizes.tolist(), strict=True):
            facts = self._facts(topic, n, passing_ms)
            yield Decoded(
                self._purchases(facts) if topic == PURCHASES else self._behaviour(facts), ()
            )
        self.at_ms += passing_ms

    def _facts(self, topic: str, n: int, passing_ms: int) -> dict[str, Any]:
        """What every event has; the fields of `Facts` by name."""
        rng = self._rng
        number = np.arange(self.number, self.number + n, dtype=np.uint64)
        self.number += n
        late = rng.integers(0, DISORDER_MS, n)
        at = self.at_ms + np.linspace(0, passing_ms, n, endpoint=False).astype(np.int64) - late
        kinds = CLICK_KINDS if topic == CLICKSTREAM else ENGAGEMENT_KINDS
        return {
            "topic": topic,
            "partition": 0,
            "next_offset": self.number,
            "offset": number.astype(np.int64),
            "at": at,
            "received_at": at,
            "identity": _hashed(number, 1),
            "user": _hashed((self.users * rng.random(n) ** TAIL).astype(np.uint64), 2),
            "kind": np.array(kinds, np.uint8)[rng.integers(0, len(kinds), n)],
        }

    def _behaviour(self, facts: dict[str, Any]) -> Behaviour:
        rng, n = self._rng, len(facts["at"])
        favourite = (facts["user"][:, 0] % np.uint64(FAVOURITES)).astype(np.int64)
        group = (self.kols * rng.random(n) ** FAME).astype(np.int64) // FAVOURITES * FAVOURITES
        return Behaviour(
            **facts,
            kols=self._names,
            kol=np.minimum(group + favourite, self.kols - 1).astype(np.int32),
            dwell_ms=rng.integers(0, 60_000, n),
            visible_ms=rng.integers(0, 3_000, n),
            completion=rng.random(n),
            account_age_d=rng.random(n) * 400,
            shared=rng.random(n) < TENTH,
            live=rng.random(n) < TENTH,
            share_depth=rng.integers(1, 4, n) * (rng.random(n) < TENTH),
        )

    def _purchases(self, facts: dict[str, Any]) -> Purchases:
        rng, n = self._rng, len(facts["at"])
        numbers = facts["offset"].tolist()
        none, zeros, no = np.full(n, NONE, np.int32), np.zeros(n, np.int64), np.zeros(n, np.bool_)
        facts["kind"] = np.where(rng.random(n) < TENTH, Kind.REFUND, Kind.PAID).astype(np.uint8)
        return Purchases(
            **facts,
            order=_hashed(facts["offset"].astype(np.uint64), 3),
            user_ids=[f"u-{number:08d}" for number in numbers],
            order_ids=[f"o-{number:012d}" for number in numbers],
            event_ids=[f"e-{number:012d}" for number in numbers],
            raw=[b"{}"] * n,
            brands=["brand-0", "brand-1", "brand-2"],
            brand=rng.integers(0, 3, n).astype(np.int32),
            platforms=[],
            platform=none,
            channels=[],
            channel=none,
            currencies=[],
            currency=none,
            categories=["category-0", "category-1"],
            category=rng.integers(0, 2, n).astype(np.int32),
            price_tiers=[],
            price_tier=none,
            sizes=[],
            size=none,
            skus=[f"sku-{number:05d}" for number in rng.integers(0, SKUS, n).tolist()],
            coupon_ids=[""] * n,
            reasons=[""] * n,
            qty=np.ones(n),
            pay_cents=rng.integers(100, 100_000, n),
            list_cents=zeros,
            discount_cents=zeros,
            margin_cents=np.full(n, UNKNOWN_CENTS),
            promo=no,
            member=no,
            placeholder_user=no,
        )


def _hashed(number: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """Two words that look like a hash, shape `(n, 2)`."""
    word = (number + np.uint64(salt << 40)) * np.uint64(0x9E3779B97F4A7C15)
    word ^= word >> np.uint64(29)
    word *= np.uint64(0xBF58476D1CE4E5B9)
    return np.column_stack([word, word ^ (word >> np.uint64(31))])
