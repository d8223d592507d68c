import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.blocks import Block, pack, unpack
from schemas.cells import AT, DIMENSIONS, NAMES
from schemas.rows import Rows
from schemas.topics import CELLS
from schemas.values import plain
from schemas.version import version_of
from streams.core.kol.decay import DAY, SPAN
from streams.core.kol.formats import CONVERSIONS
from streams.core.kol.memory import COUNTERS, SERIES, KolMemory
from streams.core.kol.priors import RESONANCE, RESONANCE_HALF_LIFE, TRUST_HALF_LIFE
from streams.core.kol.special import digamma_trigamma
from streams.core.kol.trust import Z

NOON = 28_603_440  # 2024-05-20 12:00 UTC in minutes
MINUTE_MS = 60_000
GRACE_MS = 30_000
HORIZON_MS = 7_200_000

Fields = Mapping[str, int]
Key = tuple[str, int]  # KOL and minute
Table = dict[Key, dict[str, Any]]


@dataclass(frozen=True)
class Cell:
    """A cell as a source partition sends it."""

    kol: str = "k1"
    minute: int = NOON
    fields: Fields = field(
        default_factory=lambda: evidence(for_E=1.0, for_A=0.5) | audience(0.4, 1.6)
    )
    source: int = 0
    version: int = 1


def evidence(**weights: float) -> dict[str, int]:
    """The fields of credible evidence, e.g. for_E=0.5."""
    fields = {name: round(weight * 1e6) for name, weight in weights.items()}
    for d in DIMENSIONS:
        squares = [weights.get(f"{side}_{d}", 0) ** 2 for side in ("for", "against")]
        fields[f"square_{d}"] = round(sum(squares) * 1e12)
    return fields


def audience(*depths: float) -> dict[str, int]:
    """The fields of one user-day for each depth."""
    return {
        "users_day": len(depths),
        "depth": round(sum(depths) * 1e6),
        "depth_square": round(sum(depth**2 for depth in depths) * 1e6),
    }


FAN = evidence(for_E=1.0, for_A=0.5) | audience(0.4, 1.6)
CRITIC = evidence(against_I=1.0, against_O=0.75) | audience(0.0)


def block(*cells: Cell, marks: Mapping[int, int | None] | None = None, life: int = 1) -> Block:
    """A block of these cells; a mark is in milliseconds."""
    marks = marks or {}
    fields = np.zeros((len(cells), len(NAMES)), np.int64)
    for row, cell in enumerate(cells):
        for name, value in cell.fields.items():
            fields[row, AT[name]] = value
    kols = sorted({cell.kol for cell in cells})
    return Block(
        watermarks=marks,
        lives=dict.fromkeys(marks, life),
        source=np.array([cell.source for cell in cells], np.uint16),
        kols=kols,
        kol=np.array([kols.index(cell.kol) for cell in cells], np.int32),
        minute=np.array([cell.minute for cell in cells], np.int64),
        fields=fields,
        version=np.array([cell.version for cell in cells], np.uint64),
    )


def end(minute: int) -> int:
    """The end of a minute, milliseconds."""
    return (minute + 1) * MINUTE_MS


def first_due(minute: int) -> int:
    """The watermark at which a minute is first written."""
    return end(minute) + GRACE_MS


def final(minute: int) -> int:
    """The watermark by which a minute is final."""
    return end(minute) + HORIZON_MS


def rows_of(updates: Iterable[Rows], table: str = "kol_score") -> list[dict[str, Any]]:
    """The rows of one table, in order."""
    rows: list[dict[str, Any]] = []
    for part in updates:
        part.validate()
        if part.table == table:
            columns = [plain(column) for column in part.columns.values()]
            rows += [
                dict(zip(part.columns, row, strict=True)) for row in zip(*columns, strict=True)
            ]
    return rows


