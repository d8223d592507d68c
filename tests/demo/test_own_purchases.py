"""KOLs of the demo's world who buy what is theirs: their profiles tell, and they earn nothing."""

from functools import cache

import numpy as np

from deploy.demo import story
from deploy.demo.outbox import Event, Message
from deploy.demo.world import World
from schemas.entries import Entries, texts
from schemas.events import INPUTS
from schemas.numbered import HOLDS_AFTER_MS, KOL, encode_number
from schemas.reference_types import PROFILES
from schemas.values import Lists
from streams.core.user.known_values import KnownValues
from tests.builders import NAMES, NOON
from tests.core.user.test_memory import Reader, credit

SHOW_MS = 150_000
SELLERS = {act.kol_id for act in story.SELF_ACTS}


def told(world: World) -> dict[str, str]:
    """KOL -> the account that the profile names."""
    records = world.reference(0, NOON, NOON)
    profiles = [one for topic, one in records if topic == PROFILES and "user_id" in one]
    return {one["kol_id"]: one["user_id"] for one in profiles}


def numbered(accounts: dict[str, str]) -> KnownValues:
    """A number that says so, and holds from the beginning."""
    empty = texts([""] * len(accounts))
    keys = Lists(NAMES.users(list(accounts.values())), np.arange(1, len(accounts) + 1))
    columns = {"tier": empty, "vertical": empty, "display_name": empty, "accounts": keys}
    known = KnownValues()
    records, seal = encode_number(KOL, 1, Entries(texts(list(accounts)), columns))
    for record in [*records, seal]:
        known.log.add(*record, NOON - 2 * HOLDS_AFTER_MS)
    return known


@cache
def of_sellers() -> tuple[dict[str, str], list[Message]]:
    """What profiles say of accounts, and the events of the sellers' own ones."""
    world = World(3, users=100)
    account = told(world)
    buyers = {account[kol] for kol in SELLERS}
    events = world.events(NOON, NOON + SHOW_MS, 200, NOON)
    return account, [(topic, e) for topic, e in events if e.get("user_id") in buyers]


def folded(known: KnownValues) -> Reader:
    reader = Reader()
    reader.memory.ask(known)
    _, messages = of_sellers()
    for topic in INPUTS:
        reader.fold_batch(topic, [event for name, event in messages if name == topic])
    return reader


def orders_paid() -> list[tuple[Event, str, set[str]]]:
    """Each order of a seller's account: the event, the seller, and the KOLs that it met before."""
    account, messages = of_sellers()
    seller = {account[kol]: kol for kol in SELLERS}
    sound = [e for _, e in messages if type(e.get("ts")) is int and e["ts"] >= NOON]
    return [
        (
            order,
            seller[order["user_id"]],
            {
                e["kol_id"]
                for e in sound
                if (e["user_id"], "kol_id" in e) == (order["user_id"], True)
                and e["ts"] < order["ts"]
            },
        )
        for order in sound
        if order.get("kind") == "paid"
    ]


def shares(reader: Reader) -> dict[str, dict[str, int]]:
    return {row["order_id"]: credit(row) for row in reader.rows("order_credit")}


def test_what_a_kol_buys_with_the_account_of_the_profile_earns_others_as_usual() -> None:
    account, _ = of_sellers()
    share = shares(folded(numbered(account)))

    assert {kol for _, kol, _ in orders_paid()} == SELLERS
    for order, kol, met in orders_paid():
        assert kol in met
        assert set(share[order["order_id"]]) == (met - {kol} or {"organic"})
        assert sum(share[order["order_id"]].values()) == order["pay_cents"]


def test_without_a_profile_that_says_so_they_earn_from_themselves() -> None:
    share = shares(folded(KnownValues()))

    assert all(share[order["order_id"]].get(kol, 0) > 0 for order, kol, _ in orders_paid())
