"""The committed JSON of the dashboards is what their program makes, in both languages."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.__main__ import DASHBOARDS, FOLDER, files
from deploy.grafana.texts import LANGUAGES


def dashboard(name: str, language: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / language / f"{name}.json").read_text("utf-8"))
    return read


def test_every_file_is_one_that_the_program_makes() -> None:
    assert set(FOLDER.rglob("*.json")) == set(files())


@pytest.mark.parametrize("path", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in files()])
def test_the_committed_json_is_what_the_program_makes(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], "make dashboards"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_both_languages_show_the_same(name: str) -> None:
    shown = [
        [
            (panel["id"], panel["type"], panel["gridPos"])
            for panel in dashboard(name, language)["panels"]
        ]
        for language in LANGUAGES
    ]

    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_chinese_titles_are_chinese(name: str) -> None:
    titles = [panel["title"] for panel in dashboard(name, "zh")["panels"]]

    assert not [title for title in titles if not any("一" <= letter <= "鿿" for letter in title)]
