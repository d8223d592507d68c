"""The leaderboard at the widths of terminals: no number is cut, bars where there is room."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from streams.cli import screen
from streams.cli.board import (
    FRAME,
    LEGEND,
    NARROWEST_BAR,
    axis,
    drawn,
    fitting_columns,
    fitting_leaders,
    leader_table,
)
from streams.operations.leaderboard import Fall, Leaderboard, Score, Split

LEADERS = [
    {
        "kol_id": "kol-live-01",
        "display_name": "",
        "trust": 0.62,
        "trust_lo": 0.55,
        "trust_hi": 0.70,
        "resonance": 0.5,
        "resonance_lo": 0.41,
        "resonance_hi": 0.58,
        "before": 0.5,
        "n_eff": 1234.0,
        "currency": "CNY",
        "credit_cents": 123_456_789,
        "refunded_cents": 1_234_567,
        "is_new": False,
    },
    {
        "kol_id": "小李[/vip]\x1b",
        "display_name": "",
        "trust": 1.0,
        "trust_lo": 1.0,
        "trust_hi": 1.0,
        "resonance": None,
        "resonance_lo": None,
        "resonance_hi": None,
        "before": 1.0,
        "n_eff": 1.0,
        "currency": "JPY",
        "credit_cents": 0,
        "refunded_cents": 0,
        "is_new": True,
    },
]
NUMBERS = [
    *("62 (55–70)", "+12.0", "1234", "¥1,234,567.89", "¥12,345.67"),
    *("100 (100–100)", "+0.0", "JPY 0"),
]


FALL = Fall(
    "kol-mibao-ceping",
    Score(0.47, 0.25, 0.9, datetime(2026, 1, 1, 5, 44, tzinfo=UTC)),
    Score(0.16, 0.08, 0.31, datetime(2026, 1, 1, 5, 46, tzinfo=UTC)),
)
SPLIT = Split("o123", "CNY", 19_900, [("kol-a", 12_000), ("organic", 7_900)])
BOARD = Leaderboard(LEADERS, FALL, SPLIT, {"written": 1_234, "duplicate": 5}, {}, "")
SCREENS = Path(__file__).parent / "screens"  # of this board, by columns

Draw = Callable[[list[dict[str, Any]], int], str]
Show = Callable[[Leaderboard, int], str]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Draw:
    """The table in its frame on a terminal of so many columns."""

    def draw(leaders: list[dict[str, Any]], columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        screen.out.print(screen.panel(leader_table(leaders, columns - FRAME), "now"))
        return capsys.readouterr().out

    return draw


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_every_number_and_every_cent_is_there(columns: int, table: Draw) -> None:
    text = table(LEADERS, columns)

    assert all(number in text for number in NUMBERS)
    assert "小李[/vip]\\x1b" in text
    assert all(len(line) <= columns for line in text.splitlines())
    assert "…" not in text


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_long_id_is_folded_and_takes_nothing_from_the_numbers(columns: int, table: Draw) -> None:
    long = [{**LEADERS[0], "kol_id": "Z" * 512}]  # the longest id

    text = table(long, columns)

    assert all(number in text for number in NUMBERS[:5])
    assert text.count("Z") == 512


# 11 id, 13 trust, 5 change, 4 n, 13 and 10 money, 5 gaps of 2: 66. 76 leave 10, 96 leave 30:
# resonance 10 + 2, then a bar of 30 - 12 - 2. 196 leave 130: both bars, 28 each
@pytest.mark.parametrize(
    ("columns", "bars", "has_resonance"),
    [(80, [], False), (100, [16], True), (200, [28, 28], True)],
)
def test_resonance_and_bars_are_there_where_they_fit(
    columns: int,
    bars: list[int],
    has_resonance: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    leaders = [LEADERS[0], {**LEADERS[1], "kol_id": "x"}]
    headers = [column.header for column in fitting_columns(leaders, columns - FRAME)]

    assert ("resonance" in headers) is has_resonance
    assert [header for header in headers if "50" in header] == [axis(width) for width in bars]


def test_a_scale_names_both_ends_and_the_middle() -> None:
    for width in range(NARROWEST_BAR, 40):
        scale = axis(width)

        assert len(scale) == width
        assert (scale[0], scale[-3:]) == ("0", "100")
        assert abs(scale.index("50") + 1 - width / 2) <= 1  # of a cell


def test_an_empty_board_has_its_headers(table: Draw) -> None:
    assert "credited" in table([], 80)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """A whole board on a terminal of so many columns."""

    def show(board: Leaderboard, columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        screen.out.print(drawn(board, "now", columns))
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_the_board_as_a_person_sees_it(columns: int, whole: Show) -> None:
    text = whole(BOARD, columns)

    assert text == (SCREENS / f"{columns}.txt").read_text("utf-8")
    assert all(Text(line).cell_len <= columns for line in text.splitlines())


def test_a_legend_is_a_line_each_also_on_a_narrow_terminal() -> None:
    assert all(Text(line).cell_len < 80 for line in LEGEND)


def test_where_nothing_fell_and_nothing_was_ordered_no_line_says_so(whole: Show) -> None:
    text = whole(replace(BOARD, fall=None, split=None), 100)

    assert "fall" not in text
    assert "order " not in text


def test_a_board_without_scores_says_what_it_waits_for(whole: Show) -> None:
    text = whole(Leaderboard([], None, None, {}, {}, "no score yet: partition 2"), 80)

    assert "no score yet: partition 2" in text
    assert "credited" not in text


def test_an_order_in_another_currency_is_shown_in_it(whole: Show) -> None:
    text = whole(replace(BOARD, split=Split("o1", "USD", 1_000, [("kol-a", 1_000)])), 100)

    assert "order o1 $10.00 → kol-a $10.00" in text


def test_what_was_paid_in_other_currencies_is_named(whole: Show) -> None:
    text = whole(replace(BOARD, elsewhere={"USD": 1_000, "JPY": 3_000}), 80)

    assert "orders in other currencies, not shown: $10.00, JPY 3,000" in text


NAMES: dict[str, str] = {"kol-shanliang-lama": "闪亮辣妈", "kol-x": "[/red]林医生\x1b]0;说育儿"}
NAMED = [
    {**LEADERS[0], "kol_id": "kol-shanliang-lama", "display_name": "闪亮辣妈"},
    {**LEADERS[0], "kol_id": "kol-x", "display_name": NAMES["kol-x"], "is_new": True},
    {**LEADERS[0], "kol_id": "kol-nobody"},
]


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_name_stands_beside_its_id_as_text_and_takes_nothing_from_the_numbers(
    columns: int, whole: Show
) -> None:
    """Characters of two cells count as two: no line is wider than the terminal."""
    fall, split = replace(FALL, kol_id="kol-x"), replace(SPLIT, shares=[("kol-x", 19_900)])
    text = whole(replace(BOARD, leaders=NAMED, fall=fall, split=split, names=NAMES), columns)

    assert all(Text(line).cell_len <= columns for line in text.splitlines())
    rows = "".join(line.partition("62 (")[0].strip("│ ") for line in text.splitlines())
    assert "kol-shanliang-lama" in rows
    assert "闪亮辣妈" in rows
    assert text.count("62 (55–70)") == text.count("¥1,234,567.89") == 3
    flat = " ".join(text.split())
    assert flat.count("[/red]林医生\\x1b]0;说育儿") >= 2  # of the fall, of the order
    assert "kol-x [/red]林医生\\x1b]0;说育儿 ¥199.00" in flat
    assert "\x1b" not in text


# At 80 columns 76 - 55 = 21 are left. Id and name: 18 and 8; 5, 25 (folded) and 4 for " new"; 10.
# So they take two, three and one row
@pytest.mark.parametrize(
    ("rows", "kept"), [(9, [0, 1, 2]), (6, [0, 1, 2]), (5, [0, 1]), (4, [1]), (1, [1])]
)
def test_where_ids_are_folded_fewer_kols_fit_and_new_ones_stay(rows: int, kept: list[int]) -> None:
    shown = fitting_leaders(NAMED, 80 - FRAME, rows)

    assert shown == [NAMED[place] for place in kept]
