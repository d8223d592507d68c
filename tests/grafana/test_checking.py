"""`make check-grafana` looks at pictures, too; where it cannot, CI wants to know."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.grafana import __main__ as checking
from tests.grafana import pictures, rendering
from tests.grafana.boards import FOLDER, Board, Finding
from tests.grafana.samples import sound

WHY: Final = "no chromium: apt-get install chromium"
FRAMES: Final[dict[str, Any]] = {"kol-x": {}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose dashboards were drawn, with one finding each."""
    folders: list[Path] = []

    def drawn(*given: Any) -> list[Finding]:  # noqa: ANN401  # as `pictures.drawn` is called
        folders.append(given[-1])
        return [Finding("kol-x / panel 1", "is not drawn")]

    monkeypatch.setattr(pictures, "drawn", drawn)
    monkeypatch.setattr(rendering, "missing", lambda: None)
    monkeypatch.delenv("KOL_CI", raising=False)
    return folders


def test_what_pictures_show_wrong_is_found(asked: list[Path]) -> None:
    found = checking.drawn([Board(sound())], FRAMES, FOLDER)

    assert [one.what for one in found] == ["is not drawn"]
    assert asked == [FOLDER]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("ci", "said"), [("", []), ("1", [f"nothing is drawn: {WHY}"])])
def test_without_chromium_nothing_is_drawn_which_only_ci_finds_wrong(
    ci: str, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rendering, "missing", lambda: WHY)
    monkeypatch.setenv("KOL_CI", ci)

    found = checking.drawn([Board(sound())], FRAMES, FOLDER)

    assert [one.what for one in found] == said
    assert capsys.readouterr().err == f"· nothing is drawn: {WHY}\n"


def test_nothing_is_drawn_of_statements_that_are_not_answered(asked: list[Path]) -> None:
    assert checking.drawn([Board(sound())], {}, FOLDER) == []
    assert asked == []


def test_a_dashboard_that_was_to_be_drawn_and_was_not_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "render", lambda *_: {})
    board = Board(sound())

    found = pictures.drawn([board], FRAMES, tmp_path)

    assert [one.what for one in found] == ["is not drawn"] * len(board.panels)
    assert pictures.drawn([board], {"another": {}}, tmp_path) == []
