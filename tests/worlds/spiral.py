"""World 4: buyers who bring buyers, with a known reproduction number and generation time.

Some buyers come by themselves (imports). Each buyer brings Poisson(R) others, each of them a
generation time later, and says so: whoever came by a share names it, and a share that follows
from another names that, too.

A process is of one KOL, and KOLs are independent: each is one run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from tests.worlds.draws import Floats, Ints, generator
from tests.worlds.messages import Events, clickstream, interaction, purchase
from tests.worlds.world import BEGIN_MS, DAY, MINUTE, Card, World, numbered

IMPORT: Final = -1  # in place of a parent
MOST_CHAIN: Final = 5  # shares before a share, as `schemas.events.Interaction.chain`


@dataclass(frozen=True, kw_only=True)
class SpiralCard(Card):
    """Branching processes.

    Attributes:
        kols: runs, in equal parts of each reproduction number [chosen: as many as one core folds in
            a minute; what needs 2 000 runs asks `Spiral.births` of a card with as many].
        users: none but buyers, each once [ignored].
        reproduction: R of a KOL, in turn [§5, "R = .6, .9, 1.1"].
        shape: of the Gamma generation time [§5, Gamma(4, 2.5 d)].
        scale_d: its scale in days [§5].
        cut_d: no generation takes longer [§5, 60 d].
        imports: buyers who come by themselves, a day and KOL [§5, 5].
        days: how long it goes on [chosen: a dozen mean generation times of 10 d, so that the age of
            the process does not show in its last window of 14 d].

    """

    kols: int
    users: int = 0
    days: int = 120
    reproduction: tuple[float, ...] = (0.6, 0.9, 1.1)
    shape: float = 4.0
    scale_d: float = 2.5
    cut_d: float = 60.0
    imports: float = 5.0


LONG: Final = SpiralCard(
    kols=270,
    messages=2_792_898,
    sha256="c55e2d76bf73fa96f573a9364718fa69ab0ee0a0b4e0f30cb0ec063c81689910",
)
SHORT: Final = SpiralCard(
    kols=12,
    messages=127_852,
    sha256="376ed7cf8b0e25e46fd6cce06ccdb2f49c8177d7ae054d4d88b47e8dff4d8a98",
)


class Births(NamedTuple):
    """The buyers of one KOL, in order of their generations; row i of every column is one."""

    at_d: Floats  # days since the beginning
    parent: Ints  # row of who brought them, or IMPORT
    generation: Ints  # 0 for imports


_BUYER: Final = ',"kol_id":"k<kol:04>","content_id":"k<kol:04>-c00"'
_FROM: Final = ',"share_id":"s<parent:07>","share_depth":<depth:3>'
_CLICK, _FOLLOWED, _PAID, _SHARED = range(4)


def _share(ancestors: int) -> str:
    """The fields of a share that follows from so many others."""
    before = ",".join(f'"s<before{number}:07>"' for number in range(ancestors))
    parent = ',"parent_share_id":"s<before0:07>"' if ancestors else ""
    return (
        f',"content_id":"k<kol:04>-c00","share_id":"s<user:07>"{parent},"chain":[{before}]'
        ',"share_depth":<deeper:3>,"root_kol_id":"k<kol:04>","account_age_d":400'
    )


class Spiral(World):
    """The world of a `SpiralCard`."""

    name = "spiral"
    forms = (
        clickstream("click", _BUYER),
        clickstream("click", f"{_BUYER}{_FROM}"),
        purchase("paid", ',"order_id":"o<user:07>","brand_id":"b<kol:04>","pay_cents":9900'),
        *(interaction("share", _share(number)) for number in range(MOST_CHAIN + 1)),
    )

    def __init__(self, card: SpiralCard = LONG) -> None:
        super().__init__(card)
        self.card: SpiralCard = card

    @property
    def accounts(self) -> int:
        """All buyers of all KOLs."""
        return int(self.first[-1])

    # ---------------------------------------------------------------- what is true

    def reproduction(self, kol: int) -> float:
        """R of a KOL: how many others each buyer brings."""
        return self.card.reproduction[kol % len(self.card.reproduction)]

    def births(self, kol: int) -> Births:
        """The buyers of a KOL before the world's end."""
        card, rng = self.card, generator(self.card.seed, "births", kol)
        many = int(rng.poisson(card.imports * card.days))
        parts = [Births(rng.random(many) * card.days, np.full(many, IMPORT), np.zeros(many, int))]
        begin = 0
        while len(parts[-1].at_d):
            parents = parts[-1]
            of = np.repeat(
                np.arange(len(parents.at_d)), rng.poisson(self.reproduction(kol), len(parents.at_d))
            )
            at = parents.at_d[of] + self._generation_times(rng, len(of))
            lives = at < card.days
            of, at = of[lives], at[lives]
            parts.append(Births(at, begin + of, parents.generation[of] + 1))
            begin += len(parents.at_d)
        return Births(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _generation_times(self, rng: np.random.Generator, many: int) -> Floats:
        """Days from a buyer to whom they bring; what is beyond the cut is drawn again."""
        card = self.card
        found = rng.gamma(card.shape, card.scale_d, many)
        while (far := np.flatnonzero(found > card.cut_d)).size:
            found[far] = rng.gamma(card.shape, card.scale_d, far.size)
        return found

    @cached_property
    def _births(self) -> list[Births]:
        return [self.births(kol) for kol in range(self.card.kols)]

    @cached_property
    def first(self) -> Ints:
        """The user number of each KOL's first buyer, and after them how many there are."""
        return np.cumsum([0, *(len(births.at_d) for births in self._births)])

    # ---------------------------------------------------------------- what happens

    @cached_property
    def _events(self) -> Events:
        """Click, order and share of every buyer, by time."""
        births = self._births
        user = np.arange(self.accounts)
        kol = np.repeat(np.arange(self.card.kols), np.diff(self.first))
        at = BEGIN_MS + (np.concatenate([one.at_d for one in births]) * DAY).astype(np.int64)
        generation = np.concatenate([one.generation for one in births])
        parent = np.concatenate([one.parent for one in births])
        parent = np.where(parent == IMPORT, IMPORT, parent + self.first[kol])
        before, chain = [], parent
        for _ in range(MOST_CHAIN):
            before.append(np.maximum(chain, 0))
            chain = np.where(chain == IMPORT, IMPORT, parent[np.maximum(chain, 0)])
        of = {"kol": kol, "parent": before[0], "depth": generation, "deeper": generation + 1}
        of |= {f"before{number}": column for number, column in enumerate(before)}
        is_local = parent != IMPORT
        form = _SHARED + np.minimum(generation, MOST_CHAIN)
        clicked = np.where(is_local, _FOLLOWED, _CLICK)
        number = [numbered(part, 0, len(user)) for part in range(3)]
        all_ = Events.joined(
            [
                Events.of(number[0], at - 2 * MINUTE, clicked, user, **of),
                Events.of(number[1], at, _PAID, user, **of),
                Events.of(number[2], at + 10 * MINUTE, form, user, **of),
            ]
        )
        return all_.take(np.argsort(all_["at"], kind="stable"))

    def day(self, day: int) -> Events:
        """What buyers of a day do; those of the first minutes clicked before the world began."""
        end = BEGIN_MS + (day + 1) * DAY
        begin = end - DAY if day else 0
        first, last = np.searchsorted(self._events["at"], [begin, end])
        return self._events.take(np.arange(first, last))


CARDS: Final[Mapping[str, SpiralCard]] = {"long": LONG, "short": SHORT}
