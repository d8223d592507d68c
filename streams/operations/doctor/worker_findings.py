"""Judging workers, the processes of this machine, and clocks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.events import FUTURE_MS
from streams.core.kernels import described
from streams.operations.doctor.findings import Finding, fault, fine, warning
from streams.operations.durations import duration_text

CLOCK_MS: Final = 5_000  # apart: a warning


def builds(version: str, path: str, pages: Mapping[str, Mapping[str, Any] | None]) -> Finding:
    """Whether all workers run the version and code path of this command.

    Args:
        version: of this command.
        path: code path of this command: version of the compiled functions, `off` or `absent`.
        pages: /status.json of workers, by address; None: no answer.

    """
    ours = f"{version}, native {path}"
    answering = {
        str(page.get("name", url)): page for url, page in pages.items() if page is not None
    }
    theirs = {
        name: f"{page.get('version')}, native {page.get('native')}"
        for name, page in answering.items()
    }
    others = {name: build for name, build in theirs.items() if build != ours}
    if not others:
        return fine("code path", f"{described(path)}, version {version}")
    what = "; ".join(f"{name} runs {build}" for name, build in sorted(others.items()))
    mend = "give all of them one version: restart the workers one by one"
    return warning("code path", f"{what}; this command is of {ours}", mend)


def workers(pages: Mapping[str, Mapping[str, Any] | None]) -> list[Finding]:
    """Findings about the workers of this machine, by their /status.json; None: no answer."""
    found = []
    for url, page in pages.items():
        if page is None:
            what = f"{url} does not answer"
            found.append(fault("workers", what, "`kol status`; its log says why"))
            continue
        name = str(page.get("name", url))
        stuck = [f"{name} is stuck: {wrong}" for wrong in page.get("live", [])]
        found += [fault("workers", wrong, "restart it") for wrong in stuck]
        unready = [f"{name} is not ready: {wrong}" for wrong in page.get("ready", [])]
        mend = "passes by itself when what it waits for is back; its log says more"
        found += [fault("workers", wrong, mend) for wrong in unready]
    return found or [fine("workers", f"{len(pages)} of this machine, live and ready")]


def processes(running: Sequence[Mapping[str, Any]], logs: str) -> list[Finding]:
    """Whether `kol up` had to restart a process."""
    again = {str(one["name"]): int(one["restarts"]) for one in running if one.get("restarts")}
    if not again:
        return []
    what = ", ".join(f"{name} {'once' if n == 1 else f'{n} times'}" for name, n in again.items())
    return [warning("processes", f"started again: {what}", f"why stands in {logs}")]


def clock(name: str, theirs: int, ours: int, *, at_least: bool = False) -> Finding:
    """Whether two clocks agree.

    Args:
        name: whose clock.
        theirs: what it says, milliseconds.
        ours: the time of this machine at that moment.
        at_least: `theirs` is a time in the past, so that only being ahead can be seen.

    """
    apart = theirs - ours
    about = f"clock, {name}"
    if abs(apart) <= CLOCK_MS or (at_least and apart < 0):
        return fine(about, "not ahead of this machine's" if at_least else "agrees with ours")
    what = f"{duration_text(abs(apart))} {'ahead of' if apart > 0 else 'behind'} this machine's"
    mend = "synchronise both (NTP); events more than 10 minutes in the future are refused"
    return (fault if abs(apart) > FUTURE_MS else warning)(about, what, mend)
