"""`kol sql`: read-only SQL."""

from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, styled


def sql(
    query: Annotated[
        str, typer.Argument(help="A SELECT; read the views, whose names begin with v_.")
    ],
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Run a read-only query, such as kol sql "SELECT * FROM v_score LIMIT 5"."""
    from streams.clients import clickhouse
    from streams.settings import load

    use_home(home)
    found = clickhouse.query(clickhouse.reader(load(("clickhouse",)).clickhouse), query)
    if as_json:
        print_json(found)
    else:
        out.print(as_table(found) if found else styled("no rows", "dim"))


def as_table(found: list[dict[str, Any]]) -> Table:
    """A table of rows that have the same columns."""
    table = Table(header_style="bold", pad_edge=False)
    for name, value in found[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left")
    for row in found:
        table.add_row(*(str(value) for value in row.values()))
    return table
