"""Numbers as they were recorded, for cores that take one world in in different ways.

They are made up, of all kinds that trust asks: what matters is that each holds from its moment on,
however the messages were cut, and that numbers change while minutes are open.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, Form, texts, unknown
from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What, as_hex
from schemas.number_log import NumberLog
from schemas.numbered import AUDIT, AUDIT_SUMS, KINDS, KOL, RATER, TRUST, encode_number
from streams.core.kol.population import ALL, group_of
from tests.worlds.core import KEY
from tests.worlds.draws import generator
from tests.worlds.trust import TIERS, VERTICALS, Trust, kol_id
from tests.worlds.world import BEGIN_MS, DAY, HOUR, MINUTE

EVERY_MS: Final = DAY + 7 * HOUR + 11 * MINUTE  # from one to the next: at all hours
LEAST: Final = {"good": 10.0, "bad": 4.0, "odds": 1.0, "rarity": 1.0, "weight": 2e5, "source": 1.0}
MORE: Final = {"good": 6.0, "bad": 3.0, "odds": 20.0, "rarity": 9.0, "weight": 1e5, "common": 0.8}


def recorded(world: Trust) -> NumberLog:
    """Numbers of all kinds, several of each, from the first day of a world on."""
    log = NumberLog()
    for at in range(BEGIN_MS + 5 * HOUR, BEGIN_MS + world.card.days * DAY, EVERY_MS):
        for kind, entries in _states(world, at).items():
            records, seal = encode_number(kind, log.next_number, entries)
            for key, value in (*records, seal):
                log.add(key, value, at)
    return log


def _states(world: Trust, at: int) -> Mapping[str, Entries]:
    rng = generator(world.card.seed, "recorded", at)
    kols = [kol_id(kol) for kol in world.kols.tolist()]
    tiers, verticals = [TIERS[i] for i in world.tier], [VERTICALS[i] for i in world.vertical]
    groups = [ALL, group_of(tiers[0], verticals[0])]
    populations: dict[str, Column] = {}
    for name in KINDS[TRUST]:
        part = name[: -len(DIMENSIONS[0]) - 1]
        drawn = LEAST.get(part, 0.0) + MORE.get(part, 0.0) * rng.random(len(groups))
        populations[name] = drawn
    audits: dict[str, Column] = {name: 1e6 * rng.random(len(kols)) for name in AUDIT_SUMS}
    audits["minute"] = np.full(len(kols), at // MINUTE - 10.0)
    users = [key.decode() for key in world.keys()[: world.card.users : 2]]
    keyed = KeyedNames(KEY).of_hashes(What.USER, hashed([user.encode() for user in users]))
    raters = [as_hex(name) for name in keyed.tolist()]
    return {
        KOL: Entries(
            texts(kols),
            {
                "tier": texts(tiers),
                "vertical": texts(verticals),
                "display_name": texts(kols),
                "accounts": unknown(Form.KEYS, len(kols)),
            },
        ),
        TRUST: Entries(texts(groups), populations),
        AUDIT: Entries(texts(kols), {name: audits[name] for name in KINDS[AUDIT]}),
        RATER: Entries(
            texts(raters),
            {
                "agreement": rng.random(len(raters)),
                "bought": rng.integers(0, 2, len(raters)).astype(np.int8),
            },
        ),
    }
