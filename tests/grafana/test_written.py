"""The committed JSON of the dashboards is what their program makes."""

from pathlib import Path

import pytest

from deploy.grafana.__main__ import FOLDER, files


def test_every_file_is_one_that_the_program_makes() -> None:
    assert set(FOLDER.rglob("*.json")) == set(files())


@pytest.mark.parametrize("path", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in files()])
def test_the_committed_json_is_what_the_program_makes(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], "make dashboards"
