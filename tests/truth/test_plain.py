"""Plain sums of what contents, notices and surveys say, worked out by hand."""

import numpy as np
import pytest

from schemas.entries import Entries, strings
from schemas.numbered import AUDIT, KINDS, TRUST
from schemas.reference_types import CONTENTS, NOTICES, PERCEPTIONS, PROFILES
from schemas.rows import Rows
from schemas.values import Coded
from tests.truth.plain import PlainTrainer
from tests.worlds.world import BEGIN_MS, DAY, HOUR, Record

NOON = BEGIN_MS + 12 * HOUR
MIDNIGHT = BEGIN_MS + 15 * DAY  # 14.5 d after that noon
PROFILE = {"kol_id": "k1", "ts": BEGIN_MS, "tier": "head", "vertical": "food", "display_name": ""}
CONTENT = {"kol_id": "k1", "ts": NOON, "sponsored": True, "disclosed": True, "text": "a"}


def of(entries: Entries, name: str, kol: str = "k1") -> float:
    return float(np.asarray(entries.columns[name])[strings(entries.ids).index(kol)])


def audits(*told: tuple[str, Record], trainer: PlainTrainer | None = None) -> Entries:
    trainer = trainer or PlainTrainer()
    return trainer.night(MIDNIGHT, [(PROFILES, PROFILE), *told])[AUDIT]


def test_a_survey_is_four_answers_and_fades_by_half_in_14_days() -> None:
    found = audits((PERCEPTIONS, {"kol_id": "k1", "ts": NOON, "authenticity": 4}))
    left = 2 ** (-14.5 / 14)

    assert of(found, "for_A") == pytest.approx(3e6 * left)
    assert of(found, "against_A") == pytest.approx(1e6 * left)
    assert of(found, "square_A") == pytest.approx(4e12 * left**2)
    assert of(found, "fast_for_A") == pytest.approx(3e6 * 2 ** (-14.5 / 3))
    assert of(found, "minute") == MIDNIGHT // 60_000


def test_the_second_content_of_a_text_is_a_copy() -> None:
    found = audits((CONTENTS, CONTENT), (CONTENTS, {**CONTENT, "kol_id": "k2"}))

    assert of(found, "for_A") > of(found, "against_A") == 0
    assert of(found, "for_A", "k2") == 0 < of(found, "against_A", "k2")


def test_who_does_not_disclose_what_is_paid_for_loses_integrity_and_who_violates_twice_so() -> None:
    hidden = {**CONTENT, "kol_id": "k2", "text": "b", "disclosed": False}
    notice = {"kol_id": "k3", "ts": NOON, "kind": "violation", "ref": "r"}
    found = audits((CONTENTS, CONTENT), (CONTENTS, hidden), (NOTICES, notice))

    assert of(found, "for_I") == of(found, "against_I", "k2")
    assert of(found, "against_I", "k3") == pytest.approx(2 * of(found, "against_I", "k2"))
    assert of(found, "square_I", "k3") == pytest.approx(4 * of(found, "square_I", "k2"))


def test_what_is_not_paid_for_says_nothing_of_integrity() -> None:
    found = audits((CONTENTS, {**CONTENT, "sponsored": False}))

    assert of(found, "for_I") == of(found, "against_I") == 0


def test_every_column_of_its_kinds_is_there() -> None:
    found = audits((CONTENTS, CONTENT))

    assert list(found.columns) == list(KINDS[AUDIT])


def cells(*said: tuple[str, int, float], version: int) -> Rows:
    """Cells of some KOLs: day, and what speaks for expertise; nothing else."""
    names = [kol for kol, _, _ in said]
    n = len(said)
    zeros = {f"{word}_{d}": np.zeros(n) for word in ("for", "against", "square") for d in "EAIBO"}
    return Rows(
        "minute_cell",
        {
            **zeros,
            "kol_id": Coded(np.arange(n), names),
            "minute": np.array([BEGIN_MS // 1000 + day * 86_400 for _, day, _ in said]),
            "source_partition": np.zeros(n, np.int64),
            "version": np.full(n, version),
            "for_E": np.array([good for _, _, good in said]),
            "square_E": np.array([good**2 for _, _, good in said]),
        },
    )


def test_a_cell_that_is_said_again_replaces_what_was_said() -> None:
    trainer = PlainTrainer()
    kols = [f"k{number}" for number in range(40)]
    told = [(PROFILES, {**PROFILE, "kol_id": kol}) for kol in kols]
    trainer.take([cells(*((kol, 0, 9e6) for kol in kols), version=1)])
    trainer.take([cells(*((kol, 0, 2e6) for kol in kols), version=2)])

    population = trainer.night(BEGIN_MS + DAY, told)[TRUST]

    assert of(population, "weight_E", "all") == pytest.approx(2e6)  # sum of squares over sum
    assert of(population, "source_E", "all") == 1
    assert of(population, "source_O", "all") == 0


def test_cells_of_days_that_are_over_stay_as_they_were_added_up() -> None:
    trainer = PlainTrainer()
    kols = [f"k{number}" for number in range(40)]
    told = [(PROFILES, {**PROFILE, "kol_id": kol}) for kol in kols]
    trainer.take([cells(*((kol, 0, 1e6) for kol in kols), version=1)])
    trainer.night(BEGIN_MS + DAY, told)
    for day in range(2, 6):
        trainer.night(BEGIN_MS + day * DAY, [])
    trainer.take([cells(*((kol, 5, 3e6) for kol in kols), version=2)])

    population = trainer.night(BEGIN_MS + 6 * DAY, [])[TRUST]

    assert of(population, "weight_E", "all") == pytest.approx((1e12 + 9e12) / 4e6)
