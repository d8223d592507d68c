"""Every column of a view says what it means, and amounts, moments and numbers in which unit."""

import pytest

from schemas.rows import VIEWS
from schemas.views import CENTS, COLUMNS, UTC


def test_every_view_has_its_columns_described() -> None:
    assert COLUMNS.keys() == VIEWS.keys()
    assert all(column.meaning for columns in COLUMNS.values() for column in columns.values())


@pytest.mark.parametrize("view", COLUMNS)
def test_amounts_and_moments_have_their_unit(view: str) -> None:
    units = {name: column.unit for name, column in COLUMNS[view].items()}

    assert {unit for name, unit in units.items() if name.endswith("_cents")} <= {CENTS}
    assert {unit for name, unit in units.items() if name.endswith("_at")} <= {UTC}
    assert {units[name] for name in ("minute", "hour", "at") if name in units} <= {UTC}
    assert {units[name] for name in units if name.endswith("_ms")} <= {"ms"}


def test_a_unit_is_said_once() -> None:
    for columns in COLUMNS.values():
        for column in columns.values():
            assert not column.unit or not column.meaning.endswith(f", {column.unit}")
