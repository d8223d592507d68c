"""What a person is told of numbered values: which there are, and what holds at a moment."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from schemas.entries import Entries, texts
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, KOL, encode_number
from schemas.values import Lists
from streams.cli import app
from streams.operations.doctor.findings import Severity
from streams.operations.doctor.trainer_findings import numbers
from streams.operations.numbers import Listed, NothingHoldsError, listed, what_holds
from streams.trainer.report import NewestNumber, Report
from streams.trainer.standing import LATE_SECONDS, Notes, Standing
from tests.cli.stand_ins import awaits, returns

NOW = 1_800_000_000_000


def contents(**flags: int) -> Entries:
    column = np.array(list(flags.values()), np.int8)
    return Entries(texts(list(flags)), {"disclosed": column, "sponsored": column})


def kol() -> Entries:
    columns = {name: texts([name]) for name in ("tier", "vertical", "display_name")}
    accounts = Lists(np.array([[7, 1]], np.uint64), np.array([1]))
    return Entries(texts(["xia"]), {**columns, "accounts": accounts})


@pytest.fixture
def log() -> NumberLog:
    """A base, a delta, one that is not whole, one that is not sealed, one that holds soon."""
    log = NumberLog()
    for records, seal, at in (
        (*encode_number(CONTENT, 1, contents(a=1, b=0), app="kol"), NOW - 60_000),
        (*encode_number(CONTENT, 2, contents(a=-1), base=1, rows=2, app="kol"), NOW - 50_000),
        (*encode_number(CONTENT, 3, contents(a=0), base=9), NOW - 40_000),
        (*encode_number(CONTENT, 4, contents(a=0)), None),
        (*encode_number(KOL, 5, kol(), app="kol"), NOW - 3_000),
    ):
        for key, value in records:
            log.add(key, value, NOW)
        if at is not None:
            log.add(*seal, at)
    return log


def test_each_number_is_listed_with_what_becomes_of_it(log: NumberLog) -> None:
    found = listed(log, NOW)

    assert [(one.number, one.valid, one.state) for one in found] == [
        (5, True, "holds in 7 s"),
        (4, False, "not sealed: under way, or given up"),
        (3, False, "never holds: its base, number 9, is not there or not whole"),
        (2, True, "holds"),
        (1, True, "superseded"),
    ]
    assert (found[3].base, found[3].rows, found[3].upserts) == (1, 2, 1)
    assert found[3].holds_from == NOW - 40_000


def test_what_holds_is_shown_for_the_moment_that_is_asked_for(log: NumberLog) -> None:
    now = what_holds(log, CONTENT, None, NOW, 9)
    before = what_holds(log, CONTENT, ["a"], NOW - 45_000, 9)

    assert now.rows == [
        {"id": "b", "disclosed": False, "sponsored": False, "expert": None},
        {"id": "a", "disclosed": None, "sponsored": None, "expert": None},
    ]
    assert (now.number, now.total) == (2, 2)
    assert before.rows == [{"id": "a", "disclosed": True, "sponsored": True, "expert": None}]
    assert before.number == 1


def test_accounts_are_shown_by_their_keyed_names(log: NumberLog) -> None:
    (row,) = what_holds(log, KOL, None, NOW + 7_000, 9).rows

    assert row["accounts"] == ["00000000000000010000000000000007"]
    assert row["tier"] == "tier"


def test_no_more_rows_than_asked_for_are_shown(log: NumberLog) -> None:
    found = what_holds(log, CONTENT, None, NOW, 1)

    assert (len(found.rows), found.total) == (1, 2)


@pytest.mark.parametrize(
    ("kind", "key", "at", "why"),
    [
        ("moods", None, NOW, "no kind of values; there are content, kol"),
        (KOL, None, NOW, "no number of kol holds at 2027-01-15 08:00:00"),
        (CONTENT, "z", NOW, "number 2 of content says nothing of z"),
    ],
)
def test_where_nothing_holds_it_is_said(
    log: NumberLog, kind: str, key: str | None, at: int, why: str
) -> None:
    with pytest.raises(NothingHoldsError, match=why):
        what_holds(log, kind, None if key is None else [key], at, 9)


def run(*words: str, code: int = 0) -> str:
    env = {"COLUMNS": "200", "KOL_KAFKA__BOOTSTRAP": "127.0.0.1:1", "KOL_CLICKHOUSE__HOST": "x"}
    done = CliRunner().invoke(app, ["snapshots", *words], env={**env, "KOL_HOME": ""})
    assert done.exit_code == code, done.output
    return done.output


def test_the_commands_show_the_same(log: NumberLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.operations.numbers.read_numbers", awaits(log))
    moment = datetime.fromtimestamp((NOW - 45_000) / 1000, UTC).isoformat()
    shown = json.loads(run("show", "content", "a", "--at", moment, "--json"))
    table = run("show", "content", "--at", moment.replace("+00:00", ""), "--limit", "1")
    numbers_ = json.loads(run("list", "--limit", "2", "--json"))

    assert shown["rows"] == [{"id": "a", "disclosed": True, "sponsored": True, "expert": None}]
    assert "1 more: --limit" in table
    assert numbers_["total"] == 5
    assert [one["number"] for one in numbers_["numbers"]] == [5, 4]
    assert "never holds: its base" in run("list")


def test_of_an_empty_topic_the_list_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.operations.numbers.read_numbers", awaits(NumberLog()))

    assert "no numbers" in run("list")


@pytest.mark.parametrize(
    ("done", "code", "text"),
    [
        (Report(newest={CONTENT: NewestNumber(4, 1_000, NOW)}), 0, "number 4, 1,000 rows"),
        (Report(refused={CONTENT: "why"}), 1, "no number of content is published: why"),
        (Report(others="a trainer of kol publishes"), 1, "a trainer of kol publishes"),
        (Report(), 0, "nothing is known"),
    ],
)
def test_publishing_by_hand_fails_where_something_is_kept_back(
    monkeypatch: pytest.MonkeyPatch, done: Report, code: int, text: str
) -> None:
    monkeypatch.setattr("streams.operations.numbers.publish", returns(done))

    assert text in run("publish", code=code)
    assert json.loads(run("publish", "--json", code=code))["refused"] == done.refused


def test_a_listed_number_is_for_machines_as_well() -> None:
    assert Listed("kol", 1, "holds", valid=True).as_dict()["number"] == 1


LATE = int(LATE_SECONDS * 1000)
DONE = Notes("shop-1", 7, NOW, succeeded={"numbers": NOW})


@pytest.mark.parametrize(
    ("standing", "severity", "what"),
    [
        (Standing(1, 1, DONE), Severity.FINE, "as the dimensions say"),
        (
            Standing(1, 1, DONE.after("numbers", NOW, "no number of kol is published: why")),
            Severity.WARNING,
            "no number of kol is published: why",
        ),
    ],
)
def test_doctor_says_what_is_kept_back(standing: Standing, severity: Severity, what: str) -> None:
    (found,) = numbers(standing, NOW + LATE)

    assert (found.severity, found.what) == (severity, what)


@pytest.mark.parametrize(
    ("notes", "what"),
    [
        (DONE, "the turn that publishes numbered values last succeeded 5.0 min ago"),
        (Notes("a", 7, NOW), "the turn that publishes numbered values never succeeded"),
    ],
)
def test_doctor_says_when_numbers_are_old(notes: Notes, what: str) -> None:
    (found,) = numbers(Standing(0, 1, notes), NOW + LATE + 1)

    assert found.what == what
    assert "kol snapshots publish --accept-jump" in found.mend


def test_before_any_trainer_ran_there_is_nothing_to_say_of_numbers() -> None:
    assert numbers(Standing(0, 0, None), NOW) == []


def test_a_complaint_ends_with_a_turn_that_has_none() -> None:
    said = DONE.after("numbers", NOW, "x" * 1_000)

    assert len(said.complaints["numbers"]) == 300
    assert said.after("minutes", NOW).complaints == said.complaints
    assert said.after("numbers", NOW).complaints == {}
