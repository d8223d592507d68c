"""An account that `kol grants` makes may ask whatever the dashboards ask."""

from collections.abc import Iterator, Mapping

import pytest

from tests.grafana.boards import Board, Variable, read
from tests.grafana.macros import Range, expand
from tests.grafana.sql import GRAFANA, qualified
from tests.grafana.variables import ALL, Choice, interpolate
from tests.sinks.accounts import Accounts

SPAN = Range(1_767_225_600_123, 1_767_312_000_456)


def opened(board: Board) -> dict[str, Choice]:
    """A choice for each variable: All, or the first that the dashboard lists."""
    return {one.name: _first(one) for one in board.variables}


def _first(variable: Variable) -> Choice:
    if variable.is_multi:
        return Choice((ALL,), is_multi=True)
    value = str((variable.json.get("current") or {}).get("value") or "")
    return Choice((value or str(variable.json.get("query") or "x"),))


def asked(board: Board) -> Iterator[tuple[str, str]]:
    """Each statement of a dashboard as it reaches the engine, and where it stands."""
    choices = opened(board)
    for one in board.variables:
        if one.target is not None and one.target.sql:
            yield f"{board.uid} ${one.name}", reaching(one.target.sql, choices)
    for panel in board.panels:
        for target in panel.targets:
            if target.sql:
                yield panel.where, reaching(target.sql, choices)


def reaching(sql: str, choices: Mapping[str, Choice]) -> str:
    """A statement with its macros and variables filled in, in the database of the data source."""
    return qualified(expand(interpolate(sql, choices, SPAN), SPAN))


STATEMENTS = {
    sql: where for board in read() if not board.uid.endswith("-zh") for where, sql in asked(board)
}


def test_dashboards_ask_something() -> None:
    assert len(STATEMENTS) > 20


@pytest.mark.integration
@pytest.mark.parametrize("sql", STATEMENTS, ids=STATEMENTS.values())
def test_the_reader_may_ask_it(accounts: Accounts, sql: str) -> None:
    accounts.rows(sql, GRAFANA)  # raises what the engine says
