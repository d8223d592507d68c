"""`kol config`: every setting, its value in force, what it is for."""

from typing import TYPE_CHECKING, Any

from streams.cli.options import HOME, Home, Json, command, out, print_json, use_home

if TYPE_CHECKING:
    pass


def masked(settings: Any) -> dict[str, Any]:  # noqa: ANN401  # any settings model
    """Settings as they are in force, secrets as stars."""
    return dict(settings.model_dump(mode="json"))


@command
def config(*, home: Home = HOME, as_json: Json = False) -> None:
    """Every setting: its variable, its value in force, what it is for. Secrets are masked."""
    from streams.settings import described, environment, load

    use_home(home)
    values = masked(load())
    if as_json:
        print_json(values)
        return
    flat = environment(values)
    for name, what in described().items():
        out.print(f"[bold]{name}[/]={flat[name]}  [dim]{what}[/]", highlight=False)
