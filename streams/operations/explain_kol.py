"""Why a KOL is trusted as it is: the score made again from stored cells, and what moved it.

The product's own core judges the cells once more, by the numbers that hold. So what is shown is
what the score was made of, or it does not agree and says so. What events and contents say is
counted: no text and no user is shown. Only views are read: those of a replay, where it was swapped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.blocks import Block
from schemas.cells import AT, DIMENSION_NAMES, DIMENSIONS, NAMES
from schemas.number_log import NumberLog
from schemas.rows import Rows
from schemas.values import plain
from streams.clients.clickhouse import query
from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED
from streams.core.kol.decay import DAY
from streams.core.kol.known_priors import Known, KnownPriors
from streams.core.kol.memory import KolMemory
from streams.core.kol.priors import TrustPrior
from streams.core.kol.rows import MODEL_VERSION
from streams.core.kol.sums import RESTARTS_AFTER, carrying, scores, standing, weighted
from streams.core.moments import HORIZON_MS, MINUTE_MS, Minutes
from streams.core.user.evidence import EVIDENCE_OF
from streams.errors import ExpectedError
from streams.operations.display_names import display_names
from streams.trainer.daily import said_sql

TOLERANCE: Final = 1e-9
MOST_DAYS: Final = 90  # that are left out, one after the other
SHOWN: Final = 3  # days and contents
KEPT_D: Final = 90  # that cells are kept

_OF_DIMENSION: Final = ("trust_{}", "trust_{}_lo", "trust_{}_hi", "n_{}")
SAME: Final = ("snapshot", "missing", "active")  # of a row, that are the same or not
VALUES: Final = (  # of a row, that are made again
    *("trust", "trust_lo", "trust_hi", "fast", "fast_lo", "fast_hi"),
    *("resonance", "resonance_lo", "resonance_hi", "n_eff", "uncertainty"),
    *(
        name.format(d)
        for d in DIMENSIONS
        for name in ("trust_{}", "trust_{}_lo", "trust_{}_hi", "n_{}")
    ),
)

SCORE: Final = """
    SELECT *, toUnixTimestamp(minute) AS at
    FROM v_score
    WHERE kol_id = {kol:String} AND model_version = {model:String}
        AND minute <= toDateTime({to:UInt32}, 'UTC')
    ORDER BY minute DESC
    LIMIT 1
"""
CELLS: Final = """
    SELECT toUnixTimestamp(minute) AS at, (FIELDS)
    FROM v_minute
    WHERE kol_id = {kol:String} AND minute <= toDateTime({to:UInt32}, 'UTC')
        AND minute > toDateTime({since:UInt32}, 'UTC')
    ORDER BY at
"""
EVENTS: Final = """
    SELECT kind, sum(n) AS events,
        arrayReverseSort(groupArrayIf((n, content_id), content_id != '')) AS by_n,
        arraySlice(arrayMap(one -> one.2, by_n), 1, 3) AS contents
    FROM (
        SELECT kind, content_id, count() AS n
        FROM v_event
        WHERE kol_id = {kol:String} AND kind IN {kinds:Array(String)}
            AND moment <= toDateTime({to:UInt32}, 'UTC')
            AND moment > toDateTime({to:UInt32}, 'UTC') - INTERVAL 90 DAY
        GROUP BY kind, content_id
    )
    GROUP BY kind
    ORDER BY kind
"""
CONTENTS: Final = """
    SELECT if(disclosed, 'disclosed', 'undisclosed') AS source, count() AS n,
        arraySlice(arraySort(groupArray(content_id)), 1, 3) AS contents
    FROM v_content
    WHERE kol_id = {kol:String} AND sponsored AND isNotNull(disclosed)
        AND published_at <= toDateTime({to:UInt32}, 'UTC')
        AND published_at > toDateTime({to:UInt32}, 'UTC') - INTERVAL 90 DAY
    GROUP BY source
    ORDER BY source
"""
AUDITED: Final = """
    SELECT d, count() AS n, sum(good) AS good, sum(bad) AS bad
    FROM ((SAID))
    WHERE kol_id = {kol:String} AND at <= {now:DateTime64(3, 'UTC')}
        AND at > {now:DateTime64(3, 'UTC')} - INTERVAL 90 DAY
    GROUP BY d
    ORDER BY d