def keys(updates: Iterable[Rows]) -> list[Key]:
    return [(row["kol_id"], row["minute"] // 60) for row in rows_of(updates)]


def latest(updates: Iterable[Rows]) -> Table:
    """What stands once of each key's rows the greatest version has won."""
    table: Table = {}
    for row in rows_of(updates):
        key = row["kol_id"], row["minute"] // 60
        if key not in table or table[key]["version"] < row["version"]:
            table[key] = row
    return {key: row | {"version": 0} for key, row in table.items()}


def counters(updates: Iterable[Rows]) -> dict[str, int]:
    return {row["door"]: row["n"] for row in rows_of(updates, "door_count")}


def collected(
    memory: KolMemory, blocks: Sequence[Block], flush: Sequence[bool] | None = None
) -> list[Rows]:
    """All updates while these blocks are read, collected after those with a flush."""
    flush = flush or [True] * len(blocks)
    updates: list[Rows] = []
    for part, now in zip(blocks, flush, strict=True):
        memory.fold(unpack(pack(part)))
        if now:
            updates += memory.collect_updates()
    return updates + memory.collect_updates()


def collected_once(*blocks: Block, sources: int = 1) -> list[Rows]:
    return collected(KolMemory(0, sources), blocks, [False] * len(blocks))


# ---------------------------------------------------------------- a plain reading of the rules


@dataclass
class Plain:
    """The same rules with dicts, loops and powers; reads all blocks, then gives every row."""

    sources: int
    marks: dict[int, int | None] = field(default_factory=dict)
    cells: dict[tuple[int, str, int], tuple[int, Fields]] = field(default_factory=dict)

    def watermark(self) -> float:
        counting = [mark for mark in self.marks.values() if mark is not None]
        return min(counting) if len(self.marks) == self.sources and counting else -math.inf

    def read(self, part: Block) -> None:
        names = list(part.kols)
        for row in range(len(part)):
            minute = int(part.minute[row])
            key = int(part.source[row]), names[part.kol[row]], minute
            version = int(part.version[row])
            if self.watermark() < final(minute) and version > self.cells.get(key, (-1,))[0]:
                self.cells[key] = version, dict(zip(NAMES, part.fields[row].tolist(), strict=True))
        for source, mark in part.watermarks.items():
            known = self.marks.get(source)
            self.marks[source] = mark if known is None else max(known, mark or 0)

    def table(self) -> dict[Key, dict[str, float]]:
        table = {}
        for kol in {kol for _, kol, _ in self.cells}:
            is_open = 0
            for minute in sorted(self.minutes(kol)):
                row = self.row(kol, minute)
                judged = sum(row[f"n_{d}"] >= 5 for d in SOURCES_OF_TRUST)
                if row["trust_lo"] >= 0.7 and row["n_eff"] >= 30 and judged >= 2:
                    is_open = 1
                elif row["trust_lo"] < 0.6:
                    is_open = 0
                table[kol, minute] = row | {"active": is_open}
        return table

    def minutes(self, kol: str) -> set[int]:
        """Those of its cells, and midnights behind them for 90 days, once they are written."""
        cells = {minute for _, who, minute in self.cells if who == kol}
        midnights = {
            midnight
            for minute in cells
            for midnight in range((minute // DAY + 1) * DAY, minute + 90 * DAY + 1, DAY)
        }
        return {at for at in cells | midnights if self.watermark() >= first_due(at)}

    def sum(self, name: str, kol: str, minute: int, half_life: float) -> float:
        """The faded sum of a field at the end of a minute; 0 after a year without cells."""
        minutes = sorted({then for _, who, then in self.cells if who == kol and then <= minute})
        starts = [now for last, now in pairwise(minutes) if now - last > 364 * DAY]
        first = max(starts, default=0)
        return math.fsum(
            fields[name] * 2.0 ** (-(minute + 1 - then - 0.5) / half_life)
            for (_, who, then), (_, fields) in self.cells.items()
            if who == kol and first <= then <= minute
        )

    def judged(self, d: str, kol: str, minute: int, half_life: float) -> tuple[float, float, float]:
        """Independent judgements of a dimension, for and against the KOL, and all of them."""
        good, bad = (self.sum(f"{side}_{d}", kol, minute, half_life) for side in SIDES)
        square = self.sum(f"square_{d}", kol, minute, half_life / 2)
        if not square:
            return 0.0, 0.0, 0.0
        n = min((good + bad) ** 2 / square, 2 * (good + bad) / 250_000)
        return n * good / (good + bad), n * bad / (good + bad), n

    def trust(self, kol: str, minute: int, half_life: Mapping[str, float]) -> dict[str, float]:
        """Mean and interval by the sources of the first population: E .25 and B .10 of .35."""
        row = {"_uncertainty": 0.0, "_n_eff": 0.0}
        mean = variance = 0.0
        for d, omega in SOURCES_OF_TRUST.items():
            good, bad, n = self.judged(d, kol, minute, half_life[d])
            alpha, beta = 1 + good, 1 + bad
            psi, psi1 = digamma_trigamma(np.array([alpha, alpha + beta]))
            log, log_variance = float(psi[0] - psi[1]), float(psi1[0] - psi1[1])
            mean += omega * log
            variance += omega**2 * log_variance
            row |= ends(f"_{d}", log, log_variance)
            row[f"_{d}"] = alpha / (alpha + beta)
            row[f"_n_{d}"] = n
            row["_n_eff"] += n
            row["_uncertainty"] += omega * 2 / (alpha + beta)
        return row | ends("", mean, variance)

    def row(self, kol: str, minute: int) -> dict[str, float]:
        trust = self.trust(kol, minute, TRUST_HALF_LIFE)
        fast = self.trust(kol, minute, dict.fromkeys(DIMENSIONS, 3 * DAY))
        row = {
            "final": int(self.watermark() >= final(minute)),
            "n_eff": trust.pop("_n_eff"),
            "uncertainty": trust.pop("_uncertainty"),
            **{f"n_{d}": trust.pop(f"_n_{d}") for d in SOURCES_OF_TRUST},
            **{f"trust{name}": value for name, value in trust.items()},
            **{f"fast{name}": fast[name] for name in ENDS},
        }
        depth, squares, days, days_square = (
            self.sum("depth", kol, minute, RESONANCE_HALF_LIFE) / 1e6,
            self.sum("depth_square", kol, minute, RESONANCE_HALF_LIFE) / 1e6,
            self.sum("users_day", kol, minute, RESONANCE_HALF_LIFE),
            self.sum("users_day", kol, minute, RESONANCE_HALF_LIFE / 2),
        )
        n, n0 = (days**2 / days_square if days else 0.0), RESONANCE.days
        mean = depth / days if days else 0.0
        within = max(0.0, squares / days - mean**2) if days else 0.0
        shrunk = (n * mean + n0 * RESONANCE.median) / (n + n0)
        apart = n * n0 / (n + n0) * (mean - RESONANCE.median) ** 2
        spread = math.sqrt(n * within + n0 * RESONANCE.variance + apart) / (n + n0)
        for name, sigmas in ENDS.items():
            z = (shrunk + sigmas * Z * spread - RESONANCE.median) / RESONANCE.scale
            row[f"resonance{name}"] = 1 / (1 + math.exp(-z))
        return row


SIDES = ("for", "against")
SOURCES_OF_TRUST = {"E": 25 / 35, "B": 10 / 35}  # of the first population, with their weights
ENDS = {"": 0, "_lo": -1, "_hi": 1}


def ends(name: str, mean: float, variance: float) -> dict[str, float]:
    """A value and its 90 % interval, by mean and variance of its logarithm."""
    return {
        f"{name}{end}": min(1.0, math.exp(mean + sigmas * Z * math.sqrt(variance)))
        for end, sigmas in ENDS.items()
    }


# ---------------------------------------------------------------- worlds to read

RANDOM = Random(20240520)
VALUES: list[dict[str, int]] = [
    evidence(
        **{f"for_{d}": RANDOM.choice([0.0, 0.25, 1.0]) for d in RANDOM.sample(DIMENSIONS, 3)},
        **{f"against_{d}": RANDOM.choice([0.25, 1.0]) for d in RANDOM.sample(DIMENSIONS, 1)},
    )
    | audience(*RANDOM.sample([0.0, 0.4, 1.6, 3.0], RANDOM.randrange(4)))
    | {"views": RANDOM.randrange(9)}
    for _ in range(12)
] + [{"views": 1}, {"views": 2}, audience(0.0)]

EVE = 23 * SPAN * 14 * DAY - 90  # minutes before a landmark of what fades in 14 days
STEPS = st.sampled_from(
    [0, 1, 2, 45, 119, 120, 121, 5_000, 524_160, 900_000]
)  # minutes; 364 d, 1.7 y
REST = st.sampled_from([0, 1, GRACE_MS, 59_999])
SAID = st.dictionaries(
    st.tuples(st.sampled_from("kqz"), st.booleans(), st.integers(0, 130)),
    st.sampled_from(VALUES),
    max_size=4,
)  # (KOL, from which end of what its source may still send, how many minutes) -> values
SOURCE = st.lists(st.tuples(STEPS, REST, SAID), min_size=1, max_size=4)
Steps = list[tuple[int, int, dict[tuple[str, bool, int], dict[str, int]]]]


def source_log(source: int, steps: Steps) -> list[Block]:
    """What a source sends, in its order: no cell behind its own watermark's horizon."""
    log, mark = [], EVE * MINUTE_MS
    for version, (minutes, rest, updates) in enumerate(steps, 1):
        first = (mark - HORIZON_MS) // MINUTE_MS
        mark += minutes * MINUTE_MS + rest
        last = mark // MINUTE_MS
        cells = {
            (kol, min(first + off, last) if early else max(last - off, first)): values
            for (kol, early, off), values in updates.items()
        }
        log.append(
            block(
                *(Cell(kol, at, values, source, version) for (kol, at), values in cells.items()),
                marks={source: mark},
            )
        )
    return log


SOURCES = st.lists(SOURCE, min_size=1, max_size=3).map(
    lambda sources: [source_log(source, steps) for source, steps in enumerate(sources)]
)
LUCK = st.integers(0, 2**32).map(Random)


def merged(log: list[list[Block]], luck: Random) -> list[Block]:
    """The blocks in one of the orders in which they may arrive."""
    turns = [i for i, part in enumerate(log) for _ in part]
    luck.shuffle(turns)
    places = [iter(part) for part in log]
    return [next(places[source]) for source in turns]


def flushes(blocks: Sequence[Block], luck: Random) -> list[bool]:
    return [luck.random() < 0.5 for _ in blocks]


def in_order(log: list[list[Block]]) -> Table:
    """What stands after a run without trouble."""
    blocks = [part for source in log for part in source]
    return latest(collected_once(*blocks, sources=len(log)))


# ---------------------------------------------------------------- laws


@given(SOURCES)
def test_every_row_is_what_a_plain_loop_says(log: list[list[Block]]) -> None:
    plain = Plain(len(log))
    for part in (part for source in log for part in source):
        plain.read(part)
    rows = in_order(log)

    assert {key: {name: rows[key][name] for name in row} for key, row in plain.table().items()} == {
        key: pytest.approx(row, rel=1e-9, abs=1e-9) for key, row in plain.table().items()
    }
    assert rows.keys() == plain.table().keys()


@given(SOURCES, LUCK)
def test_neither_arrival_nor_flushes_nor_forgetting_nor_portions_show_in_a_single_bit(
    log: list[list[Block]], luck: Random
) -> None:
    blocks = merged(log, luck)
    memory = KolMemory(0, len(log), slack=luck.choice([0, 1, 100]), portion=luck.choice([1, 4]))

    assert latest(collected(memory, blocks, flushes(blocks, luck))) == in_order(log)


@given(SOURCE)
def test_the_number_of_partitions_does_not_show_in_a_single_bit(steps: Steps) -> None:
    log = source_log(0, steps)
    halves = [
        replace(
            part,
            watermarks={0: part.watermarks[0], 1: part.watermarks[0]},
            source=np.concatenate([part.source, part.source + np.uint16(1)]),
            kol=np.tile(part.kol, 2),
            minute=np.tile(part.minute, 2),
            version=np.tile(part.version, 2),
            fields=np.concatenate([part.fields // 3, part.fields - part.fields // 3]),
        )
        for part in log
    ]

    assert latest(collected_once(*halves, sources=2)) == in_order([log])


@given(SOURCES, LUCK)
def test_while_nothing_is_final_blocks_may_come_in_any_order(
    log: list[list[Block]], luck: Random
) -> None:
    calm = [
        [replace(part, watermarks=dict.fromkeys(part.watermarks, EVE * MINUTE_MS)) for part in own]
        for own in log
    ]
    shuffled = [part for own in calm for part in own]
    luck.shuffle(shuffled)

    assert latest(collected(KolMemory(0, len(log)), shuffled)) == in_order(calm)


@given(SOURCES, LUCK)
def test_a_crash_and_a_restore_leave_the_same_rows(log: list[list[Block]], luck: Random) -> None:
    blocks = merged(log, luck)
    memory = KolMemory(0, len(log), slack=0)
    kept = luck.randint(0, len(blocks))
    lost = luck.randint(kept, len(blocks))
    updates = collected(memory, blocks[:kept])
    snapshot = {name: column.copy() for name, column in memory.arrays().items()}
    updates += collected(memory, blocks[kept:lost], flushes(blocks[kept:lost], luck))
    again = KolMemory.restored(snapshot, 0, slack=0)
    again.life = 1
    updates += collected(again, blocks[kept:], flushes(blocks[kept:], luck))

    assert latest(updates) == in_order(log)


@given(SOURCES, LUCK)
def test_a_snapshot_between_a_fold_and_its_statements_loses_nothing(
    log: list[list[Block]], luck: Random
) -> None:
    blocks = merged(log, luck)
    memory = KolMemory(0, len(log))
    updates = []
    for part in blocks:
        if luck.random() < 0.5:
            updates += memory.collect_updates()
        memory.fold(part)
        life = memory.life + 1
        memory = KolMemory.restored(memory.arrays(), 0)
        memory.life = life

    assert latest(updates + memory.collect_updates()) == in_order(log)


@given(SOURCES, LUCK)
def test_blocks_that_come_again_change_nothing_and_are_counted(
    log: list[list[Block]], luck: Random
) -> None:
    blocks = merged(log, luck)
    read = [again for i in range(len(blocks)) for again in blocks[max(0, i - 2) : i + 1]]
    memory = KolMemory(0, len(log))
    updates = collected(memory, read, flushes(read, luck))
    counts = memory.counters

    assert latest(updates) == in_order(log)
    assert counts["cells"] == sum(map(len, blocks))
    assert sum(counts.values()) == len(read) + sum(map(len, read))


@given(SOURCES, LUCK)
def test_a_month_at_once_is_a_month_lived_through(log: list[list[Block]], luck: Random) -> None:
    blocks = merged(log, luck)
    at_once = latest(collected(KolMemory(0, len(log)), blocks, [False] * len(blocks)))

    assert latest(collected(KolMemory(0, len(log), slack=0), blocks)) == at_once


# ---------------------------------------------------------------- watermarks


def test_nothing_is_stated_before_all_sources_have_spoken() -> None:
    memory = KolMemory(0, 2)
    silent = collected(memory, [block(Cell(), marks={0: final(NOON)})])

    assert keys(silent) == []
    assert memory.watermark is None


def test_a_source_with_nothing_there_does_not_count() -> None:
    memory = KolMemory(0, 2)
    updates = collected(memory, [block(Cell(), marks={0: first_due(NOON), 1: None})])

    assert keys(updates) == [("k1", NOON)]
    assert memory.watermark == first_due(NOON)


def test_where_no_source_has_anything_there_is_no_watermark() -> None:
    memory = KolMemory(0, 1)
    memory.fold(block(marks={0: None}))

    assert memory.watermark is None


def test_the_slowest_source_holds_a_minute_open() -> None:
    assert (
        keys(
            collected_once(block(Cell(), marks={0: final(NOON), 1: first_due(NOON) - 1}), sources=2)
        )
        == []
    )


def test_a_newer_life_does_not_lower_a_watermark() -> None:
    memory = KolMemory(0, 1)
    memory.fold(block(marks={0: 5_000}))
    memory.fold(block(marks={0: 4_000}, life=2))
    memory.fold(block(marks={0: None}, life=1))

    assert memory.watermark == 5_000
    assert memory.lives.tolist() == [2]


def test_a_source_that_wakes_up_behind_opens_no_final_minute_again() -> None:
    memory = KolMemory(0, 2)
    collected(memory, [block(Cell(), marks={0: final(NOON), 1: None})])
    updates = collected(
        memory, [block(marks={1: end(NOON)}), block(Cell(fields=CRITIC, version=2))]
    )

    assert memory.watermark == end(NOON)
    assert counters(updates)["cell_after_final"] == 1


def test_a_source_that_wakes_up_behind_takes_no_statement_back() -> None:
    memory = KolMemory(0, 2)
    collected(memory, [block(Cell(), marks={0: first_due(NOON), 1: None})])
    updates = collected(memory, [block(Cell(fields=CRITIC, version=2), marks={1: end(NOON) - 1})])

    assert keys(updates) == [("k1", NOON)]


def test_a_block_of_more_sources_than_there_are_is_refused() -> None:
    memory = KolMemory(0, 2)

    with pytest.raises(ValueError, match="more than 2 source partitions"):
        memory.fold(block(Cell(), marks={2: 0}))
    assert memory.collect_updates() == []


# ---------------------------------------------------------------- the two moments of a minute


def test_a_minute_is_stated_thirty_seconds_behind_its_end() -> None:
    early = collected_once(block(Cell(), marks={0: first_due(NOON) - 1}))
    updates = collected_once(block(Cell(), marks={0: first_due(NOON)}))

    assert keys(early) == []
    assert [row["final"] for row in rows_of(updates)] == [0]


def test_a_minute_is_final_two_hours_behind_its_end() -> None:
    early = collected_once(block(Cell(), marks={0: final(NOON) - 1}))
    updates = collected_once(block(Cell(), marks={0: final(NOON)}))

    assert [row["final"] for row in rows_of(early)] == [0]
    assert [row["final"] for row in rows_of(updates)] == [1]


def test_a_row_is_first_provisional_and_then_final_with_the_same_values() -> None:
    updates = collected(
        KolMemory(0, 1), [block(Cell(), marks={0: first_due(NOON)}), block(marks={0: final(NOON)})]
    )
    before, after = rows_of(updates)

    assert (before["final"], after["final"]) == (0, 1)
    assert after | {"final": 0, "version": 0} == before | {"version": 0}
    assert after["version"] > before["version"]


def test_a_late_cell_restates_its_own_minute_and_later_ones_of_its_kol_only() -> None:
    memory = KolMemory(0, 1)
    minutes = [NOON, NOON + 2, NOON + 4]
    cells = [Cell(kol, minute) for kol in ("k1", "k2") for minute in minutes]
    collected(memory, [block(*cells, marks={0: first_due(NOON + 4)})])
    late = collected(memory, [block(Cell("k1", NOON + 1, CRITIC, version=2))])

    assert keys(late) == [("k1", NOON + 1), ("k1", NOON + 2), ("k1", NOON + 4)]


def test_a_cell_said_anew_replaces_the_former_one() -> None:
    first, second = Cell(fields=CRITIC, version=1), Cell(fields=FAN, version=2)
    mark = {0: first_due(NOON)}
    replaced = collected(KolMemory(0, 1), [block(first, marks=mark), block(second)])

    assert latest(replaced) == latest(collected_once(block(second, marks=mark)))


def test_of_two_statements_in_one_block_the_newer_stands() -> None:
    newer, older = Cell(fields=FAN, version=2), Cell(fields=CRITIC, version=1)
    both = collected_once(block(newer, older, marks={0: first_due(NOON)}))

    assert latest(both) == latest(collected_once(block(newer, marks={0: first_due(NOON)})))
    assert counters(both)["cell_not_newer"] == 1


def test_an_older_statement_is_counted_and_changes_nothing() -> None:
    memory = KolMemory(0, 1)
    collected(memory, [block(Cell(version=2), marks={0: first_due(NOON)})])
    updates = collected(memory, [block(Cell(fields=CRITIC, version=1))])

    assert keys(updates) == []
    assert counters(updates)["cell_not_newer"] == 1


def test_what_scores_are_not_made_of_restates_nothing() -> None:
    memory = KolMemory(0, 1)
    collected(memory, [block(Cell(), marks={0: first_due(NOON)})])

    assert keys(collected(memory, [block(Cell(fields={**FAN, "views": 9}, version=2))])) == []


def test_a_cell_of_a_final_minute_is_ignored_and_counted() -> None:
    memory = KolMemory(3, 1)
    collected(memory, [block(Cell(), marks={0: final(NOON)})])
    updates = collected(
        memory, [block(Cell("k9", fields=CRITIC, version=2), Cell(minute=NOON + 1))]
    )

    assert counters(updates) == {
        "blocks": 2,
        "cells": 2,
        "cell_not_newer": 0,
        "cell_after_final": 1,
    }
    assert keys(updates) == [("k1", NOON + 1)]
    assert "k9" not in memory.names.names


def test_a_block_closes_a_minute_behind_its_own_cells() -> None:
    assert keys(collected_once(block(Cell(), marks={0: final(NOON)}))) == [("k1", NOON)]


def test_whether_a_cell_is_too_late_does_not_hang_on_flushes() -> None:
    blocks = [block(Cell(), marks={0: final(NOON)}), block(Cell(fields=CRITIC, version=2))]
    flushed, at_once = (collected(KolMemory(0, 1), blocks, [now] * 2) for now in (True, False))

    assert latest(flushed) == latest(at_once)


def test_final_minutes_leave_memory() -> None:
    memory = KolMemory(0, 1, slack=0)
    cells = [Cell(minute=NOON + later) for later in range(10)]
    collected(memory, [block(*cells, marks={0: first_due(NOON + 9)})])
    opened = memory.open_minutes, memory.cells.count
    collected(memory, [block(marks={0: final(NOON + 6)})])

    assert opened == (10, 10)
    assert (memory.open_minutes, memory.cells.count) == (3, 3)


def test_a_kol_silent_for_more_than_364_days_leaves_memory_and_begins_anew() -> None:
    year = 364 * DAY
    pruned, unpruned = KolMemory(0, 1, slack=0), KolMemory(0, 1)
    blocks = [
        block(Cell("old"), Cell("k1"), marks={0: final(NOON)}),
        block(Cell("k1", NOON + DAY), marks={0: final(NOON + year - 1)}),
        block(marks={0: final(NOON + year)}),
        block(Cell("old", NOON + year + 1, CRITIC), marks={0: final(NOON + year + 1)}),
    ]
    rows, known = [], []
    for part in blocks:
        rows.append([latest(collected(memory, [part])) for memory in (pruned, unpruned)])
        known.append(list(pruned.names.names))
    (row,) = rows[-1][0].values()
    restarted = collected_once(block(Cell(fields=CRITIC), marks={0: final(NOON)}))

    assert known == [["k1", "old"], ["k1", "old"], ["k1"], ["k1", "old"]]
    assert all(one == other for one, other in rows)
    assert row["trust"] == rows_of(restarted)[0]["trust"]


def test_when_all_were_silent_for_long_each_call_says_some_of_the_days() -> None:
    """40 midnights of two KOLs: three of them a call, in a crash's way, too."""
    blocks = [
        block(Cell("k1"), Cell("k2"), marks={0: final(NOON)}),
        block(Cell("k1", NOON + 40 * DAY), marks={0: final(NOON + 40 * DAY)}),
    ]
    at_once = latest(collected(KolMemory(0, 1), blocks))
    memory, calls = KolMemory(0, 1, room=6), 0
    updates = collected(memory, blocks)
    while memory.is_behind:
        if calls == 5:
            memory = again(memory, room=6)
        part = memory.collect_updates()
        assert len(rows_of(part)) <= 4 * 2 + 1
        updates, calls = updates + part, calls + 1

    assert latest(updates) == at_once
    assert calls >= 10
    assert len(at_once) == 2 + 40 * 2 + 1


def again(memory: KolMemory, **limits: int) -> KolMemory:
    """A memory that was restored from a snapshot of this one."""
    restored = KolMemory.restored(memory.arrays(), memory.partition, **limits)
    restored.life = memory.life + 1
    return restored


def test_a_source_hours_behind_holds_the_minutes_and_nothing_is_lost() -> None:
    memory = KolMemory(0, 2, slack=0)
    collected(memory, [block(marks={0: end(NOON), 1: end(NOON)})])
    waiting = []
    for later in range(1, 361):
        ahead = block(Cell(minute=NOON + later), marks={0: end(NOON + later)})
        assert keys(collected(memory, [ahead])) == []
        waiting.append(memory.open_minutes)
    late = [Cell(minute=NOON + later, source=1) for later in range(1, 361)]
    updates = collected(memory, [block(*late, marks={1: end(NOON + 360)})])
    closed = [row["minute"] // 60 for row in rows_of(updates) if row["final"]]

    assert waiting == list(range(1, 361))
    assert closed == [NOON + later for later in range(1, 241)]  # the others are inside 2 h
    assert memory.open_minutes == 120
    assert len(latest(updates)) == 359  # the last one ended just now
    assert latest(updates)[("k1", NOON + 240)]["n_eff"] > 200


def test_memory_is_not_rewritten_for_a_few_kols() -> None:
    memory = KolMemory(0, 1, slack=4)
    collected(memory, [block(*(Cell(f"k{n}") for n in range(9)), marks={0: final(NOON)})])
    later = [Cell(f"k{n}", NOON + 200 * DAY) for n in range(8)]
    collected(memory, [block(*later, marks={0: final(NOON + 400 * DAY)})])

    assert len(memory.names) == 9


# ---------------------------------------------------------------- rows


def test_a_kol_nobody_has_judged_has_wide_intervals() -> None:
    (row,) = rows_of(collected_once(block(Cell(fields={"views": 1}), marks={0: first_due(NOON)})))

    assert row["trust_hi"] - row["trust_lo"] > 0.6
    assert row["resonance_hi"] - row["resonance_lo"] > 0.6
    assert row["n_eff"] == 0


def test_a_row_says_what_it_is_about() -> None:
    memory = KolMemory(5, 1)
    memory.epoch, memory.life = 3, 7
    updates = collected(memory, [block(Cell("宝妈"), marks={0: first_due(NOON)})])
    (row,) = rows_of(updates)

    assert (row["kol_id"], row["minute"]) == ("宝妈", NOON * 60)
    assert (row["model_version"], row["snapshot"]) == ("3", 0)
    assert row["version"] == version_of(3, 7, 1)
    assert memory.version == version_of(3, 7, 2)


def test_counters_are_totals_of_the_partition_and_said_when_they_change() -> None:
    memory = KolMemory(5, 1)
    updates = collected(memory, [block(Cell())])
    (row, *_) = rows_of(updates, "door_count")

    assert counters(updates) == {
        "blocks": 1,
        "cells": 1,
        "cell_not_newer": 0,
        "cell_after_final": 0,
    }
    assert (row["topic"], row["partition"], row["kind"]) == (CELLS, 5, "counter")
    assert memory.collect_updates() == []
    assert memory.counters.keys() == COUNTERS.keys()
    assert dict(zip(SERIES, memory.totals.tolist(), strict=True)) == {
        (CELLS, name, "counter"): n for name, n in memory.counters.items()
    }


def test_a_memory_is_restored_with_all_it_knew() -> None:
    memory = KolMemory(5, 2)
    memory.fold(block(Cell("k1"), Cell("宝妈", source=1), marks={0: 9_000, 1: None}, life=4))
    memory.offsets[CELLS] = 17
    again = KolMemory.restored(memory.arrays(), 5)

    assert again.offsets == {CELLS: 17}
    assert again.watermark == 9_000
    assert again.lives.tolist() == [4, 4]
    assert again.names.names == ["k1", "宝妈"]
    assert again.counters == memory.counters
    assert (again.open_minutes, again.cells.count) == (2, 2)
    assert {k: v.tolist() for k, v in again.arrays().items()} == {
        k: v.tolist() for k, v in memory.arrays().items()
    }


def test_a_snapshot_of_format_1_goes_on_without_fast_line_and_with_closed_gates() -> None:
    memory = KolMemory(0, 1)
    collected(memory, [block(Cell("k1"), Cell("k2", fields=CRITIC), marks={0: final(NOON)})])
    arrays = memory.arrays()
    sums = arrays["standing.sums"]
    known = {"standing.seen", "standing.is_open", "standing.sums"}
    first = {name: column.copy() for name, column in arrays.items() if name not in known}
    first["standing.sums"] = np.delete(sums, slice(15, 30), axis=1)
    (convert,) = CONVERSIONS
    again = KolMemory.restored(convert(first), 0)
    later = block(Cell("k1", NOON + 9), Cell("k2", NOON + 9), marks={0: final(NOON + 9)})
    (one, two), (other, another) = (rows_of(collected(m, [later])) for m in (memory, again))
    of_record = [name for name in one if not name.startswith("fast") and name != "version"]

    assert [one[name] for name in of_record] == [other[name] for name in of_record]
    assert [two[name] for name in of_record] == [another[name] for name in of_record]
    assert other["fast"] != one["fast"]
