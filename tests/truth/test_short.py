"""The short form of `make truth`: a line that is missed here is missed in the long one, too."""

from functools import cache
from typing import Final

import pytest

from tests.truth import __main__ as truth
from tests.truth.lines import LINES
from tests.truth.measure import SHORT, Measured
from tests.truth.plain import PlainTrainer

MISSED: Final = {  # what is known to be missed, and why
    "1 000 events of 10 accounts of 3 d, known KOL": (
        "where a word against weighs as much as many for, ten accounts of 3 d move a score by 3"
    ),
}


@cache
def short() -> Measured:
    return truth.measured(1, SHORT, lambda _: PlainTrainer())


def test_every_target_is_met_but_those_that_are_known_to_be_missed() -> None:
    missed = {line.name for line in LINES if line.figure([short()]).is_met is False}

    assert missed == set(MISSED)


def test_a_missed_target_is_exit_code_1_and_is_printed_with_its_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth, "measured", lambda *_: short())

    assert truth.main(["--short", "--plain", "--only", "coverage of authenticity"]) == 0
    assert truth.main(["--short", "--plain", "--only", "1 000 events"]) == 1

    out = capsys.readouterr().out
    assert "MISSED  1 000 events of 10 accounts of 3 d, known KOL" in out
    assert "n 1" in out
    assert "seed 1" in out


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        truth.main(["--help"])

    assert "--seed 4 --seed 5" in capsys.readouterr().out
