"""A data set becomes events; every line is counted, to the cent."""

from decimal import Decimal
from pathlib import Path

import pytest

from deploy.datasets.converted import DAY_MS, Converted, is_counted
from deploy.datasets.online_retail import Line, convert
from streams.operations.import_dataset import WEEKS_OF_A_YEAR_MS, ImportRefusedError, time_shift_ms

HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
SHARED = Path(__file__).parents[3] / "shared/data/uci_online_retail/online_retail.csv.xz"


def converted(tmp_path: Path, *lines: str) -> Converted:
    path = tmp_path / "retail.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return convert(path)


def test_an_invoice_is_an_order_worth_the_sum_of_its_rounded_lines(tmp_path: Path) -> None:
    result = converted(
        tmp_path,
        "1,A,x,3,2011-01-01 10:00:00,2.55,7.0,UK",
        "1,B,x,1,2011-01-01 10:00:00,0.001,7.0,UK",
    )

    assert result.expected() == {"orders": 1, "paid_cents": 765, "refunded_cents": 0}
    assert result.events[0][1]["user_id"] == "customer-7"


def test_a_half_cent_is_rounded_to_the_even_cent() -> None:
    assert Line("1", "A", 1, 0, Decimal("0.125"), "").cents == 12
    assert Line("1", "A", 1, 0, Decimal("0.135"), "").cents == 14


def test_a_cancellation_gives_back_the_newest_earlier_sale_once(tmp_path: Path) -> None:
    result = converted(
        tmp_path,
        "1,A,x,5,2011-01-01 10:00:00,1.00,7.0,UK",
        "2,A,x,5,2011-01-02 10:00:00,1.00,7.0,UK",
        "C3,A,x,-5,2011-01-03 10:00:00,1.00,7.0,UK",
        "C4,A,x,-4,2011-01-04 10:00:00,1.00,7.0,UK",
        "C5,A,x,-4,2011-01-05 10:00:00,1.00,7.0,UK",
    )

    refunds = [value["ref_order_id"] for _, value in result.events if value["kind"] == "refund"]
    assert refunds == ["2", "1", "C5"]
    assert result.fates["refund"].cents == 900
    assert result.fates["refund_without_sale"].cents == 400
    assert result.expected()["refunded_cents"] == 900


def test_lines_that_are_no_sale_are_named(tmp_path: Path) -> None:
    result = converted(
        tmp_path,
        "1,A,x,1,2011-01-01 10:00:00,1.00,,UK",
        "1,A,x,1,2011-01-01 10:00:00,1.00,,UK",
        "2,A,x,-9,2011-01-01 10:00:00,0.00,,UK",
        "A3,B,Adjust bad debt,1,2011-01-01 10:00:00,-7.50,,UK",
        "4,A,x,1,2011-01-01 10:00:00,0.00,8.0,UK",
        "C5,A,x,-1,2011-01-02 10:00:00,1.00,,UK",
    )

    assert {name: fate.lines for name, fate in result.fates.items()} == {
        "sale": 1,
        "duplicate_line": 1,
        "stock_correction": 1,
        "bad_debt_adjustment": 1,
        "sale_for_nothing": 1,
        "refund_without_sale": 1,
    }


def test_a_refund_counts_from_a_day_before_to_180_days_after_its_order() -> None:
    order = 1_000 * DAY_MS

    assert is_counted(order - DAY_MS, order)
    assert not is_counted(order - DAY_MS - 1, order)
    assert is_counted(order + 180 * DAY_MS, order)
    assert not is_counted(order + 180 * DAY_MS + 1, order)


def test_times_move_by_whole_years_of_weeks_behind_what_is_there() -> None:
    year = WEEKS_OF_A_YEAR_MS

    assert time_shift_ms(first=year, last=2 * year, newest=year, now=9 * year) == year
    assert time_shift_ms(first=year, last=2 * year, newest=3 * year, now=9 * year) == 3 * year


def test_there_must_be_room_between_the_newest_event_and_now() -> None:
    year = WEEKS_OF_A_YEAR_MS

    with pytest.raises(ImportRefusedError, match="--fresh"):
        time_shift_ms(first=year, last=2 * year, newest=3 * year, now=4 * year)


@pytest.mark.skipif(not SHARED.exists(), reason="the data set is not beside this checkout")
def test_every_line_of_the_real_file_has_a_fate() -> None:
    result = convert(SHARED)

    assert sum(fate.lines for fate in result.fates.values()) == 541_909
    assert result.fates["duplicate_line"].lines == 5_268
    assert result.fates["sale"].cents == result.expected()["paid_cents"]
