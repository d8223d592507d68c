"""Who may ask: the secrets file, names and passwords."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded.gateway.access import Login, Secrets, account, memory, near, secrets
from deploy.embedded.gateway.errors import Refusal
from tests.embedded.gateway import running

USERS = {"default": Login("right", "admin"), "ünï": Login("pässwört:", "reader")}


def test_the_secrets_file_names_users_and_limits(tmp_path: Path) -> None:
    found = secrets(running.secrets(tmp_path / "s", max_in_flight=7))

    assert set(found.users) == {"default", "reader"}
    assert found.max_in_flight == 7


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_secrets_that_others_can_reach_are_refused(tmp_path: Path, mode: int) -> None:
    path = running.secrets(tmp_path / "s")
    path.chmod(mode)

    with pytest.raises(ValueError, match="can be read by others"):
        secrets(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"users": {"a": {"password": "", "role": "admin"}}}',
        '{"users": {"a": {"password": "x", "role": "god"}}}',
        '{"users": {"a": {"password": "x"}}}',
        '{"users": {}, "max_nonsense": 1}',
    ],
)
def test_secrets_that_say_nothing_sensible_are_refused(tmp_path: Path, text: str) -> None:
    path = running.secrets(tmp_path / "s")
    path.write_text(text)

    with pytest.raises(ValueError, match=str(path)):
        secrets(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_an_address_of_this_machine_alone_is_near(host: str) -> None:
    near(host, remote=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104  # refused
def test_an_address_that_others_can_reach_must_be_meant(host: str) -> None:
    near(host, remote=True)
    with pytest.raises(ValueError, match="--allow-remote"):
        near(host, remote=False)


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="example"):
        near("example.com", remote=True)


def test_the_engine_gets_half_of_the_machine_unless_told_otherwise() -> None:
    assert memory(Secrets({})) > 100 << 20
    assert memory(Secrets({}, max_server_memory_usage=5)) == 5


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({"user": "default", "password": "right"}, {}),
        ({"password": "right"}, {}),
        ({}, {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "right"}),
        ({}, {"X-ClickHouse-Key": "right"}),
        ({}, {"Authorization": "Basic " + base64.b64encode(b"default:right").decode()}),
        ({}, {"Authorization": "basic " + base64.b64encode(b":right").decode()}),
    ],
)
def test_a_name_and_a_password_come_in_three_ways(
    asked: dict[str, str], headers: dict[str, str]
) -> None:
    found = account(USERS, asked, headers)

    assert (found.name, found.restricted) == ("default", False)


def test_names_and_passwords_may_have_any_letters_and_colons() -> None:
    token = base64.b64encode("ünï:pässwört:".encode()).decode()

    assert account(USERS, {}, {"Authorization": f"Basic {token}"}).restricted


@given(st.text(), st.text())
def test_no_other_password_is_right(name: str, password: str) -> None:
    if (name or "default", password) in {("default", "right"), ("ünï", "pässwört:")}:
        return

    with pytest.raises(Refusal, match="AUTHENTICATION_FAILED"):
        account(USERS, {"user": name, "password": password}, {})


@pytest.mark.parametrize("token", ["Basic", "Basic !", "Basic /w==", "Bearer x", "Basic eA"])
def test_an_authorization_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(Refusal, match="AUTHENTICATION_FAILED"):
        account(USERS, {}, {"Authorization": token})
