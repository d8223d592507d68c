"""The command `kol`: one word for each thing a person does with the product."""

from collections.abc import Callable

import typer

from streams.cli import ask, bench, demo, importing, mend, move, replaying, run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    help="Which KOLs are trusted, and what each order owes to whom. Begin with `kol demo`.",
)

COMMANDS: dict[str, Callable[..., None]] = {
    "bench": bench.bench,
    "demo": demo.demo,
    "top": demo.top,
    "up": run.up,
    "down": run.down,
    "worker": run.worker,
    "status": run.status,
    "topics": move.topics,
    "migrate": move.migrate,
    "ingest": move.ingest,
    "drain": move.drain,
    "import": importing.import_,
    "sql": ask.sql,
    "doctor": mend.doctor,
    "replay": replaying.replay,
    "forget": mend.forget,
    "config": move.config,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(ask.explain, name="explain")
app.add_typer(mend.dlq, name="dlq")


def main() -> None:
    """Run the command of the command line."""
    app()
