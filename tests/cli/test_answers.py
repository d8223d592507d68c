"""What commands end with agrees with what they found."""

import json
import sys
from contextlib import nullcontext
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from schemas.letters import Letter
from streams.cli import app
from streams.operations.dlq.retry import Outcome
from streams.operations.dlq.target import RetryTarget
from streams.operations.doctor.findings import Finding, fault, fine, warning
from streams.operations.forget.erase import Report
from streams.settings import Settings
from tests.cli.stand_ins import awaits, returns

FINE, WARNING, FAULT = fine("a", "b"), warning("a", "b", "c"), fault("a", "b", "c")


@pytest.fixture(autouse=True)
def _servers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOL_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("KOL_CLICKHOUSE__HOST", "127.0.0.1")
    monkeypatch.setenv("KOL_HOME", "")  # commands set it; it is put back


def kol(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("found", "code", "end"),
    [
        ([FINE], 0, "nothing is wrong"),
        ([FINE, WARNING, WARNING], 0, "no fault, but 2 to look at: see each warning"),
        ([WARNING, FAULT], 1, "something is wrong"),
    ],
)
def test_doctor_ends_with_the_worst_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: list[Finding], code: int, end: str
) -> None:
    __import__("streams.operations.doctor.facts")
    facts = sys.modules["streams.operations.doctor.facts"]
    monkeypatch.setattr(facts, "examine", awaits(found))

    result = kol("doctor", "--home", str(tmp_path))

    assert result.exit_code == code
    assert result.output.splitlines()[-1] == end


def test_a_retry_says_how_many_letters_its_limit_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    __import__("streams.operations.dlq.retry")
    one = Letter("purchases", 0, 1, "invalid", 0, "", "new", "")
    groups = [{"letters": "1200"}, {"letters": "34"}]  # as ClickHouse gives 64-bit numbers
    stand_ins = {
        "streams.clients.clickhouse:reader": returns(None),
        "streams.operations.dlq.letters:find_letters": returns([one]),
        "streams.operations.dlq.letters:count_by_reason": returns(groups),
        "streams.operations.dlq.retry:assess": awaits(Outcome([RetryTarget(one)])),
    }
    for name, stand_in in stand_ins.items():
        module, _, attribute = name.partition(":")
        monkeypatch.setattr(sys.modules[module], attribute, stand_in)
    words = ("dlq", "retry", "--limit", "1", "--home", str(tmp_path))

    assert "1,233 more were not looked at" in kol(*words).output  # 1200 + 34 - 1
    assert json.loads(kol(*words, "--json").stdout)["beyond_limit"] == 1_233


def test_the_version_is_that_of_the_package() -> None:
    result = kol("--version")

    assert (result.exit_code, result.output) == (0, f"kol {version('kol-streams')}\n")


def test_a_new_key_is_accepted_and_never_the_same() -> None:
    keys = {kol("config", "--new-key").output.strip() for _ in range(2)}

    assert len(keys) == 2
    assert {len(Settings(hmac_key=key).hmac_key) for key in keys} == {64}  # 32 bytes as hex digits


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("KOL_HMAC_KEY", "fifteen letters", "fewer than 16 characters"),
        ("KOL_BUSINESS_ZONE", "Mars/Phobos", "is no time zone"),
        ("KOL_BUSINESS_ZONE", "../etc/passwd", "is no time zone"),
        ("KOL_BUSINESS_ZONE", "", "is no time zone"),
        ("KOL_EPOCH", "300", "less than or equal to 254"),
    ],
)
def test_a_refused_setting_is_one_sentence_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, why: str
) -> None:
    monkeypatch.setenv(variable, value)

    result = kol("config", "--home", str(tmp_path))

    assert result.exit_code == 1
    assert f"{variable}: " in result.output
    assert why in result.output
    assert "fifteen letters" not in result.output


def test_a_key_of_the_least_length_is_accepted() -> None:
    assert len(Settings(hmac_key="sixteen letters!").hmac_key) == 16


@pytest.mark.parametrize(("known", "end"), [(True, "forgotten: "), (False, "nobody to forget: ")])
def test_an_id_that_nobody_had_ends_differently_from_one_that_was_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, known: bool, end: str
) -> None:
    erase = sys.modules["streams.operations.forget.erase"]
    monkeypatch.setattr(erase, "forget", awaits(Report(1, known=known)))
    words = ("forget", "u1", "--yes", "--home", str(tmp_path))

    result = kol(*words)

    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith(end)
    assert json.loads(kol(*words, "--json").stdout)["known"] is known


def test_the_other_ids_of_a_forgotten_user_are_on_the_screen_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    erase = sys.modules["streams.operations.forget.erase"]
    monkeypatch.setattr(erase, "forget", awaits(Report(1, anonymous=["anon-17", "anon-18"])))
    words = ("forget", "u1", "--yes", "--home", str(tmp_path))

    assert "forget these, too: anon-17, anon-18" in " ".join(kol(*words).output.split())
    assert "anon-1" not in kol(*words, "--json").stdout


@pytest.mark.parametrize(("rolled_up", "days"), [(True, "are up to date"), (False, "stay as they")])
def test_a_drain_says_that_it_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, rolled_up: bool, days: str
) -> None:
    stand_ins = {
        "streams.clients.kafka_admin:kafka_admin": returns(nullcontext()),
        "streams.operations.drain:drain": returns(None),
        "streams.operations.settling:settle": returns(rolled_up),
    }
    for name, stand_in in stand_ins.items():
        module, _, attribute = name.partition(":")
        monkeypatch.setattr(import_module(module), attribute, stand_in)
    words = ("drain", "--home", str(tmp_path))

    assert kol(*words).stdout.startswith(f"everything read; hours and days {days}")
    assert json.loads(kol(*words, "--json").stdout) == {"drained": True, "rolled_up": rolled_up}
