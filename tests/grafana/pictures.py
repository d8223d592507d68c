"""Draw every dashboard with the demo's shop behind it, and keep the pictures the pages show.

    python -m tests.grafana.pictures                  # or `make pictures`
    python -m tests.grafana.pictures --out DIR        # all of them, in a folder of your own
    python -m tests.grafana.pictures --frames FILE    # of frames that were written before

What a picture shows wrong is printed one a line; exit code 1 if there is any. Metrics of the
pipeline are examples, and their picture says so: no Prometheus runs here.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.embedded.gateway.running import gateway
from tests.grafana import rendering, sql, world
from tests.grafana.boards import FOLDER, GRAFANA, Board, Finding, Json, read
from tests.grafana.looks import findings

KEPT: Final = tuple(
    f"kol-{name}{language}" for name in ("overview", "attribution") for language in ("", "-zh")
)
PLACE: Final = GRAFANA / "pictures"


def asked(boards: list[Board]) -> dict[str, Any]:
    """What every panel shows as its dashboard opens, of three months of the demo's shop."""
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
        end = world.evening_before(time.time_ns() // 1_000_000)
        sys.stderr.write("· three months of the demo's shop\n")
        with world.shop(server, end) as client:
            return sql.frames_of(boards, client, end)


def drawn(boards: Sequence[Board], frames: Json, out: Path, folder: Path = FOLDER) -> list[Finding]:
    """Draw the dashboards that have frames; gives what their pictures show wrong.

    Args:
        boards: the dashboards.
        frames: uid -> what every panel shows, of `sql.frames_of`.
        out: the folder of the pictures.
        folder: where the JSON of the dashboards lies.

    Raises:
        OSError: something is missing, or a dashboard cannot be drawn; it says which.

    """
    looks = rendering.render(folder, frames, out)
    return [
        one
        for board in boards
        if board.uid in frames
        for one in findings(board, frames[board.uid], looks.get(board.uid, {}))
    ]


def main(arguments: list[str] | None = None) -> int:
    """Draw; the exit code."""
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.grafana.pictures",
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, help=f"all pictures; else some in {PLACE.name}")
    parser.add_argument("--frames", type=Path, help="written before, by python -m tests.grafana")
    given = parser.parse_args(arguments)
    if (why := rendering.missing()) and rendering.INSTALL in why:
        sys.stderr.write(f"{why}\n")
        return 1
    boards = read()
    frames = json.loads(given.frames.read_text("utf-8")) if given.frames else asked(boards)
    sys.stderr.write(f"· {len(frames)} pictures\n")
    with tempfile.TemporaryDirectory() as folder:
        out = given.out or Path(folder)
        wrong = drawn(boards, frames, out)
        if not given.out:
            PLACE.mkdir(exist_ok=True)
            for uid in KEPT:
                shutil.copy(out / f"{uid}.png", PLACE)
    for one in wrong:
        sys.stdout.write(f"{one}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
