"""The committed JSON of the dashboards is what their program makes."""

from pathlib import Path

import pytest

from deploy.grafana.__main__ import FOLDER, files
from tests.grafana.boards import read


def test_every_file_is_one_that_the_program_makes() -> None:
    assert set(FOLDER.rglob("*.json")) == set(files())


@pytest.mark.parametrize("path", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in files()])
def test_the_committed_json_is_what_the_program_makes(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], "make dashboards"


def test_a_kol_is_shown_for_the_period_and_what_was_chosen() -> None:
    links = [link for board in read() for link in board.links if "var-kol=" in link]

    assert len(links) == 4
    for link in links:
        assert "&${__url_time_range}&" in link
        for kept in ("brand", "channel", "platform", "model", "currency"):
            assert f"&${{{kept}:queryparam}}" in link


def test_nothing_sold_is_told_from_nothing_compared() -> None:
    (overview,) = [board for board in read() if board.uid == "kol-overview"]
    sales = overview.panels[0]
    steps = [
        {step["value"]: step["color"] for step in one["value"]["steps"]}
        for override in sales.overrides
        for one in override["properties"]
        if one["id"] == "thresholds"
    ]

    assert [(one[None], one[0]) for one in steps] == [("text", "red")] * 2
