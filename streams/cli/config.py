"""`kol config`: every setting, its value in force, what it is for."""

from typing import TYPE_CHECKING, Any

from streams.cli.options import HOME, Home, Json, at_home, command, out, printed

if TYPE_CHECKING:
    pass


def masked(settings: Any) -> dict[str, Any]:  # noqa: ANN401  # any settings model
    """Settings as they are in force, secrets as stars."""
    return dict(settings.model_dump(mode="json"))


@command
def config(*, home: Home = HOME, as_json: Json = False) -> None:
    """Every setting: its variable, its value in force, what it is for. Secrets are masked."""
    from streams.settings import described, environment, load

    at_home(home)
    values = masked(load())
    if as_json:
        printed(values)
        return
    flat = environment(values)
    for name, what in described().items():
        out.print(f"[bold]{name}[/]={flat[name]}  [dim]{what}[/]", highlight=False)
