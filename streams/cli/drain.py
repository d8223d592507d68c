"""`kol drain`: wait until everything sent so far is safe."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import HOME, Home, Json, at_home, command, notice, printed
from streams.cli.progress import progress

if TYPE_CHECKING:
    pass


@command
def drain(
    *,
    seconds: Annotated[float, typer.Option(help="Give up after this long.")] = 600.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Wait until everything sent so far is read, stated in ClickHouse and safe."""
    from streams.clients.kafka_admin import OUTAGE_SECONDS, kafka_admin
    from streams.operations.drain import Watch
    from streams.operations.drain import drain as drained
    from streams.settings import load

    at_home(home)
    settings = load()
    with progress() as bar, kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        task = bar.add_task("draining", total=None)

        def seen(left: int) -> None:
            bar.update(task, description=f"{left} messages to go")

        drained(broker, settings.app_id, seconds, Watch(seen, notice))
    if as_json:
        printed({"drained": True})
