"""`kol replay`: read everything again with a second app beside the live one; swap, and go back."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from streams.cli.options import (
    HOME,
    Home,
    Json,
    Timeout,
    Yes,
    confirm,
    formerly,
    use_home,
)
from streams.cli.screen import out, print_json, print_notice, progress

if TYPE_CHECKING:
    from streams.operations.drain import Observer
    from streams.settings import Settings

REPLACED = {"--swap": "run NAME --swap", "--back": "back NAME", "--drop": "drop NAME"}


class ReplayGroup(TyperGroup):
    """The subcommands; says which one replaces `kol replay NAME [--swap|--back|--drop]`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  # typer names no types for them
        """The subcommand that the arguments name."""
        if args[0] not in self.commands:
            name = next((word for word in args if not word.startswith("-")), "NAME")
            words = next((REPLACED[word] for word in args if word in REPLACED), "run NAME")
            ctx.fail(
                f"`kol replay` needs a subcommand ({', '.join(self.commands)}), such as "
                f"`kol replay {words.replace('NAME', name)}`"
            )
        return super().resolve_command(ctx, args)


replay = typer.Typer(
    cls=ReplayGroup,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},
    help="Read all inputs again with a second app beside the live one, and swap to its tables.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the second app, such as kol-2.")]


@replay.command("run", context_settings=formerly(seconds="timeout"))
def run(
    name: Name,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="Copy rows before this day (UTC) from the live app.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, max=16, help="Worker processes to start.")] = 1,
    swap: Annotated[
        bool,
        typer.Option("--swap", help="Swap the views as soon as it has caught up."),
    ] = False,
    timeout: Timeout = 86_400.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Read all inputs again in this version, into a second database, until it has caught up.

    The live app keeps running. Call this with the live app's settings; it prints the settings
    of the second app's workers. Those that it starts end with it: --swap needs others that stay.
    With --workers 0 all run elsewhere.
    """
    from deploy.embedded.state_folder import StateFolder
    from streams.operations.replay.prepare import variables_of
    from streams.operations.replay.run import Plan, catch_up
    from streams.operations.replay.workers import local_workers

    folder = StateFolder(use_home(home))
    live, second = _apps(name)
    if not workers:
        print_notice(f"its workers run elsewhere: {_exports(second)}")
    plan = Plan(_milliseconds(since), timeout, swap=swap)
    crew = local_workers(folder, second.app_id, variables_of(second), workers) if workers else None
    started = time.monotonic()
    with _progress() as observer:
        catch_up(live, second, plan, crew, observer)
    _print_caught_up(second, started, swapped=swap, as_json=as_json)


@replay.command("swap", context_settings=formerly(seconds="timeout"))
def swap(
    name: Name, *, timeout: Timeout = 86_400.0, home: Home = HOME, as_json: Json = False
) -> None:
    """Wait until the running workers of a replay have caught up, then let the views read its rows.

    The live app keeps running, so `kol replay back NAME` can undo this. Safe to run again.
    """
    from streams.operations.replay.run import swap_once_caught_up

    use_home(home)
    live, second = _apps(name)
    started = time.monotonic()
    with _progress() as observer:
        swap_once_caught_up(live, second, timeout, observer)
    _print_caught_up(second, started, swapped=True, as_json=as_json)


@replay.command("back")
def back(name: Name, *, home: Home = HOME, as_json: Json = False) -> None:
    """Let the views read the live app's own tables again. Safe to run again."""
    from streams.operations.replay.swap import back as swap_back

    use_home(home)
    live, second = _apps(name)
    swap_back(live, second)
    report = _report(second) | {"reads": live.clickhouse.database}
    _print(report, [f"the views read {report['reads']}", _workers_line(second)], as_json=as_json)


@replay.command("drop")
def drop(name: Name, *, yes: Yes = False, home: Home = HOME, as_json: Json = False) -> None:
    """Delete the app that the views do not read: the replay, or after a swap the one it replaced.

    Its tables, topics, state and consumer group go; its workers must have stopped.
    """
    from streams.operations.replay.swap import drop as drop_unread

    use_home(home)
    live, second = _apps(name)
    confirm("Delete its tables, topics and offsets?", yes=yes)
    report = _report(second) | {"dropped": drop_unread(live, second)}
    _print(report, [f"{report['dropped']} is gone"], as_json=as_json)


def _apps(name: str) -> tuple["Settings", "Settings"]:
    """Settings of the live app and of the replay of that name."""
    from streams.operations.replay.prepare import replay_settings
    from streams.settings import load

    live = load()
    return live, replay_settings(live, name)


def _milliseconds(day: datetime | None) -> int | None:
    return None if day is None else int(day.replace(tzinfo=UTC).timestamp() * 1000)


@contextmanager
def _progress() -> Iterator["Observer"]:
    """A progress bar over the messages that are left."""
    from streams.operations.drain import Observer

    most = 0
    with progress() as bar:
        task = bar.add_task("replaying", total=None)

        def show(left: int) -> None:
            nonlocal most
            most = max(most, left)
            what = f"{left:,} messages to go"
            bar.update(task, description=what, total=most, completed=most - left)

        yield Observer(show, print_notice, lambda step: bar.update(task, description=step))


def _report(second: "Settings") -> dict[str, Any]:
    from streams.operations.replay.prepare import variables_of

    return {"app": second.app_id, "variables": variables_of(second)}


def _print_caught_up(second: "Settings", started: float, *, swapped: bool, as_json: bool) -> None:
    seconds = round(time.monotonic() - started, 1)
    report = _report(second) | {"caught_up": True, "swapped": swapped, "seconds": seconds}
    lines = [f"caught up after {seconds} s"]
    if swapped:
        report["reads"] = second.clickhouse.database
        lines.append(f"the views read {report['reads']}")
    _print(report, [*lines, _workers_line(second)], as_json=as_json)


def _print(report: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for line in lines:
        out.print(line, soft_wrap=True)


def _workers_line(second: "Settings") -> str:
    return f"its workers: {_exports(second)}"


def _exports(second: "Settings") -> str:
    """What the environment of its workers needs, for a shell."""
    from streams.operations.replay.prepare import variables_of

    words = (f"{name}={shlex.quote(value)}" for name, value in variables_of(second).items())
    return f"export {' '.join(words)}"
