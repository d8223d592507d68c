"""Workers under measurement have settings of the stack, not of whoever measures."""

import sys
from pathlib import Path

import pytest

from streams.bench.ours import Place, Tree
from streams.settings import Settings

TELLS_ITS_NAME = 'import os; print("name:", os.environ["KOL_WORKER__NAME"], flush=True)'


def test_workers_have_no_name_so_that_several_may_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers of one name would refuse to start."""
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "cli.py").write_text(TELLS_ITS_NAME)
    monkeypatch.setenv("KOL_WORKER__NAME", "mine")
    place = Place(Settings(), {}, tmp_path / "log")

    with place.workers(2, Tree(sys.executable, tmp_path)) as group:
        for process in group._processes:
            process.wait(60)

    assert place.log.read_text().splitlines() == ["name: ", "name: "]
