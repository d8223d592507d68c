"""`kol replay`: all is read again by a second app, beside the live one; and the way back."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import HOME, USAGE, Home, Json, at_home, command, err, notice, out, printed
from streams.cli.progress import progress

if TYPE_CHECKING:
    from deploy.embedded.process import Process
    from streams.settings import Settings

STOP_SECONDS = 12.0  # a worker is gone within ten


@command
def replay(
    name: Annotated[str, typer.Argument(help="Of the second app, such as kol-2.")],
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="Take rows before this day (UTC) from the live app.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=16, help="Processes here; 0: they run elsewhere.")
    ] = 1,
    swap: Annotated[
        bool, typer.Option("--swap", help="Once caught up, let the views read its tables.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Let the views read their own again.")
    ] = False,
    drop: Annotated[
        bool,
        typer.Option("--drop", help="Delete what is not read: the replay, or what it replaced."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Give up after this long.")] = 86_400.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Read all again in this version, as a second app into a second database; swap; go back.

    The live app goes on meanwhile. Give this command its settings; the second one's are printed.
    """
    from streams.operations.replay.prepare import beside, variables_of
    from streams.operations.replay.swap import back as went_back
    from streams.operations.replay.swap import drop as dropped
    from streams.settings import load

    if back + drop + (swap or since is not None) > 1:
        err.print("one of --back, --drop and --swap")
        raise typer.Exit(USAGE)
    folder = at_home(home)
    live = load()
    second = beside(live, name)
    report: dict[str, object] = {"app": name, "variables": variables_of(second)}
    if back:
        went_back(live, second)
        report["reads"] = live.clickhouse.database
    elif drop:
        if not yes:
            if not sys.stdin.isatty():
                err.print("this cannot be undone: add --yes")
                raise typer.Exit(USAGE)
            typer.confirm(
                "Delete its tables, topics and offsets? This cannot be undone.", abort=True
            )
        report["dropped"] = dropped(live, second)
    else:
        begun = time.monotonic()
        at = None if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
        _replayed(live, second, at, seconds, swap=swap, crew=_Crew(folder, second, workers))
        report |= {
            "caught_up": True,
            "swapped": swap,
            "seconds": round(time.monotonic() - begun, 1),
        }
        if swap:
            report["reads"] = second.clickhouse.database
    if as_json:
        printed(report)
    else:
        _shown(report, second)


class _Crew:
    """The replay's workers of this command."""

    def __init__(self, folder: object, second: "Settings", count: int) -> None:
        from deploy.embedded.state_folder import StateFolder
        from streams.operations.replay.prepare import variables_of

        self._folder = StateFolder(folder)  # type: ignore[arg-type]  # a path
        self._variables = variables_of(second)
        self._name = second.app_id
        self.count = count
        self._running: list[Process] = []

    @contextmanager
    def working(self) -> Iterator[Callable[[], None]]:
        """Run them; gives what raises where one of them has ended."""
        from deploy.embedded.process import Process

        command = [
            sys.executable,
            "-m",
            "streams.cli",
            "worker",
            "--leave",
            "--home",
            str(self._folder.path),
        ]
        try:
            for number in range(self.count):
                name = f"{self._name}-{number}"
                own = {"KOL_WORKER__NAME": name, "KOL_WORKER__PORT": "0"}
                log = self._folder.log(f"replay-{name}")
                log.parent.mkdir(parents=True, exist_ok=True)
                env = {**os.environ, **self._variables, **own}
                self._running.append(Process(command, log, env=env))
            yield self._look
        finally:
            for one in self._running:
                one.terminate()
            for one in self._running:
                one.stop(STOP_SECONDS)

    def _look(self) -> None:
        from deploy.embedded.process import tail
        from streams.operations.replay.prepare import ReplayError

        for one in self._running:
            if one.poll() is not None:
                raise ReplayError(
                    f"a worker of the replay ended: {tail(one.log, 1)} Run this again: it goes on "
                    "from its last snapshot"
                )


def _replayed(
    live: "Settings",
    second: "Settings",
    since: int | None,
    seconds: float,
    *,
    swap: bool,
    crew: _Crew,
) -> None:
    from streams.operations.drain import Watch
    from streams.operations.replay.prepare import caught_up, check_workers, prepare
    from streams.operations.replay.swap import swap as swapped

    since = prepare(live, second, since)
    if not crew.count:
        notice(f"its workers run elsewhere: {_exports(second)}")
        if swap:
            check_workers(second)
    with progress() as bar, crew.working() as look:
        task = bar.add_task("replaying", total=None)
        most = 0

        def seen(left: int) -> None:
            nonlocal most
            look()
            most = max(most, left)
            what = f"{left:,} messages to go"
            bar.update(task, description=what, total=most, completed=most - left)

        caught_up(second, seconds, Watch(seen, notice))
        if swap:
            bar.update(task, description="swapping")
            swapped(live, second, since)


def _shown(report: dict[str, object], second: "Settings") -> None:
    if "dropped" in report:
        out.print(f"{report['dropped']} is gone", highlight=False)
        return
    if report.get("caught_up"):
        out.print(f"[green]caught up[/] after {report['seconds']} s", highlight=False)
    if "reads" in report:
        out.print(f"the views read {report['reads']}", highlight=False)
    out.print(f"its workers: {_exports(second)}", highlight=False, soft_wrap=True)


def _exports(second: "Settings") -> str:
    """What the environment of its workers needs, for a shell."""
    from streams.operations.replay.prepare import variables_of

    words = (f"{name}={shlex.quote(value)}" for name, value in variables_of(second).items())
    return f"export {' '.join(words)}"
