"""Settings come from where they should, and a misspelt one never passes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.embedded.state_folder import StateFolder
from streams.settings import (
    Kafka,
    Settings,
    SettingsError,
    descriptions,
    environment,
    load,
    running_stack_settings,
)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOL_HOME", str(tmp_path))


@contextmanager
def running(home: Path, settings: dict[str, Any]) -> Iterator[None]:
    """A home that this process owns as a supervisor does, with these settings."""
    folder = StateFolder(home)
    folder.acquire()
    folder.write_status({"supervisor": os.getpid(), "settings": settings})
    yield
    folder.release()


def test_the_environment_wins_over_what_up_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = {"kafka": {"bootstrap": "left:1"}, "clickhouse": {"host": "left"}, "app_id": "left"}
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "given:1")

    with running(tmp_path, left):
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

    settings = load(())

    assert settings.clickhouse.password.get_secret_value() == "hunter2"
    assert "hunter2" not in settings.model_dump_json()


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(epoch=300)


@pytest.mark.parametrize("part", ["KAFKA", "CLICKHOUSE"])
def test_a_file_of_an_authority_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    file = tmp_path / "ca.pem"
    monkeypatch.setenv(f"KOL_{part}__CA_FILE", str(file))
    with pytest.raises(SettingsError, match=f"KOL_{part}__CA_FILE: .*cannot be read: No such file"):
        load()

    file.write_text("not a certificate")
    with pytest.raises(SettingsError, match=f"KOL_{part}__CA_FILE: .*holds no certificate in PEM"):
        load()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"security": "SASL_SSL"}, "needs username and password"),
        ({"security": "SASL_PLAINTEXT", "username": "alice"}, "needs username and password"),
        ({"username": "alice"}, "should be SASL_PLAINTEXT"),
        ({"security": "SSL", "username": "alice"}, "should be SASL_SSL"),
    ],
)
def test_a_login_that_does_not_fit_the_protocol_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Kafka.model_validate(given)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(descriptions().values())


def test_settings_travel_to_a_child_as_variables() -> None:
    assert environment({"worker": {"port": 0}}) == {"KOL_WORKER__PORT": "0"}


def test_what_a_killed_stack_left_is_no_setting(tmp_path: Path) -> None:
    left = {"kafka": {"bootstrap": "left:1"}}
    with running(tmp_path, left):
        assert running_stack_settings(tmp_path) == left
    assert StateFolder(tmp_path).status_file.exists()

    assert running_stack_settings(tmp_path) == {}


def test_what_a_killed_stack_left_is_not_taken_for_its_successors(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.acquire()
    folder.write_status({"supervisor": os.getpid() + 1, "settings": {"app_id": "left"}})

    settings, status = running_stack_settings(tmp_path), folder.status()
    folder.release()

    assert settings == {}
    assert status is None


@pytest.mark.parametrize(
    ("variable", "servers"),
    [("KOL_KAFKA__BOOTSTRAP", ["kafka"]), ("KOL_CLICKHOUSE__HOST", ["clickhouse"])],
)
def test_a_server_is_where_something_says_and_never_where_a_default_does(
    monkeypatch: pytest.MonkeyPatch, variable: str, servers: list[str]
) -> None:
    with pytest.raises(SettingsError, match=rf"^nothing runs here .*{variable}"):
        load(servers)

    monkeypatch.setenv(variable, "")
    with pytest.raises(SettingsError, match=rf"^nothing runs here .*{variable}"):
        load(servers)

    monkeypatch.setenv(variable, "127.0.0.1")
    assert load(servers)


def test_a_file_says_where_a_server_is_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kol_clickhouse__host").write_text("ch")
    (tmp_path / "kol.toml").write_text('kafka.bootstrap = "b1:9092"\n')
    monkeypatch.setenv("KOL_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("KOL_CONFIG", str(tmp_path / "kol.toml"))

    settings = load()

    assert (settings.kafka.bootstrap, settings.clickhouse.host) == ("b1:9092", "ch")


def test_an_input_topic_may_have_another_name_on_the_brokers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KOL_KAFKA__PURCHASES_TOPIC", "shop.orders")
    kafka = load(()).kafka

    assert kafka.broker_topic("purchases") == "shop.orders"
    assert kafka.plain_topic("shop.orders") == "purchases"
    assert kafka.plain_topic("purchases") is None  # somebody else's
    assert kafka.broker_topic("clickstream") == "clickstream"
    assert kafka.renamed == {"purchases": "shop.orders"}


@pytest.mark.parametrize("name", ["clickstream", "kol-cells", "a.kol-user-state", "", "两", "a b"])
def test_an_input_topic_has_a_name_of_its_own_that_brokers_take(name: str) -> None:
    with pytest.raises(ValidationError):
        Kafka(purchases_topic=name, prefix="a." if name.startswith("a.") else "")


@pytest.mark.parametrize("zone", ["Mars/Base", "Asia", "../etc/passwd", ""])
def test_the_zone_of_business_days_is_a_known_one(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("KOL_BUSINESS_ZONE", zone)

    with pytest.raises(SettingsError, match="is no time zone, such as Asia/Shanghai"):
        load(())


def test_the_shops_currency_is_one_of_iso_4217(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOL_CURRENCY", " eur")
    assert load(()).currency == "EUR"

    monkeypatch.setenv("KOL_CURRENCY", "YUAN")
    with pytest.raises(SettingsError, match="KOL_CURRENCY: 'YUAN' is no currency of ISO 4217"):
        load(())
