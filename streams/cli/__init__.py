"""The command `kol`: one subcommand, in one file, for each thing that a person does."""

import os
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from streams.cli import (
    bench,
    config,
    connect,
    demo,
    dlq,
    doctor,
    down,
    drain,
    explain,
    forget,
    grants,
    import_,
    ingest,
    migrate,
    replay,
    rollup,
    snapshots,
    sql,
    status,
    top,
    topics,
    trainer,
    up,
    worker,
)
from streams.cli.failures import DEBUG, Commands, prepare_process
from streams.cli.options import formerly
from streams.cli.screen import out

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Which KOLs are trusted, and which of them earned each order. Start with `kol demo`.",
)

COMMANDS: dict[str, Callable[..., None]] = {
    "bench": bench.bench,
    "demo": demo.demo,
    "top": top.top,
    "up": up.up,
    "down": down.down,
    "worker": worker.worker,
    "trainer": trainer.trainer,
    "status": status.status,
    "connect": connect.connect,
    "grants": grants.grants,
    "topics": topics.topics,
    "migrate": migrate.migrate,
    "ingest": ingest.ingest,
    "drain": drain.drain,
    "rollup": rollup.rollup,
    "import": import_.import_,
    "sql": sql.sql,
    "doctor": doctor.doctor,
    "forget": forget.forget,
    "config": config.config,
}
FORMER_OPTIONS: dict[str, dict[str, str]] = {  # command -> old name -> today's
    "bench": {"stock-events": "slow-events"},
    "demo": {"seconds": "duration"},
    "top": {"seconds": "duration", "most": "limit"},
    "drain": {"seconds": "timeout"},
    "import": {"seconds": "timeout"},
    "forget": {"seconds": "timeout"},
}
for name, command in COMMANDS.items():
    app.command(name, context_settings=formerly(**FORMER_OPTIONS.get(name, {})))(command)
app.add_typer(explain.explain, name="explain")
app.add_typer(dlq.dlq, name="dlq")
app.add_typer(replay.replay, name="replay")
app.add_typer(snapshots.snapshots, name="snapshots")


def print_version(is_given: bool) -> None:  # noqa: FBT001  # as typer calls it
    """Print the version and end, if the option is given."""
    if is_given:
        out.print(f"kol {version_of('kol-streams')}")
        raise typer.Exit


@app.callback()
def set_debug(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where a failure was raised; also KOL_DEBUG=1.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version),
    ] = False,
) -> None:
    """Set what all commands share."""
    del version  # `print_version` has ended the command
    if debug:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run `kol`."""
    prepare_process()
    app()
