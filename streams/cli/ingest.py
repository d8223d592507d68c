"""`kol ingest`: check files of events, then send them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import out, print_failure, print_json, print_notice, progress
from streams.errors import ExpectedError

if TYPE_CHECKING:
    from streams.operations.ingest.check import Forecast
    from streams.operations.ingest.send import Sent
    from streams.settings import Settings

AGAIN = (
    "Sending the files again is safe:"
    " what has arrived is dropped as a duplicate or too late, and counts once."
)


class NothingSentError(ExpectedError):
    """The files were not sent; says why."""


def ingest(
    files: Annotated[
        list[Path], typer.Argument(help="JSON lines; .gz, .xz and .zst are unpacked.")
    ],
    *,
    check: Annotated[
        bool, typer.Option(help="Read the files to their end before anything is sent.")
    ] = True,
    allow_late: Annotated[
        bool, typer.Option("--allow-late", help="Send also when most lines would be too late.")
    ] = False,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a line cannot be sent.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send files of events, one {"topic": …, "value": {…}} or {"topic": …, "raw": "…"} a line.

    Before anything is sent it says which lines would be rejected or too late. An event is too late
    if its ts is more than 2 h below the greatest of its topic partition. If most lines would be
    too late beside others in the files (an export newest first), nothing is sent.
    Sending a file twice is safe: each event counts once. The key of a reference record is built
    from its value; of several with one key the last one sent stands, and {"topic": …, "key": …,
    "raw": null} takes it back.
    """
    from streams.operations.ingest.send import send_files
    from streams.settings import load

    use_home(home)
    settings = load(("kafka",))
    now = time.time_ns() // 1_000_000
    with progress() as bar:
        task = bar.add_task("checking", total=None)
        on_checked = lambda n: bar.update(task, completed=n)  # noqa: E731  # of the bar only
        forecast = _prepare(settings, files, home, now, on_checked if check else None)
    if forecast is not None:
        _print_forecast(forecast)
        if forecast.is_newest_first and not allow_late:
            _refuse(forecast, as_json=as_json)
    with progress() as bar:
        sending = bar.add_task("sending", total=forecast.messages if forecast else None)
        on_sent = lambda n: bar.update(sending, completed=n)  # noqa: E731  # of the bar only
        sent = asyncio.run(send_files(settings.kafka, files, now, on_sent))
    _print_sent(sent, forecast, as_json=as_json)
    is_empty = not sent.delivered and sent.unusable
    if sent.why or is_empty or (strict and sent.unusable):
        raise typer.Exit(FAILED)


def _prepare(
    settings: "Settings",
    files: list[Path],
    home: Path,
    now: int,
    on_checked: Callable[[int], None] | None,
) -> "Forecast | None":
    """What would become of the files; None if that is not asked for or a file is a pipe.

    Raises:
        NothingSentError: a file cannot be read to its end, no broker answers, or Ctrl-C.

    """
    from streams.operations.ingest.check import check_files, known_greatest_times
    from streams.operations.ingest.files import DamagedFileError, is_read_once, require_readable
    from streams.operations.status import greatest_times

    try:
        require_readable(files)
        if on_checked is None:
            return None
        for path in filter(is_read_once, files):
            print_notice(f"not checked: {path} can be read only once")
            return None
        greatest = asyncio.run(known_greatest_times(settings, greatest_times(home)))
        return check_files(files, settings, greatest, now, on_checked)
    except DamagedFileError as error:
        reason = f"{error}; nothing was sent (--no-check sends the lines before it)"
        raise NothingSentError(reason) from error
    except ExpectedError as error:
        raise NothingSentError(f"{error}; nothing was sent") from error
    except KeyboardInterrupt as error:
        raise NothingSentError("interrupted; nothing was sent") from error


def _print_forecast(forecast: "Forecast") -> None:
    if forecast.refused:
        reasons = ", ".join(f"{n:,} as {reason}" for reason, n in forecast.refused.items())
        print_notice(f"will be rejected: {reasons}")
    if forecast.differing:
        print_notice(
            f"{forecast.differing:,} lines have the event_id of an earlier line of their user that"
            " says something else: they would not count; give every event an id of its own"
        )
    first = forecast.first_late
    if first is None:
        return
    by_place = ", ".join(f"{n:,} of {place}" for place, n in sorted(forecast.late.items()))
    print_notice(
        f"{forecast.late.total():,} of {forecast.messages:,} lines would be too late, so they would"
        " not count: more than 2 h below the greatest time of their topic partition"
        f" ({by_place}; first {first.path}:{first.line}, {first.below_ms / 3_600_000:.1f} h below)"
    )
    if forecast.late_beside_topics:
        print_notice(
            f"{forecast.late_beside_topics:,} of them lie behind what the topics hold already:"
            " if they were sent before, they count and need not be sent again"
        )


def _refuse(forecast: "Forecast", *, as_json: bool) -> None:
    """Send nothing, since most lines would be too late beside others in the files."""
    if as_json:
        print_json({"sent": {}, "messages": 0, "unusable": forecast.unusable} | _checked(forecast))
    raise NothingSentError(
        "nothing was sent: send the oldest lines first (in one command, several files are merged"
        " by ts), or add --allow-late to send all of them as they are"
    )


def _checked(forecast: "Forecast | None") -> dict[str, Any]:
    return {"check": forecast.as_dict() if forecast else None}


def _print_sent(sent: "Sent", forecast: "Forecast | None", *, as_json: bool) -> None:
    for line in sent.first_unusable:
        print_notice(f"{line.path}:{line.line}: not sent: {line.why}")
    if as_json:
        counts = {"messages": sent.delivered.total(), "unusable": sent.unusable}
        more = {"unacknowledged": sent.unacknowledged, "ended_early": sent.why}
        print_json({"sent": dict(sent.delivered)} | counts | more | _checked(forecast))
    by_topic = ", ".join(f"{n} to {topic}" for topic, n in sent.delivered.items()) or "nothing"
    summary = f"sent {by_topic}; {sent.unusable} lines could not be sent"
    if not sent.why:
        if not as_json:
            out.print(summary)
        return
    print_failure(sent.why)
    print_notice(summary)
    if sent.unacknowledged:
        print_notice(
            f"{sent.unacknowledged} more were sent without an answer: they may have arrived or not"
        )
    print_notice(AGAIN)
