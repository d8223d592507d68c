"""Who takes part in the demo's world: its users, its bots, and how often each of them appears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final

from deploy.demo import market
from deploy.demo.families import Families
from deploy.demo.market import Kol

BOTS: Final = 400  # accounts of whoever sells traffic
BOT_DEVICES: Final = 3  # that all of them are on


@dataclass(frozen=True, slots=True)
class User:
    """A user, with the fields that every event of theirs carries."""

    user_id: str
    favourite: Kol
    account_age_d: int
    platform: str
    is_member: bool
    device_hash: str
    ip_hash: str
    family: Mapping[str, str] = field(default_factory=dict)  # what clicks carry of it


class Audience:
    """Draws users and KOLs; user number n is the same one whenever it is drawn.

    Args:
        seed: of the users.
        users: how many there are.
        kols: of whom each user has a favourite, by reach.
        rng: decides who is drawn.
        families: of the users; None: their events carry nothing of them.

    """

    def __init__(
        self,
        seed: int,
        users: int,
        kols: Sequence[Kol],
        rng: Random,
        families: Families | None = None,
    ) -> None:
        self._seed, self._users, self._kols, self._rng = seed, users, kols, rng
        self._families = families
        self._reach = list(accumulate(kol.reach for kol in kols))
        self._known: dict[int, User] = {}

    def kol(self) -> Kol:
        """A KOL, by reach."""
        return self._rng.choices(self._kols, cum_weights=self._reach)[0]

    def user(self) -> User:
        """A user; some come often."""
        number = int(self._users * self._rng.random() ** 2)
        if number not in self._known:
            self._known[number] = self._new_user(number)
        return self._known[number]

    def _new_user(self, number: int) -> User:
        rng = Random(f"user-{self._seed}-{number}")
        return User(
            user_id=user_id(number),
            favourite=rng.choices(self._kols, cum_weights=self._reach)[0],
            account_age_d=20 + int(rng.expovariate(1 / 400)),
            platform=market.draw(rng, market.PLATFORMS),
            is_member=self._rng.random() < 0.3,  # noqa: PLR2004  # three in ten
            device_hash=f"{rng.getrandbits(48):012x}",
            ip_hash=f"{rng.getrandbits(32):08x}",
            family=self._families.of(number).on_events() if self._families else {},
        )

    def account(self, kol: Kol) -> User:
        """The KOL as a buyer, with an account and a device of his own."""
        rng = Random(f"account-{self._seed}-{kol.user_id}")
        return User(
            user_id=kol.user_id,
            favourite=kol,
            account_age_d=400 + rng.randrange(1_000),
            platform=market.draw(rng, market.PLATFORMS),
            is_member=True,
            device_hash=f"{rng.getrandbits(48):012x}",
            ip_hash=f"{rng.getrandbits(32):08x}",
        )

    def bot(self, kol: Kol) -> User:
        """A young account on one of the few devices that this KOL pays for."""
        rng = self._rng
        number, device = rng.randrange(BOTS), rng.randrange(BOT_DEVICES)
        return User(
            user_id=f"u-9{number:05}",
            favourite=kol,
            account_age_d=1 + number % 5,
            platform="douyin",
            is_member=False,
            device_hash=f"b07{device:09x}",
            ip_hash=f"b07{device:05x}",
        )


def user_id(number: int) -> str:
    """Of user number n."""
    return f"u-{number:06}"
