"""`kol grants`: what an account of a ClickHouse server needs, as statements."""

from typing import Annotated, Literal

import typer

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import lines, out, print_json, print_notice

RUN_IT = """\
Run it as an account that may make users; FILE holds the new one's password:
  clickhouse-client --param_password="$(cat FILE)" --queries-file grants.sql"""
NO_DEFINER = """\
KOL_CLICKHOUSE__DEFINER is not set: views read tables with the rights of who
asks, so these grants alone read nothing. Set it to the account that owns the
tables, and print them anew."""


def grants(
    *,
    role: Annotated[
        Literal["grafana"], typer.Option("--role", help="What the account is for.")
    ] = "grafana",
    user: Annotated[
        str | None,
        typer.Option(
            "--user", help="Name of the account, if not grafana or grafana-BRAND; it has one role."
        ),
    ] = None,
    brand: Annotated[
        str | None, typer.Option("--brand", help="Let it read rows of this brand alone.")
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Print statements that give an account of a ClickHouse server what it needs, and no more."""
    from sinks import grants as rights
    from streams.settings import load

    for option, given in (("--user", user), ("--brand", brand)):
        if given is not None and not given.strip():
            raise typer.BadParameter(f"{option} is empty")
    use_home(home)
    conf = load(()).clickhouse
    user = user or (role if brand is None else f"{role}-{brand}")
    statements = rights.grants(
        role,
        conf.database,
        user=user,
        definer=conf.definer,
        brand=brand,
        cluster=conf.cluster,
    )
    if as_json:
        print_json({"role": role, "user": user, "brand": brand, "statements": statements})
    else:
        out.print(lines(rights.script(statements)), soft_wrap=True, end="")
    for line in (RUN_IT if conf.definer else f"{RUN_IT}\n{NO_DEFINER}").splitlines():
        print_notice(line)
