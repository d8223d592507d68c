"""`kol replay` has subcommands; its former form names them."""

import pytest
import typer.testing

from streams.cli import app


def kol(*words: str) -> tuple[int, str]:
    result = typer.testing.CliRunner().invoke(app, words, env={"COLUMNS": "400"})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("former", "today"),
    [
        (["kol-2"], "kol replay run kol-2"),
        (["kol-2", "--from", "2026-01-01"], "kol replay run kol-2"),
        (["kol-2", "--swap"], "kol replay run kol-2 --swap"),
        (["--swap", "kol-2"], "kol replay run kol-2 --swap"),
        (["kol-2", "--back"], "kol replay back kol-2"),
        (["kol-2", "--drop", "--yes"], "kol replay drop kol-2"),
    ],
)
def test_a_former_form_is_refused_with_the_one_of_today(former: list[str], today: str) -> None:
    code, text = kol("replay", *former)

    assert code == 2  # usage
    assert f"`{today}`" in text


def test_without_a_subcommand_all_of_them_are_shown() -> None:
    _, text = kol("replay")

    assert all(f" {name} " in text for name in ("run", "swap", "back", "drop"))