"""


class NoScoreError(ExpectedError):
    """There is no score of a KOL at a moment."""


class Cells(NamedTuple):
    """What is stored of a KOL, by minute."""

    minute: Minutes
    values: NDArray[np.int64]  # as `SCORED`


@dataclass(frozen=True, slots=True)
class Dimension:
    """What is said of one dimension."""

    name: str
    score: float | None  # None: no source
    low: float | None
    high: float | None
    n: float | None
    prior: float  # trust of the population
    prior_n: float  # judgements that it is worth
    odds: float
    good: float  # faded weight of words for the KOL, of grown accounts
    bad: float
    audits: Mapping[str, float]  # words of contents, notices, surveys in 90 days: n, good, bad


@dataclass(frozen=True, slots=True)
class ExplainedKol:
    """Why a score is what it is."""

    kol_id: str
    display_name: str
    at: str
    trust: float
    low: float
    high: float
    fast: float | None
    n_eff: float
    is_node: bool
    final: bool
    number: int  # of the population
    missing: Sequence[str]
    dimensions: Sequence[Dimension]
    moved: Sequence[tuple[str, float]]  # a day, and by how much trust is higher for it
    events: Sequence[dict[str, Any]]
    contents: Sequence[dict[str, Any]]
    cells: int
    difference: float | None  # the largest, between stored values and new ones; None: one is absent
    differs: str  # which value it is of; empty: none
    unsure: str  # why values may differ although nothing is wrong; empty: they may not

    @property
    def agrees(self) -> bool:
        """Whether the score is what its cells say."""
        return self.difference is not None and self.difference <= TOLERANCE

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self) | {"agrees": self.agrees}


class _Numbers:
    """A log that rows ask."""

    def __init__(self, log: NumberLog) -> None:
        self.log = log


def explained_kol(  # one for each thing that it is made of
    client: Client, kol_id: str, to_s: int, log: NumberLog, database: str, now_s: int
) -> ExplainedKol:
    """The newest score of a KOL at a moment, made again.

    Args:
        client: of an account that reads.
        kol_id: whose.
        to_s: the moment, seconds since the epoch.
        log: the numbers on the topic.
        database: of the tables.
        now_s: the time, seconds since the epoch.

    Raises:
        NoScoreError: there is none.
        ReadingError: ClickHouse refuses.

    """
    given = {"kol": kol_id, "to": to_s, "model": MODEL_VERSION}
    found = query(client, SCORE, given)
    if not found:
        raise NoScoreError(
            f"no score of {kol_id} of version {MODEL_VERSION} at that time: nothing was said yet,"
            " or it is older than scores are kept"
        )
    (row,) = found
    given["to"] = row["at"]
    cells = _cells(client, given)
    again, minute = _again(kol_id, cells, row["at"] // 60, log), np.array([row["at"] // 60])
    known = KnownPriors(_Numbers(log)).of_rows([kol_id], np.zeros(1, np.int32), minute)
    added = _added(cells, minute)
    differs, difference = _difference(row, again)
    now = {**given, "now": row["minute"]}
    audits = query(client, AUDITED.replace("(SAID)", said_sql(database)), now)
    names = display_names(client, {kol_id})
    return ExplainedKol(
        kol_id=kol_id,
        display_name=names.get(kol_id, ""),
        at=row["minute"],
        trust=row["trust"],
        low=row["trust_lo"],
        high=row["trust_hi"],
        fast=row["fast"],
        n_eff=row["n_eff"],
        is_node=bool(row["active"]),
        final=bool(row["final"]),
        number=row["snapshot"],
        missing=[one for one in row["missing"].split(",") if one],
        dimensions=_dimensions(row, known, added.sum(axis=0, keepdims=True), minute, audits),
        moved=_moved(cells, added, minute, known),
        events=[
            {name: one[name] for name in ("kind", "events", "contents")}
            for one in query(
                client, EVENTS, {**given, "kinds": [kind.label for kind in EVIDENCE_OF]}
            )
        ],
        contents=query(client, CONTENTS, given),
        cells=len(cells.minute),
        difference=difference,
        differs=differs,
        unsure=_unsure(row, cells, known, now_s),
    )


def _unsure(row: Mapping[str, Any], cells: Cells, known: Known, now_s: int) -> str:
    """Why what is stored may not be all that a score was made of; empty: it is."""
    number = int(known.number[0])
    if number != row["snapshot"]:
        return f"number {row['snapshot']} of its population is not on the topic any more"
    oldest = now_s // 60 - KEPT_D * DAY
    if cells.minute.size and cells.minute[0] < oldest + DAY:
        return f"cells are kept for {KEPT_D} days, older ones may be gone"
    return ""


def _cells(client: Client, given: Mapping[str, Any]) -> Cells:
    since = max(0, given["to"] - RESTARTS_AFTER * 60)
    rows = query(client, CELLS.replace("(FIELDS)", ", ".join(SCORED)), {**given, "since": since})
    return Cells(
        np.array([row["at"] // 60 for row in rows], np.int64),
        np.array([[row[name] for name in SCORED] for row in rows], np.int64).reshape(
            -1, len(SCORED)
        ),
    )


def _again(kol_id: str, cells: Cells, minute: int, log: NumberLog) -> dict[str, Any]:
    """The row of a minute, by the core; empty where it makes none."""
    memory = KolMemory(0, 1)  # source partitions are added up
    memory.ask(_Numbers(log))
    fields = np.zeros((len(cells.minute), len(NAMES)), np.int64)
    fields[:, [AT[name] for name in SCORED]] = cells.values
    done = (minute + 1) * MINUTE_MS + HORIZON_MS
    memory.fold(
        Block(
            {0: done},
            {0: 0},
            np.zeros(len(cells.minute), np.uint16),
            [kol_id],
            np.zeros(len(cells.minute), np.int32),
            cells.minute,
            fields,
            np.ones(len(cells.minute), np.uint64),
        )
    )
    found: dict[str, Any] = {}
    while True:
        for part in memory.collect_updates():
            found = _row_of(part, minute) or found
        if not memory.is_behind:
            return found


def _row_of(part: Rows, minute: int) -> dict[str, Any]:
    if part.table != "kol_score":
        return {}
    here = np.flatnonzero(np.asarray(part.columns["minute"]) == minute * 60)
    if not here.size:
        return {}
    return {name: plain(values)[0] for name, values in part.pick(here[:1]).columns.items()}


def _difference(row: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, float | None]:
    """Which value differs most from what was stored, and by how much; None: it is not there."""
    worst, most = "", 0.0
    for name in SAME:
        if row[name] != again.get(name):
            return name, None
    for name in VALUES:
        stored, made = row[name], again.get(name)
        nothing = made is None or made != made  # noqa: PLR0124  # NaN
        if stored is None and nothing:
            continue
        if stored is None or nothing:
            return name, None
        if (off := abs(stored - float(made or 0.0))) > most:
            worst, most = name, off
    return worst, most


def _added(cells: Cells, minute: Minutes) -> Floats:
    """What each cell adds to the sums as they are kept at a minute."""
    to = np.repeat(minute, len(cells.minute))
    return weighted(cells.values, cells.minute) * carrying(cells.minute, to, 0 * to)


def _dimensions(
    row: Mapping[str, Any],
    known: Known,
    sums: Floats,
    minute: Minutes,
    audits: Sequence[Mapping[str, Any]],
) -> list[Dimension]:
    read = standing(sums, minute) + (0 if known.audits is None else known.audits)
    good, bad = read[0, : len(DIMENSIONS)], read[0, len(DIMENSIONS) : 2 * len(DIMENSIONS)]
    prior = TrustPrior(*(np.broadcast_to(part, (1, 5))[0] for part in known.prior.parts))
    by_letter = {one["d"]: {name: one[name] for name in ("n", "good", "bad")} for one in audits}
    found = []
    for place, (d, name) in enumerate(DIMENSION_NAMES.items()):
        score, low, high, n = (row[column.format(d)] for column in _OF_DIMENSION)
        found.append(
            Dimension(
                name,
                score,
                low,
                high,
                n,
                prior=float(prior.good[place] / (prior.good[place] + prior.bad[place])),
                prior_n=float(prior.good[place] + prior.bad[place]),
                odds=float(prior.odds[place]),
                good=float(good[place] / 1e6),
                bad=float(bad[place] / 1e6),
                audits=by_letter.get(d, {}),
            )
        )
    return found


def _moved(cells: Cells, added: Floats, minute: Minutes, known: Known) -> list[tuple[str, float]]:
    """The days that move trust most, up and down: trust less what it is without them."""
    days = cells.minute // DAY
    some = np.unique(days)[-MOST_DAYS:]
    if not some.size:
        return []
    whole = added.sum(axis=0)
    without = np.stack([whole, *(whole - added[days == day].sum(axis=0) for day in some)])
    n = len(without)
    prior = TrustPrior(*(np.broadcast_to(part, (n, 5)) for part in known.prior.parts))
    audits = None if known.audits is None else np.repeat(known.audits, n, axis=0)
    trust = scores(np.maximum(without, 0.0), np.repeat(minute, n), prior, audits).trust.score
    moved = trust[0] - trust[1:]
    order = np.argsort(moved)
    most = [
        *order[::-1][:SHOWN][moved[order[::-1][:SHOWN]] > 0],
        *order[:SHOWN][moved[order[:SHOWN]] < 0],
    ]
    return [(str(np.datetime64(int(some[at]), "D")), float(moved[at])) for at in most]
