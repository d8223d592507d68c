"""Settings come from where they should, and a misspelt one never passes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.settings import Settings, SettingsError, descriptions, environment, load


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOL_HOME", str(tmp_path))


def test_the_environment_wins_over_what_up_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    left = {"settings": {"kafka": {"bootstrap": "left:1"}, "app_id": "left"}}
    (tmp_path / "run" / "status.json").write_text(json.dumps(left))
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "given:1")

    settings = load()

    assert settings.kafka.bootstrap == "given:1"
    assert settings.app_id == "left"


def test_a_variable_nobody_reads_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRP", "typo:1")

    with pytest.raises(SettingsError, match="KOL_KAFKA__BOOTSTRP"):
        load()


def test_a_secret_comes_from_a_file_and_is_masked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kol_clickhouse__password").write_text("hunter2")
    monkeypatch.setenv("KOL_SECRETS_DIR", str(tmp_path))

    settings = load()

    assert settings.clickhouse.password.get_secret_value() == "hunter2"
    assert "hunter2" not in settings.model_dump_json()


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(epoch=300)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(descriptions().values())


def test_settings_travel_to_a_child_as_variables() -> None:
    assert environment({"worker": {"port": 0}}) == {"KOL_WORKER__PORT": "0"}
