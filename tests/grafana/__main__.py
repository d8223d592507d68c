"""Check the dashboards of `deploy/grafana` as far as that goes without Grafana.

    python -m tests.grafana                 # or `make check-grafana`
    python -m tests.grafana --quick         # only what needs no engine
    python -m tests.grafana --long          # beside that: 200 ms at 90 d on 10 M cells, 1 M orders
    python -m tests.grafana --frames FILE   # write what every panel shows, for the renderer

Findings are printed one a line, progress goes to standard error; exit code 1 if there are any.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_connect.driver.client import Client

from tests.embedded.gateway.running import READER, Server, gateway
from tests.grafana import dashboards, speed, sql, world
from tests.grafana.boards import FOLDER, Board, Finding, read
from tests.integration.engine import fresh

FULL, EMPTY, MUCH = "shop", "nothing", "much"


def progress(text: str) -> None:
    """Say what is going on."""
    sys.stderr.write(f"· {text}\n")
    sys.stderr.flush()


@contextmanager
def reading(server: Server, database: str) -> Iterator[Client]:
    """A connection with the rights of a reader."""
    client = server.client(READER, database=database)
    try:
        yield client
    finally:
        client.close()


def main(arguments: list[str] | None = None) -> int:
    """Check; the exit code."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()
    boards = read(given.dashboards)
    progress(f"{len(boards)} dashboards, {sum(len(board.panels) for board in boards)} panels")
    found = dashboards.findings(boards)
    if not given.quick:
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
    parser.add_argument("--days", type=int, default=1, help="that --frames shows (1)")
    parser.add_argument("--cells", type=int, default=speed.CELLS, help="of --long")
    parser.add_argument("--orders", type=int, default=speed.ORDERS, help="of --long")
    return parser


def _on_the_engine(server: Server, boards: list[Board], given: argparse.Namespace) -> list[Finding]:
    end = world.evening_before(time.time_ns() // 1_000_000)
    owner = fresh(server, FULL)
    progress("three months of the demo's shop")
    world.fill(owner, end)
    owner.close()
    fresh(server, EMPTY).close()
    with reading(server, FULL) as client, reading(server, EMPTY) as nothing:
        checked = sql.check(boards, client, end, nothing=nothing, progress=progress)
        slowest = f"the slowest {checked.slowest_ms:.0f} ms"
        progress(f"{checked.statements} statements, {slowest}")
        if given.frames:
            frames = sql.frames_of(boards, client, end, given.days * sql.DAY)
            given.frames.write_text(json.dumps(frames, ensure_ascii=False), "utf-8")
        progress("an empty database")
        found = sql.check(boards, nothing, end, has_data=False, varied=()).findings
    return checked.findings + found + (_long(server, boards, given) if given.long else [])


def _long(server: Server, boards: list[Board], given: argparse.Namespace) -> list[Finding]:
    end = time.time_ns() // 1_000_000
    owner = fresh(server, MUCH)
    speed.fill(owner, end, cells=given.cells, orders=given.orders, progress=progress)
    owner.close()
    with reading(server, MUCH) as client:
        timed, slow = speed.measure(boards, client, end, progress=progress)
    for one in timed:
        spent = f"{one.best:7.0f} ms (worst {one.worst:.0f}) {one.rows:6} rows"
        sys.stdout.write(f"{spent}  {one.where}, {one.way}\n")
    return slow


if __name__ == "__main__":
    sys.exit(main())
