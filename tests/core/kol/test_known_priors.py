"""Rows are judged by the numbers that hold at their minute, whenever they are read."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, texts
from schemas.number_log import NumberLog
from schemas.numbered import (
    AUDIT,
    AUDIT_SUMS,
    HOLDS_AFTER_MS,
    KINDS,
    KOL,
    TRUST,
    encode_number,
)
from streams.core.kol.known_priors import KnownPriors, NoNumbers
from streams.core.kol.memory import KolMemory
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE
from streams.core.moments import MINUTE_MS
from tests.core.kol.test_memory import NOON, Cell, block, evidence, final, first_due, rows_of

PLAIN = {"good": 14.0, "bad": 6.0, "odds": 1.0, "weight": 250_000.0, "source": 1.0}


class Log:
    """Numbers one after the other."""

    def __init__(self) -> None:
        self.log = NumberLog()
        self._number = 0

    def publish(self, kind: str, minute: int, values: dict[str, dict[str, Any]]) -> int:
        """A number that holds from a minute on, by id and column."""
        self._number += 1
        columns: dict[str, Column] = {}
        for name in {name for one in values.values() for name in one}:
            said = [one.get(name) for one in values.values()]
            is_text = KINDS[kind][name].value == "text"
            columns[name] = (
                texts([one or "" for one in said])
                if is_text
                else np.array([math.nan if one is None else one for one in said])
            )
        records, seal = encode_number(kind, self._number, Entries(texts(list(values)), columns))
        at = minute * MINUTE_MS - HOLDS_AFTER_MS
        for key, value in [*records, seal]:
            self.log.add(key, value, at, by_broker=True)
        return self._number

    def population(self, minute: int, **groups: dict[str, float]) -> int:
        """Of groups, each said for all dimensions alike."""
        said = {
            name.replace("_", "/"): {
                f"{part}_{d}": value for part, value in parts.items() for d in DIMENSIONS
            }
            for name, parts in groups.items()
        }
        return self.publish(TRUST, minute, said)


def known(log: Log, names: list[str], *minutes: int) -> Any:  # noqa: ANN401  # `Known`
    kol = np.arange(len(names), dtype=np.int32)
    return KnownPriors(log).of_rows(names, kol, np.array(minutes))


def test_without_numbers_population_0_holds_and_nothing_was_audited() -> None:
    found = KnownPriors(NoNumbers()).of_rows(["k1"], np.zeros(1, np.int32), np.array([NOON]))

    assert found.number.tolist() == [0]
    assert found.prior.good.tolist() == [1.0] * 5
    assert found.audits is None


def test_a_number_holds_from_its_minute_on() -> None:
    log = Log()
    first = log.population(NOON, all=PLAIN)
    second = log.population(NOON + 10, all=PLAIN | {"good": 15.0})
    found = known(log, ["a", "b", "c", "d"], NOON - 1, NOON, NOON + 9, NOON + 10)

    assert found.number.tolist() == [0, first, first, second]
    assert found.prior.good[:, 0].tolist() == [1.0, 14.0, 14.0, 15.0]


def test_a_group_is_that_of_the_profile_and_else_all_kols() -> None:
    log = Log()
    log.publish(KOL, NOON, {"a": {"tier": "koc", "vertical": "care"}, "b": {"tier": "koc"}})
    log.population(NOON, all=PLAIN, koc_care={"odds": 9.0})
    found = known(log, ["a", "b", "c"], NOON, NOON, NOON)

    assert found.prior.odds[:, 3].tolist() == [9.0, 1.0, 1.0]
    assert found.prior.good[:, 3].tolist() == [14.0, 14.0, 14.0]  # NaN of a group: that of all
    assert found.prior.drift[:, 3].tolist() == [0.0, 0.0, 0.0]  # said of nobody: population 0


def test_audits_fade_from_their_minute_to_the_end_of_the_row() -> None:
    """A half-life later half is left, of squares a quarter; nothing of whom nothing is known."""
    log = Log()
    said = dict.fromkeys(AUDIT_SUMS, 8.0) | {"minute": float(NOON + 1)}
    log.publish(AUDIT, NOON, {"a": said})
    life = TRUST_HALF_LIFE["A"]
    found = known(log, ["a", "b"], NOON + life, NOON + life).audits
    place = DIMENSIONS.index("A")
    fast = 2 ** -(life / FAST_HALF_LIFE)

    assert found[0].reshape(6, 5)[:, place] == pytest.approx(
        [4, 4, 2, 8 * fast, 8 * fast, 8 * fast**2]
    )
    assert found[0].reshape(6, 5)[:, DIMENSIONS.index("B")].tolist() == [0] * 6
    assert not found[1].any()


def test_a_row_has_the_same_bits_alone_and_among_many() -> None:
    log = Log()
    said = dict.fromkeys(AUDIT_SUMS, 3.7) | {"minute": float(NOON)}
    names = [f"k{n}" for n in range(33)]
    log.publish(AUDIT, NOON, dict.fromkeys(names, said))
    many = known(log, names, *[NOON + 12_345] * 33).audits

    assert {row.tobytes() for row in many} == {
        known(log, ["k7"], NOON + 12_345).audits[0].tobytes()
    }


def test_kols_that_come_later_are_looked_up_then() -> None:
    log = Log()
    log.publish(KOL, NOON, {"b": {"tier": "koc", "vertical": "care"}})
    log.population(NOON, all=PLAIN, koc_care={"odds": 9.0})
    priors, one = KnownPriors(log), np.zeros(1, np.int32)
    priors.of_rows(["a"], one, np.array([NOON]))

    assert priors.of_rows(["a", "b"], one + 1, np.array([NOON])).prior.odds[0, 0] == 9.0


def numbered() -> Log:
    """A population, one KOL that was audited, another population."""
    log = Log()
    log.population(NOON + 2, all=PLAIN)
    log.publish(AUDIT, NOON + 3, {"k1": dict.fromkeys(AUDIT_SUMS, 2e6) | {"minute": float(NOON)}})
    log.population(NOON + 4, all=PLAIN | {"odds": 3.0, "common": 0.4, "drift": 0.01})
    return log


CELLS = [
    Cell(kol, NOON + minute, evidence(for_E=1.0, against_E=0.25, for_B=0.5))
    for kol in ("k1", "k2")
    for minute in range(7)
]


def test_rows_say_which_number_they_are_judged_by_and_what_is_missing() -> None:
    memory = KolMemory(0, 1)
    memory.ask(numbered())
    memory.fold(block(*CELLS, marks={0: first_due(NOON + 6)}))
    rows = {
        (row["kol_id"], row["minute"] // 60 - NOON): row
        for row in rows_of(memory.collect_updates())
    }

    assert [rows["k1", minute]["snapshot"] for minute in range(6)] == [0, 0, 1, 1, 3, 3]
    assert rows["k1", 1]["missing"] == "A,I,O"
    assert rows["k1", 2]["missing"] == ""
    assert rows["k1", 3]["n_A"] > 0 == rows["k2", 3]["n_A"]
    assert rows["k1", 1]["trust"] == rows["k2", 1]["trust"]
    assert rows["k1", 3]["trust"] != rows["k2", 3]["trust"]


@given(
    known_to=st.lists(st.integers(0, 6), max_size=4),
    portion=st.sampled_from([1, 3]),
    restored=st.booleans(),
)
def test_neither_flushes_nor_restores_nor_reading_late_show_in_a_bit(
    known_to: list[int], portion: int, *, restored: bool
) -> None:
    """Minutes wait for their numbers; what they say then is what they would have said at once."""

    def judged(memory: KolMemory) -> dict[tuple[str, int], Any]:
        found = rows_of(memory.collect_updates())
        return {(row["kol_id"], row["minute"]): {**row, "version": 0} for row in found}

    at_once = KolMemory(0, 1)
    at_once.ask(numbered())
    at_once.fold(block(*CELLS, marks={0: final(NOON + 6)}))
    wanted = judged(at_once)

    memory, found = KolMemory(0, 1, portion=portion), dict[tuple[str, int], Any]()
    memory.ask(numbered())
    memory.know_to(-1)
    memory.fold(block(*CELLS, marks={0: final(NOON + 6)}))
    for minute in [*sorted(known_to), 60]:
        memory.know_to(NOON + minute)
        found |= judged(memory)
        if restored:
            memory = KolMemory.restored(memory.arrays(), 0)
            memory.ask(numbered())

    assert found == wanted
    assert len(wanted) == 14


def test_nothing_is_said_of_a_minute_whose_numbers_are_not_read() -> None:
    memory = KolMemory(0, 1)
    memory.ask(numbered())
    memory.know_to(NOON + 2)
    memory.fold(block(*CELLS, marks={0: first_due(NOON + 6)}))

    assert {row["minute"] // 60 for row in rows_of(memory.collect_updates())} == {
        NOON,
        NOON + 1,
        NOON + 2,
    }
    assert memory.asks_from == (NOON + 7 - 2 * 60) * MINUTE_MS  # the horizon is two hours
    memory.know_to(NOON + 60)
    memory.fold(replace(block(), watermarks={0: final(NOON + 1)}, lives={0: 1}))
    memory.collect_updates()
    assert memory.asks_from == (NOON + 2) * MINUTE_MS


def test_a_late_cell_waits_for_the_numbers_of_its_minute() -> None:
    """After a restore nothing is read yet: a row that was written is not written by other ones."""
    memory = KolMemory(0, 1)
    log = numbered()
    memory.ask(log)
    memory.fold(block(*CELLS, marks={0: first_due(NOON + 6)}))
    written = {(row["kol_id"], row["minute"]): row for row in rows_of(memory.collect_updates())}

    again = KolMemory.restored(memory.arrays(), 0)
    again.ask(NoNumbers())
    again.know_to(-1)
    again.fold(block(replace(CELLS[4], version=2, fields=evidence(for_E=2.0))))
    assert rows_of(again.collect_updates()) == []
    again.ask(log)
    again.know_to(NOON + 60)
    late = rows_of(again.collect_updates())

    assert {row["minute"] // 60 - NOON for row in late} == {4, 5, 6}
    assert all(row["snapshot"] == written[row["kol_id"], row["minute"]]["snapshot"] for row in late)


def test_numbers_of_a_topic_that_was_made_anew_are_others() -> None:
    first, second = Log(), Log()
    first.population(NOON, all=PLAIN)
    second.population(NOON, all=PLAIN | {"odds": 9.0})
    priors, one = KnownPriors(first), np.zeros(1, np.int32)
    assert priors.of_rows(["a"], one, np.array([NOON])).prior.odds[0, 0] == 1.0
    first.log = second.log

    assert priors.of_rows(["a"], one, np.array([NOON])).prior.odds[0, 0] == 9.0
