"""`kol config`: all settings, their values in force, and what they are for."""

import secrets
from typing import Annotated, Any

import typer

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, styled


def masked(settings: Any) -> dict[str, Any]:  # noqa: ANN401  # any settings model
    """All values in force, with secrets as stars."""
    return dict(settings.model_dump(mode="json"))


def config(
    *,
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="Print a new KOL_HMAC_KEY instead; it is kept nowhere."),
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show every setting with its value in force and what it is for; secrets are masked."""
    from streams.settings import descriptions, environment, load

    if new_key:
        key = secrets.token_hex(32)
        if as_json:
            print_json({"hmac_key": key})
        else:
            out.print(key)
        return
    use_home(home)
    values = masked(load(()))
    if as_json:
        print_json(values)
        return
    flat = environment(values)
    for name, what in descriptions().items():
        out.print(styled(name, "bold"), f"={flat[name]}  ", styled(what, "dim"), sep="")
