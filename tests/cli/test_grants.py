"""`kol grants` prints statements on stdout, and on stderr how they are run."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KOL_HOME", "")  # commands set it; it is put back


def kol(home: Path, *words: str, exit_code: int = 0) -> Result:
    line = ["grants", *words, "--home", str(home)]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "80"})
    assert result.exit_code == exit_code, result.output
    return result


def test_stdout_is_a_file_that_can_be_run_as_it_is(tmp_path: Path) -> None:
    lines = kol(tmp_path, "--role", "grafana").stdout.splitlines()

    assert lines[0].startswith("CREATE SETTINGS PROFILE")
    assert all(line.endswith(";") for line in lines)
    assert sum("{password:String}" in line for line in lines) == 1


def test_stderr_says_how_to_run_it_and_that_a_definer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = kol(tmp_path).stderr
    assert "--param_password" in told
    assert "KOL_CLICKHOUSE__DEFINER is not set" in told
    assert all(len(line) <= 80 for line in told.splitlines())

    monkeypatch.setenv("KOL_CLICKHOUSE__DEFINER", "owner")
    result = kol(tmp_path)
    assert "KOL_CLICKHOUSE__DEFINER" not in result.stderr
    assert "MODIFY DEFINER = `owner`" in result.stdout


def test_a_reader_of_a_brand_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Else the account that reads everything would be the one that reads one brand."""
    everything, one = (
        json.loads(kol(tmp_path, "--json", *words).stdout) for words in ([], ["--brand", "anmi"])
    )

    assert (everything["user"], one["user"]) == ("grafana", "grafana-anmi")
    assert any("CREATE ROW POLICY" in statement for statement in one["statements"])
    assert not any("CREATE ROW POLICY" in statement for statement in everything["statements"])


@pytest.mark.parametrize("option", ["--brand", "--user"])
@pytest.mark.parametrize("empty", ["", " "])
def test_a_name_that_is_empty_is_refused(tmp_path: Path, option: str, empty: str) -> None:
    """An empty brand is that of orders without one."""
    told = kol(tmp_path, option, empty, exit_code=2).output

    assert f"{option} is empty" in told
