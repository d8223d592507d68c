"""Events of a KOL's own account, and purchases under ids that mean nobody."""

import numpy as np
import pytest

from schemas.cells import AT
from schemas.codec import decode
from schemas.columns import Codes
from schemas.entries import Entries, texts
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.numbered import HOLDS_AFTER_MS, KOL, encode_number
from schemas.placeholders import Placeholders
from schemas.values import Lists
from streams.core.arrays.names import Names
from streams.core.user.known_values import KnownValues
from streams.core.user.own_events import own_events
from tests.builders import (
    HOUR,
    MINUTE,
    NAMES,
    NOON,
    Message,
    cancel,
    click,
    interaction,
    paid,
    record_batch,
    refund,
)
from tests.core.user.test_memory import Reader, credit, given_back, read


def test_an_event_is_ones_own_if_its_user_and_kol_have_one_id() -> None:
    names = Names()
    code: Codes = names.codes(["k1", "k2", "妈妈"])
    user = NAMES.users(["k1", "k1", "妈妈"])

    assert own_events(names, NAMES, code, user).tolist() == [True, False, True]
    names.keep(np.array([False, True, True]))
    code = names.codes(["k2", "k3", "妈妈"])
    assert own_events(names, NAMES, code, NAMES.users(["k2", "k3", "K2"])).tolist() == [1, 1, 0]


def test_a_kol_who_buys_from_himself_earns_nothing_and_gains_no_trust() -> None:
    own = read(
        click(user_id="k1", kol_id="k1"),
        interaction(user_id="k1", kol_id="k1", event="save"),
        interaction(user_id="k1", kol_id="k1", event="mark_correct"),
        paid(user_id="k1", ts=NOON + MINUTE, pay_cents=500),
    )
    of_another = read(
        click(user_id="k1", kol_id="k2"),
        interaction(user_id="k1", kol_id="k2", event="save"),
        interaction(user_id="k1", kol_id="k2", event="mark_correct"),
        paid(user_id="k1", ts=NOON + MINUTE, pay_cents=500),
    )
    cell, other = own.cell("k1"), of_another.cell("k2")

    assert credit(own.order()) == {"organic": 500}
    assert credit(of_another.order()) == {"k2": 500}
    words = ("for_", "against_", "square_", "depth", "credible_")
    spoken = {name for name in AT if name.startswith(words)}
    assert cell.keys() & spoken == set()
    assert other.keys() & spoken == {
        *("depth", "depth_square", "for_E", "square_E"),
        *("credible_days", "credible_days_square", "credible_depth", "credible_depth_square"),
    }
    assert cell == {name: n for name, n in other.items() if name not in spoken}
    assert (own.doors()[CLICKSTREAM, "own_event"], own.doors()[INTERACTIONS, "own_event"]) == (1, 2)


def accounts_of_k1(*user_ids: str) -> Entries:
    """What a number says of the KOL k1: these accounts are its own."""
    empty = texts([""])
    accounts = Lists(NAMES.users(list(user_ids)), np.array([len(user_ids)]))
    columns = {"tier": empty, "vertical": empty, "display_name": empty, "accounts": accounts}
    return Entries(texts(["k1"]), columns)


def test_a_kol_who_buys_with_an_account_of_the_profile_earns_nothing_for_that() -> None:
    """From the record time on at which the number holds that names the account."""
    reader = Reader()
    known = KnownValues()
    records, seal = encode_number(KOL, 1, accounts_of_k1("mum", "mum-2"))
    for key, value in [*records, seal]:
        known.log.add(key, value, NOON - HOLDS_AFTER_MS + HOUR)
    reader.memory.ask(known)
    for user, ts in (
        ("mum", NOON),
        ("mum", NOON + HOUR),
        ("mum-2", NOON + HOUR),
        ("u", NOON + HOUR),
    ):
        reader.fold(
            click(user_id=user, kol_id="k1", ts=ts),
            click(user_id=user, kol_id="k2", ts=ts),
            paid(f"{user}-{ts}", 500, user_id=user, ts=ts + MINUTE),
        )
    early, later, second, other = (
        {kol for kol, cents in credit(reader.order(f"{user}-{ts}")).items() if cents}
        for user, ts in (
            ("mum", NOON),
            ("mum", NOON + HOUR),
            ("mum-2", NOON + HOUR),
            ("u", NOON + HOUR),
        )
    )

    assert (early, later) == ({"k1", "k2"}, {"k1", "k2"})  # the first touch was nobody's own yet
    assert (second, other) == ({"k2"}, {"k1", "k2"})
    assert reader.doors()[CLICKSTREAM, "own_event"] == 2


@pytest.mark.parametrize("name", ["undefined", " ", "00000000-0000-0000-0000-000000000000"])
def test_what_nobody_buys_is_organic_and_can_be_given_back(name: str) -> None:
    bought = read(
        click(user_id=name),
        interaction(user_id=name, event="share"),
        paid(user_id=name, ts=NOON + MINUTE, pay_cents=500),
        refund(user_id=name, ts=NOON + 2 * MINUTE, pay_cents=200),
    )
    doors = bought.doors()

    assert credit(bought.order()) == {"organic": 500}
    assert given_back(bought.order()) == {"organic": 200}
    assert doors[CLICKSTREAM, "placeholder_id"] == doors[INTERACTIONS, "placeholder_id"] == 1
    assert doors[PURCHASES, "placeholder_user"] == 2


def test_an_event_that_loses_its_kol_is_accepted_and_counted_once() -> None:
    lost = click(kol_id="null")
    reader = read(lost, lost, paid(ts=NOON + MINUTE))

    assert reader.doors()[CLICKSTREAM, "written"] == 1
    assert reader.doors()[CLICKSTREAM, "placeholder_kol"] == 1
    assert credit(reader.order()) == {"organic": reader.order()["paid_cents"]}


def test_touches_from_before_an_id_was_listed_count_for_its_old_orders_only() -> None:
    """Where the list grows: what is in memory stays; what is bought later is organic."""
    reader = Reader()
    guest: Message = {"user_id": "guest"}
    reader.fold(click(**guest), paid(**guest, ts=NOON + MINUTE, order_id="o1", pay_cents=300))
    later = [
        paid(**guest, ts=NOON + 2 * MINUTE, order_id="o2", pay_cents=300),
        cancel(**guest, ts=NOON + 3 * MINUTE, order_id="o1"),
        paid(**guest, ts=NOON + MINUTE, order_id="o2", pay_cents=300, event_id="earlier"),
    ]
    batch = record_batch(PURCHASES, later, first_offset=reader.read[PURCHASES])
    reader.memory.fold(decode(batch, NAMES, Placeholders(["guest"])))
    reader.read[PURCHASES] += len(later)
    reader.prune()
    reader.restart(life=2)

    assert credit(reader.order("o1")) == {"k1": 300}
    assert given_back(reader.order("o1")) == {"k1": 300}
    assert credit(reader.order("o2")) == {"organic": 300}
    reader.fold(refund(**guest, ts=NOON + HOUR, order_id="o2", pay_cents=100))
    assert credit(reader.order("o2")) == {"organic": 300}
