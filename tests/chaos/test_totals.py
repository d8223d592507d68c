"""A total that was greater before is told, once for each look that found it so."""

from streams.settings import Settings
from tests.chaos.totals import DOORS, ORDERS, Totals


def test_a_total_that_goes_back_is_reported_until_it_is_as_great_again() -> None:
    totals = Totals(Settings())
    for orders in (3, 5, 4, 5, 6):
        totals.note(ORDERS, {"orders": orders})

    assert totals.back == ["orders: 4 after 5"]


def test_a_total_that_vanishes_went_back_to_nothing() -> None:
    totals = Totals(Settings())
    totals.note(DOORS, {"purchases/0 by written": 2})
    totals.note(ORDERS, {"orders": 1})
    totals.note(DOORS, {})

    assert totals.back == ["purchases/0 by written: 0 after 2"]
