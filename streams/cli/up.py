"""`kol up`: run the whole stack on this machine."""

import sys
from typing import Annotated

import typer

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import err, print_json, print_notice, print_step, styled


def up(
    *,
    workers: Annotated[int, typer.Option(min=0, max=4, help="Worker processes to start.")] = 1,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return as soon as everything is ready.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete all events, rows and state first.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Run broker, engine and workers on this machine, on loopback, with topics and tables."""
    from deploy.embedded.state_folder import StateFolder
    from deploy.embedded.supervisor import detach as detached
    from streams.operations.stack import keep_from_demo, supervisor

    folder = StateFolder(use_home(home))
    if fresh:
        folder.clear()

    if detach:
        argv = [sys.executable, "-m", "streams.cli", "up", "--workers", str(workers)]
        status = detached(folder, [*argv, "--home", str(folder.path)], on_change=print_notice)
        if as_json:
            print_json({name: value for name, value in status.items() if name != "settings"})
        else:
            err.print(
                styled("ready:", "green"),
                f"kafka {status['kafka']['bootstrap']}; `kol down` stops it",
            )
        return
    folder.acquire()  # before anything is prepared
    keep_from_demo(folder)
    supervisor(folder, workers, print_step).run()
