"""The short form of `make truth`: a line that is missed here is missed in the long one, too."""

from dataclasses import replace
from functools import cache

import pytest

from tests.truth import __main__ as truth
from tests.truth.invariance import Invariance
from tests.truth.lines import LINES
from tests.truth.measure import SHORT, Measured
from tests.truth.plain import PlainTrainer


@cache
def short() -> Measured:
    return truth.measured(1, SHORT, lambda _: PlainTrainer())


def test_every_target_is_met() -> None:
    assert [line.name for line in LINES if line.figure([short()]).is_met is False] == []


def test_a_missed_target_is_exit_code_1_and_is_printed_with_its_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(short(), invariance=Invariance(2e-12, 0, 9))
    monkeypatch.setattr(truth, "measured", lambda *_: wrong)

    assert truth.main(["--short", "--plain", "--only", "coverage"]) == 0
    assert truth.main(["--short", "--plain", "--only", "partitions"]) == 1

    (line,) = [one for one in capsys.readouterr().out.splitlines() if "MISSED" in one]
    assert line.split()[1:] == [
        *("partitions,", "topics,", "flushes", "at", "most", "1e-12,", "0", "integers"),
        *("2.0e-12;", "0", "integers", "differ", "n", "9", "seed", "1", "[§11.4", "invariance]"),
    ]


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        truth.main(["--help"])

    assert "--seed 4 --seed 5" in capsys.readouterr().out
