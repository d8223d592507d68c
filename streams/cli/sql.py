"""`kol sql`: read-only SQL."""

import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, styled

STANDARD_INPUT = "-"
LEAST_TEXT = 8  # columns of a terminal that a column of texts keeps, if they are as long


def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="A SELECT; read the views, whose names begin with v_. It is read from standard "
            "input where it is - or left out: kol sql - < query.sql. Within double quotes a shell "
            "changes $ and `."
        ),
    ] = None,
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Run a read-only query, such as kol sql "SELECT * FROM v_score LIMIT 5"."""
    from streams.clients import clickhouse
    from streams.settings import load

    asked = read_query(query)
    use_home(home)
    found = clickhouse.query(clickhouse.reader(load(("clickhouse",)).clickhouse), asked)
    if as_json:
        print_json(found)
    elif found:
        out.print(as_table(found, out.width if out.is_terminal else None), crop=False)
    else:
        out.print(styled("no rows", "dim"))


def read_query(given: str | None) -> str:
    """The SQL that was given, or what stands on standard input.

    Raises:
        typer.BadParameter: nothing was given, and a person sits at standard input.

    """
    if given is None and sys.stdin.isatty():
        raise typer.BadParameter("no QUERY: give it, or let it be read: kol sql - < query.sql")
    return sys.stdin.read() if given in (None, STANDARD_INPUT) else given


def as_table(found: list[dict[str, Any]], width: int | None = None) -> Table:
    """A table of rows that have the same columns, of which nothing is cut.

    Args:
        found: the rows.
        width: of the terminal, in which long texts fold; numbers never do. None: nothing does.

    """
    table = Table(header_style="bold", pad_edge=False)
    whole = least = 3 * len(found[0]) - 1  # lines between columns, and blanks beside them
    for name in found[0]:
        values = [row[name] for row in found]
        widest = max(styled(str(one)).cell_len for one in (name, *values))
        folded = widest if _is_number(values) else min(widest, LEAST_TEXT)
        justify: Literal["left", "right"] = "right" if _is_number(values) else "left"
        table.add_column(name, justify=justify, overflow="fold", min_width=folded)
        whole, least = whole + widest, least + folded
    table.width = whole if width is None else min(whole, max(least, width))
    for row in found:
        table.add_row(*(str(value) for value in row.values()))
    return table


def _is_number(values: Iterable[object]) -> bool:
    """Whether a column has numbers, and no texts."""
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}
