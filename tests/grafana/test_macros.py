"""Macros become what the data source makes of them."""

import json
from pathlib import Path

import pytest

from tests.grafana.macros import MacroError, Range, expand, macros_in

SHARED = Path(__file__).parents[3] / "shared/cases/grafana-macros.json"
SPAN = Range(1_700_000_000_250, 1_700_086_400_750, 60_000)


@pytest.mark.parametrize(
    ("sql", "expanded"),
    [
        ("a > $__fromTime", "a > toDateTime(1700000000)"),
        ("a < $__toTime", "a < toDateTime(1700086400)"),
        ("a > $__fromTime_ms", "a > fromUnixTimestamp64Milli(1700000000250)"),
        (
            "$__timeFilter(at)",
            "at >= toDateTime(1700000000) AND at <= toDateTime(1700086400)",
        ),
        (
            "$__timeFilter(toTimeZone(at, concat('Asia/', ')')))",
            (
                "toTimeZone(at, concat('Asia/', ')')) >= toDateTime(1700000000)"
                " AND toTimeZone(at, concat('Asia/', ')')) <= toDateTime(1700086400)"
            ),
        ),
        ("a < $__toTime_ms", "a < fromUnixTimestamp64Milli(1700086400750)"),
        (
            "$__timeFilter_ms(at)",
            (
                "at >= fromUnixTimestamp64Milli(1700000000250)"
                " AND at <= fromUnixTimestamp64Milli(1700086400750)"
            ),
        ),
        ("$__dateFilter(day)", "day >= toDate('2023-11-14') AND day <= toDate('2023-11-15')"),
        (
            "$__dateTimeFilter(day, at)",
            (
                "(day >= toDate('2023-11-14') AND day <= toDate('2023-11-15')) AND"
                " (at >= toDateTime(1700000000) AND at <= toDateTime(1700086400))"
            ),
        ),
        (
            "$__dt(day, at)",
            (
                "(day >= toDate('2023-11-14') AND day <= toDate('2023-11-15')) AND"
                " (at >= toDateTime(1700000000) AND at <= toDateTime(1700086400))"
            ),
        ),
        ("$__timeInterval(at)", "toStartOfInterval(toDateTime(at), INTERVAL 60 second)"),
        (
            "$__timeInterval_ms(at)",
            "toStartOfInterval(toDateTime64(at, 3), INTERVAL 60000 millisecond)",
        ),
        ("$__interval_s", "60"),
        ("$__timeGroup(at, '1h')", "toStartOfInterval(toDateTime(at), INTERVAL 3600 second)"),
        ("$__timeGroup(at, 5m)", "toStartOfInterval(toDateTime(at), INTERVAL 300 second)"),
        ("$__timeFrom(at)", "at >= toDateTime(1700000000)"),
        ("$__timeTo(at)", "at <= toDateTime(1700086400)"),
    ],
)
def test_a_macro_becomes_the_range_and_the_interval_of_its_panel(sql: str, expanded: str) -> None:
    assert expand(sql, SPAN) == expanded


def test_a_macro_may_stand_in_the_argument_of_another() -> None:
    expanded = expand("$__timeFilter_ms(coalesce(closed, $__toTime_ms))", Range(1, 2))

    assert expanded == (
        "coalesce(closed, fromUnixTimestamp64Milli(2)) >= fromUnixTimestamp64Milli(1)"
        " AND coalesce(closed, fromUnixTimestamp64Milli(2)) <= fromUnixTimestamp64Milli(2)"
    )


def test_an_interval_shorter_than_a_second_is_a_second() -> None:
    assert expand("$__timeInterval(a)", Range(0, 1, 250)).endswith("INTERVAL 1 second)")
    assert expand("$__timeInterval_ms(a)", Range(0, 1, 250)).endswith("INTERVAL 250 millisecond)")


def test_what_is_no_macro_stays() -> None:
    for sql in (
        "$__nothing(minute)",
        "$__timeFilters(minute)",
        r"kol_id = 'it\'s -- fine'",
        "kol_id = 'it''s /* fine'",
    ):
        assert expand(sql, SPAN) == sql


def test_a_comment_is_blanked_before_macros_are_looked_for() -> None:
    assert expand("SELECT 1 -- $__timeFilter()\n/* $__dt */, 2", SPAN).split() == [
        *("SELECT", "1", ",", "2")
    ]


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("$__timeFilter_ms()", r"\$__timeFilter_ms takes 1 argument, not 0"),
        ("$__timeFilter_ms(a, b)", r"\$__timeFilter_ms takes 1 argument, not 2"),
        ("$__dateTimeFilter(a)", r"\$__dateTimeFilter takes 2 arguments, not 1"),
        ("$__timeGroup(a, soon)", "does not know the duration 'soon'"),
        ("$__lttb(100, a, b) FROM t", r"\$__lttb rewrites the whole statement"),
    ],
)
def test_a_macro_that_the_source_refuses_is_an_error(sql: str, sentence: str) -> None:
    with pytest.raises(MacroError, match=sentence):
        expand(sql, SPAN)


def test_brackets_in_strings_do_not_end_an_argument() -> None:
    (macro,) = macros_in("$__timeFilter_ms(if(a = ')', b, c)) AND d")

    assert macro.args == ("if(a = ')', b, c)",)


@pytest.mark.skipif(not SHARED.exists(), reason="the cases are not beside this checkout")
def test_every_case_of_the_source_comes_out_as_it_says() -> None:
    given = json.loads(SHARED.read_text())
    span = Range(given["from_ms"], given["to_ms"], given["interval_ms"])

    for case in given["cases"]:
        assert expand(case["sql"], span) == case["expanded"], case["sql"]
