"""Dashboards as a person sees them: Grafana's own components, drawn by Chromium.

Grafana's server is not needed: `render/` puts rows, as its data source would hand them over, into
`@grafana/ui` of Grafana's version, and reads what then stands on the page. Node, npm and Chromium
are needed, and 600 MB for the components; where they are not, `missing` says so.

    python -m tests.grafana.rendering    # fetches the components
"""

import fcntl
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

ROOM: Final = Path(__file__).parent / "render"
INSTALL: Final = "apt-get install nodejs npm chromium fonts-noto-cjk"
FETCH: Final = ".venv/bin/python -m tests.grafana.rendering"
PROGRAMS: Final = (("node",), ("npm",), ("chromium", "chromium-browser", "google-chrome"))

Json = Mapping[str, Any]  # as JSON has it; its shape is Grafana's, or that of the frames


class Seen(msgspec.Struct, frozen=True, rename="camel"):
    """What can be seen of a panel: as strings, in the order of the page, each once."""

    title: str
    legend: tuple[str, ...]
    texts: tuple[str, ...]
    """All of it: title, legend, values, the labels of axes."""
    no_data: str | None
    """What stands there instead of rows; None where rows are shown."""
    error: str | None
    """Why it could not be drawn."""
    colours: tuple[str, ...]
    """As #rrggbb: of texts, grounds, lines and areas."""
    thresholds: tuple[str, ...]
    """The colours of the panel's thresholds, whether they are seen or not."""
    cut: tuple[str, ...]
    """Texts of which a part is hidden."""


Looks = Mapping[str, Mapping[str, Seen]]
"""uid of a dashboard -> id of a panel -> what is seen."""


def missing() -> str | None:
    """What has to be installed before anything can be drawn, or None."""
    absent = [names[0] for names in PROGRAMS if not any(shutil.which(name) for name in names)]
    if absent:
        return f"no {', '.join(absent)}: {INSTALL}"
    return None if _is_fetched() else f"the components are not here: {FETCH}"


def _is_fetched() -> bool:
    """Whether `npm ci` ran for the lock as it is."""
    mark = ROOM / "node_modules" / ".of-lock"
    return mark.exists() and mark.read_bytes() == (ROOM / "package-lock.json").read_bytes()


def fetch() -> None:
    """Run `npm ci` if it has not run for this lock; one process at a time.

    Raises:
        OSError: a program is missing, or a download failed.

    """
    with _alone():
        if _is_fetched():
            return
        if (why := missing()) and INSTALL in why:
            raise OSError(why)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607  # of PATH
            cwd=ROOM,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise OSError(f"npm ci failed: is there a network?\n{done.stderr.strip()}")
        shutil.copy(ROOM / "package-lock.json", ROOM / "node_modules" / ".of-lock")


@contextmanager
def _alone() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "kol-dashboards.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def render(
    dashboards: Path,
    frames: Json,
    out: Path,
    *,
    theme: Literal["light", "dark"] = "light",
) -> Looks:
    """Draw the dashboards that have frames as `<uid>.png`, 1280 pixels wide.

    Args:
        dashboards: a folder with dashboards as JSON, in folders or not.
        frames: uid -> id of a panel -> its range, its frames and what is chosen above it.
        out: the folder of the pictures; made if it is not there.
        theme: of Grafana.

    Raises:
        OSError: something is missing, or a dashboard cannot be drawn; it says which.

    """
    fetch()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kol-frames-") as folder:
        (path := Path(folder) / "frames.json").write_text(json.dumps(frames, allow_nan=False))
        words = ["node", str(ROOM / "render.mjs"), "--dashboards", str(dashboards)]
        words += ["--frames", str(path), "--out", str(out), "--theme", theme]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"dashboards cannot be drawn:\n{done.stderr.strip()}")
    seen = (out / "seen.json").read_bytes()
    return msgspec.json.decode(seen, type=dict[str, dict[str, Seen]])


if __name__ == "__main__":
    fetch()
