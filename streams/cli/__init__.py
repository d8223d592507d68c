"""The command `kol`: one subcommand, in one file, for each thing that a person does."""

from collections.abc import Callable

import typer

from streams.cli import (
    bench,
    config,
    demo,
    dlq,
    doctor,
    down,
    drain,
    explain,
    forget,
    import_,
    ingest,
    migrate,
    replay,
    sql,
    status,
    top,
    topics,
    up,
    worker,
)
from streams.cli.options import formerly

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
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
    "status": status.status,
    "topics": topics.topics,
    "migrate": migrate.migrate,
    "ingest": ingest.ingest,
    "drain": drain.drain,
    "import": import_.import_,
    "sql": sql.sql,
    "doctor": doctor.doctor,
    "forget": forget.forget,
    "config": config.config,
}
FORMER_OPTIONS: dict[str, dict[str, str]] = {  # command -> old name -> today's
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


def main() -> None:
    """Run `kol`."""
    app()
