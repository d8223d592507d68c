"""Write `deploy/grafana/dashboards/{en,zh}/*.json` anew; a test compares them with the program.

python -m deploy.grafana    # or `make dashboards`
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana import attribution, kol, overview, pipeline, quality
from deploy.grafana.assembly import as_json
from deploy.grafana.texts import LANGUAGES, Say, in_language

FOLDER: Final = Path(__file__).parent / "dashboards"
DASHBOARDS: Final[Mapping[str, Callable[[Say], shapes.Dashboard]]] = {
    "overview": overview.dashboard,
    "kol": kol.dashboard,
    "attribution": attribution.dashboard,
    "quality": quality.dashboard,
    "pipeline": pipeline.dashboard,
}


def files() -> dict[Path, str]:
    """File -> what shall stand in it."""
    return {
        FOLDER / language / f"{name}.json": as_json(dashboard(in_language(language)))
        for language in LANGUAGES
        for name, dashboard in DASHBOARDS.items()
    }


def main() -> None:
    """Write what has changed, and take away what no program makes."""
    wanted = files()
    for path in FOLDER.rglob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stderr.write(f"{path.relative_to(FOLDER)}\n")


if __name__ == "__main__":
    main()
