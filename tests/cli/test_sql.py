"""`kol sql` asks what was meant and shows all of what it found."""

import io
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner

from streams.cli import app, screen
from streams.cli.sql import as_table, read_query
from streams.clients import clickhouse
from tests.cli.stand_ins import returns

QUERY: Final = """WITH splitByChar('&', 'var-kol=$__all') AS chosen
SELECT 'it''s "$HOME" `x` \\n' AS o
"""
NUMBER: Final = 16_537_000_000_123
ROWS: Final[list[dict[str, Any]]] = [
    {"day": "2026-11-30", "kol": "k" * 64, "cents": NUMBER, **{f"n{i}": NUMBER for i in range(9)}},
    {"day": "2026-11-30", "kol": "小" * 64, "cents": None, **{f"n{i}": 0.5 for i in range(9)}},
]


class Terminal(io.StringIO):
    """Standard input where a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ClickHouse is asked."""
    found: list[str] = []
    monkeypatch.setenv("KOL_HOME", "")
    monkeypatch.setenv("KOL_CLICKHOUSE__HOST", "127.0.0.1")
    monkeypatch.setattr(clickhouse, "reader", returns(None))

    def answer(_: object, sql: str) -> list[dict[str, Any]]:
        found.append(sql)
        return ROWS

    monkeypatch.setattr(clickhouse, "query", answer)
    return found


@pytest.mark.parametrize("words", [[], ["-"]])
def test_sql_of_standard_input_reaches_clickhouse_as_it_is(
    words: list[str], asked: list[str]
) -> None:
    done = CliRunner().invoke(app, ["sql", *words], input=QUERY)

    assert done.exit_code == 0
    assert asked == [QUERY]


def test_sql_that_is_given_is_not_read(asked: list[str]) -> None:
    CliRunner().invoke(app, ["sql", "SELECT 1"], input=QUERY)

    assert asked == ["SELECT 1"]


def test_a_person_who_gives_no_sql_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(QUERY))

    with pytest.raises(typer.BadParameter, match="no QUERY"):
        read_query(None)
    assert read_query("-") == QUERY


def test_beside_a_terminal_a_row_is_a_line_and_nothing_is_cut(asked: list[str]) -> None:
    shown = CliRunner().invoke(app, ["sql", "-"], input=QUERY, env={"COLUMNS": "80"}).output
    line = next(line for line in shown.splitlines() if "k" * 64 in line)

    assert asked
    assert "…" not in shown
    assert line.count(str(NUMBER)) == 10
    assert "小" * 64 in shown


@pytest.mark.parametrize("columns", [1, 80, 120, 400])
def test_on_a_terminal_texts_fold_and_numbers_do_not(columns: int) -> None:
    terminal = screen.Screen()
    terminal.file, terminal.width = io.StringIO(), columns
    terminal.print(as_table(ROWS, columns), crop=False)
    shown = terminal.file.getvalue()

    assert "…" not in shown
    assert shown.count(str(NUMBER)) == 10
    assert (shown.count("k"), shown.count("小")) == (64 + 1, 64)


def test_a_table_that_fits_its_terminal_once_texts_are_folded_is_no_wider() -> None:
    terminal = screen.Screen()
    terminal.file, terminal.width = io.StringIO(), 60
    terminal.print(as_table([{"kol": "k" * 64, "cents": NUMBER}], 60), crop=False)

    assert max(map(len, terminal.file.getvalue().splitlines())) <= 60
