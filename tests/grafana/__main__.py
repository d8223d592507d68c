"""Check the dashboards of `deploy/grafana` as far as that goes without Grafana, and draw them.

    python -m tests.grafana                 # or `make check-grafana`
    python -m tests.grafana --quick         # only what needs no engine
    python -m tests.grafana --long          # beside that: 200 ms at 90 d on 10 M cells, 1 M orders
    python -m tests.grafana --frames FILE   # write what every panel shows, for the renderer

Findings are printed one a line, progress goes to standard error; exit code 1 if there are any.
Where Chromium is missing nothing is drawn; in CI (`KOL_CI=1`) that is a finding.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.embedded.gateway.running import Server, gateway
from tests.grafana import dashboards, pictures, rendering, speed, sql, world
from tests.grafana.boards import FOLDER, Board, Finding, read
from tests.integration.engine import fresh

MUCH = "much"  # a database


def progress(text: str) -> None:
    """Say what is going on."""
    sys.stderr.write(f"· {text}\n")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Check; the exit code."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()
    boards = read(given.dashboards)
    progress(f"{len(boards)} dashboards")
    found = dashboards.findings(boards)
    if not given.quick and not dashboards.refused(boards):
        with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
            found += _on_the_engine(server, boards, given)
    for one in found:
        sys.stdout.write(f"{one}\n")
    seconds = time.monotonic() - began
    progress(f"{len(found)} findings in {seconds:.0f} s")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.grafana",
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dashboards", type=Path, default=FOLDER, help="folder of their JSON")
    parser.add_argument("--quick", action="store_true", help="only what needs no engine")
    parser.add_argument("--long", action="store_true", help="also how long panels take")
    parser.add_argument("--frames", type=Path, help="write what every panel shows as it opens")
    parser.add_argument("--cells", type=int, default=speed.CELLS, help="of --long")
    parser.add_argument("--orders", type=int, default=speed.ORDERS, help="of --long")
    return parser


def _on_the_engine(server: Server, boards: list[Board], given: argparse.Namespace) -> list[Finding]:
    end = world.evening_before(time.time_ns() // 1_000_000)
    progress("three months of the demo's shop")
    with world.shop(server, end) as client, world.nothing(server) as nothing:
        checked = sql.check(boards, client, end, nothing=nothing, progress=progress)
        slowest = f"the slowest {checked.slowest_ms:.0f} ms"
        progress(f"{checked.statements} statements, {slowest}")
        progress("an empty database")
        empty = sql.check(boards, nothing, end, has_data=False, varied=())
        found = checked.findings + empty.findings
        frames = {} if found else sql.frames_of(boards, client, end)
    if given.frames and frames:
        given.frames.write_text(json.dumps(frames, ensure_ascii=False), "utf-8")
    found += drawn(boards, frames, given.dashboards)
    return found + (_long(server, boards, given) if given.long else [])


def drawn(boards: list[Board], frames: dict[str, Any], folder: Path) -> list[Finding]:
    """What the pictures of all dashboards show wrong; where nothing can be drawn, CI wants to."""
    if not frames:
        progress("nothing is drawn before every statement is answered")
        return []
    if why := rendering.missing():
        progress(f"nothing is drawn: {why}")
        return [Finding("pictures", f"nothing is drawn: {why}")] if os.environ.get("KOL_CI") else []
    progress(f"{len(frames)} pictures")
    with tempfile.TemporaryDirectory(prefix="kol-pictures-") as out:
        return pictures.drawn(boards, frames, Path(out), folder)


def _long(server: Server, boards: list[Board], given: argparse.Namespace) -> list[Finding]:
    end = time.time_ns() // 1_000_000
    with closing(fresh(server, MUCH)) as owner:
        speed.fill(owner, end, cells=given.cells, orders=given.orders, progress=progress)
    with world.reading(server, MUCH) as client:
        timed, slow = speed.measure(boards, client, end, progress=progress)
    for one in timed:
        spent = f"{one.best:7.0f} ms (worst {one.worst:.0f}) {one.rows:6} rows"
        sys.stdout.write(f"{spent}  {one.where}, {one.way}\n")
    return slow


if __name__ == "__main__":
    sys.exit(main())
