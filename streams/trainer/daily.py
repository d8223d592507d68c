"""What the trainer says of trust once a day: audits, raters, populations, from facts as they stand.

| kind | says | from |
|---|---|---|
| audit | faded sums of evidence that no event says alone, by KOL | contents, what is saved, notices, surveys, profiles |
| rater | how often a user said what was believed later; who has bought | events, scores, orders |
| trust | what a population says before there is evidence | cells and audits of the last weeks |

Each is a state as of one moment. Audits and raters are said first: a population names a source that
is there by then.

*Evidence of audits* counts with c = 1 and without an allowance, but for saves:

| dimension | for | against |
|---|---|---|
| expertise | a credential in the profile (2, as long as it stands there); who saves a lab review or an expert's answers (c, once a fortnight) | a retraction (2) |
| authenticity | a star of a survey above the first (1 of 4); a text of its own (1) | one that is missing (1 of 4); a text that a content had before (1) |
| integrity | a sponsored content that says so (1) | one that does not (1); a violation (2) |

An appeal that is upheld takes a violation or a retraction back. Weights say how much is known, not how
bad it is. A sponsored content that does not say so speaks against integrity, as one that does speaks
for it: what is measured on one scale has to be on one scale. What becomes of orders is an outcome
alone, so that dimensions stay independent.

*Raters.* Each word of a user about a KOL counts once for a dimension and sign, by trust in that
dimension at the midnight after seven days, where five judgements or more stand behind it: for a KOL
of .70 or above, against one below it agrees. agreement = (1 + agreed) / (2 + agreed + disagreed).
Kumar et al., REV2 (2018).
"""  # noqa: E501  # a table has no line breaks

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, texts
from schemas.events import Kind
from schemas.numbered import AUDIT, AUDIT_SUMS, AUDITED, RATER, TRUST, TRUST_PARTS
from streams.clients.clickhouse import query
from streams.core.kol.decay import DAY
from streams.core.kol.population import AVERAGE, DAYS, Evidence, group_of, populations
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE, TrustPrior
from streams.core.user.evidence import EVIDENCE_OF

DAILY: Final = (AUDIT, RATER, TRUST)  # kinds, in the order in which they are said

States = dict[str, Entries]  # by kind
Rows = Sequence[Mapping[str, Any]]

ONE: Final = 1e6  # a weight of 1 in cells
JUDGED_AFTER_D: Final = 7  # days after a word
DAY_MS: Final = 86_400_000
AFTER_MIDNIGHT_MS: Final = 900_000  # when what happened before it is added up
FIRST_WAIT_MS, LONGEST_WAIT_MS = 15_000, 3_600_000  # until a kind is asked for again
LEAST_N: Final = 5.0  # judgements behind what is believed

SAID: Final = """
    SELECT kol_id, 'E' AS d, {now:DateTime64(3, 'UTC')} AS at, 2. AS good, 0. AS bad, 4. AS square
    FROM (DATABASE).v_kol WHERE notEmpty(credentials)
    UNION ALL
    SELECT kol_id, if(kind = 'retraction', 'E', 'I'), noticed_at, 0., 2., 4.
    FROM (DATABASE).v_notice
    WHERE kind IN ('retraction', 'violation')
        AND (kol_id, ref) NOT IN (
            SELECT kol_id, ref
            FROM (DATABASE).v_notice
            WHERE kind = 'appeal_upheld' AND noticed_at <= {now:DateTime64(3, 'UTC')}
        )
    UNION ALL
    SELECT kol_id, 'A', answered_at, assumeNotNull(authenticity) - 1,
        5 - assumeNotNull(authenticity), 4.
    FROM (DATABASE).v_perception WHERE isNotNull(authenticity)
    UNION ALL
    SELECT kol_id, 'A', published_at, toFloat64(is_own), toFloat64(NOT is_own), 1.
    FROM (
        SELECT kol_id, published_at,
            replaceRegexpAll(lowerUTF8(text), '[\\\\s\\\\p{Z}]+', '') AS words,
            (published_at, content_id)
                = min((published_at, content_id)) OVER (PARTITION BY sipHash128(words)) AS is_own
        FROM (DATABASE).v_content
        WHERE kol_id != '' AND words != '' AND published_at <= {now:DateTime64(3, 'UTC')}
    )
    UNION ALL
    SELECT kol_id, 'E', min(moment), max(credibility_ppm) / 1e6 AS c, 0., c * c
    FROM (DATABASE).event
    WHERE kind = 'save' AND kol_id != '' AND user_hash != ''
        AND moment <= {now:DateTime64(3, 'UTC')}
        AND moment > {now:DateTime64(3, 'UTC')} - INTERVAL 60 DAY
        AND content_id IN (
            SELECT content_id FROM (DATABASE).v_content WHERE genre IN ('lab_review', 'expert_qa')
        )
    GROUP BY kol_id, user_hash, intDiv(toUnixTimestamp(moment), 14 * 86400)
    UNION ALL
    SELECT kol_id, 'I', published_at, toFloat64(assumeNotNull(disclosed)),
        toFloat64(NOT assumeNotNull(disclosed)), 1.
    FROM (DATABASE).v_content
    WHERE kol_id != '' AND sponsored AND isNotNull(disclosed)
"""
AUDITS: Final = f"""
    SELECT kol_id, (SUMS)
    FROM (
        SELECT *, dateDiff('millisecond', at, {{now:DateTime64(3, 'UTC')}}) / 60000 AS age
        FROM ({SAID})
        WHERE at <= {{now:DateTime64(3, 'UTC')}}
            AND at > {{now:DateTime64(3, 'UTC')}} - INTERVAL 364 DAY
    )
    GROUP BY kol_id
    ORDER BY kol_id
"""  # noqa: S608  # names of ours
CELLS: Final = """
    SELECT kol_id, (SUMS)
    FROM (DATABASE).v_cell_1d
    WHERE day > toDate({now:DateTime64(3, 'UTC')}) - {most:UInt32}
        AND day <= toDate({now:DateTime64(3, 'UTC')}) AND NOT startsWith(kol_id, '~')
    GROUP BY kol_id
    HAVING greatest((WORDS)) > 0
    ORDER BY kol_id
"""
PROFILES: Final = """
    SELECT kol_id, tier, vertical
    FROM (DATABASE).v_kol
    WHERE tier != '' AND vertical != ''
"""
RATERS: Final = """
    WITH
        words AS (
            SELECT user_hash, kol_id, min(moment) AS at,
                transform(kind, {kinds:Array(String)}, {sides:Array(UInt8)}, 0) AS side
            FROM (DATABASE).event
            WHERE moment > {now:DateTime64(3, 'UTC')} - INTERVAL 60 DAY
                AND moment <= {now:DateTime64(3, 'UTC')}
                AND kind IN {kinds:Array(String)} AND kol_id != '' AND user_hash != ''
            GROUP BY user_hash, kol_id, side
        ),
        believed AS (
            SELECT kol_id, toDate(minute) AS day, (BELIEVED)
            FROM (DATABASE).kol_score
            WHERE minute > {now:DateTime64(3, 'UTC')} - INTERVAL 60 DAY
                AND minute <= {now:DateTime64(3, 'UTC')}
                AND toUnixTimestamp(minute) % 86400 = 0
            GROUP BY kol_id, day
        ),
        judged AS (
            SELECT user_hash, n[intDiv(side, 2) + 1] >= {least:Float64} AS counts,
                (trust[intDiv(side, 2) + 1] >= {average:Float64}) = (side % 2 = 0) AS agrees
            FROM words
            INNER JOIN believed
                ON words.kol_id = believed.kol_id
                AND toDate(words.at) + {after:UInt32} = believed.day
        )
    SELECT user_hash,
        (1 + countIf(counts AND agrees)) / (2 + countIf(counts)) AS agreement,
        user_hash IN (
            SELECT user_hash
            FROM (DATABASE).order_credit FINAL
            WHERE ordered_at > {now:DateTime64(3, 'UTC')} - INTERVAL 365 DAY
                AND ordered_at <= {now:DateTime64(3, 'UTC')}
                AND notEmpty(kols) AND refunded_cents < paid_cents
                AND user_hash IN (SELECT user_hash FROM words)
        ) AS bought
    FROM (
        SELECT user_hash, counts, agrees FROM judged
        UNION ALL
        SELECT DISTINCT user_hash, 0, 0 FROM words
    )
    GROUP BY user_hash
    HAVING bought OR countIf(counts) > 0
    ORDER BY user_hash
"""


def daily_states(
    client: Client,
    database: str,
    now_ms: int,
    before: Callable[[], None] = lambda: None,
    kinds: Collection[str] = DAILY,
) -> States:
    """What is known at a moment, by kind, in the order in which it is to be said.

    Nothing is said of a kind of which nothing is known.

    Args:
        client: of an account that reads facts.
        database: of facts and dimensions.
        now_ms: milliseconds since the epoch.
        before: each statement; raises where the turn is to end.
        kinds: that are wanted.

    Raises:
        ReadingError: ClickHouse refuses.

    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    def asked(sql: str, **given: Any) -> Rows:  # noqa: ANN401  # what ClickHouse takes
        before()
        return query(client, sql.replace("(DATABASE)", database), {"now": now, **given})

    found: States = {}
    audits = asked(AUDITS.replace("(SUMS)", _audit_sums()))
    if AUDIT in kinds:
        found[AUDIT] = _audit_entries(audits, now_ms // 60_000)
    if RATER in kinds:
        raters = asked(
            RATERS.replace("(BELIEVED)", _believed()),
            kinds=[kind.label for kind in _WORDS_OF_USERS],
            sides=[2 * DIMENSIONS.index(d) + sign for d, sign in _WORDS_OF_USERS.values()],
            least=LEAST_N,
            average=AVERAGE,
            after=JUDGED_AFTER_D + 1,
        )
        found[RATER] = _rater_entries(raters)
    if TRUST in kinds:
        cells, profiles = asked(_cells_sql(), most=max(DAYS.values())), asked(PROFILES)
        found[TRUST] = _trust_entries(populations(_evidence(cells, audits, profiles)))
    return {kind: entries for kind, entries in found.items() if len(entries)}


_WORDS_OF_USERS: Final = {  # a reply is of its KOL, under the name of whom it is for
    kind: side for kind, side in EVIDENCE_OF.items() if kind is not Kind.KOL_REPLY
}
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"for": "good", "against": "bad", "square": "square"}
)


def said_sql(database: str) -> str:
    """What contents, notices, surveys and profiles say: KOL, dimension, moment, good, bad, square.

    It asks for `now`, a DateTime64(3, 'UTC'), and reads views alone.
    """
    events = "(SELECT *, 1e6 * credibility AS credibility_ppm FROM (DATABASE).v_event)"
    return SAID.replace("(DATABASE).event", events).replace("(DATABASE)", database)


def _audit_sums() -> str:
    """Faded sums, and those of the days that populations are of."""
    sums = []
    for name in AUDIT_SUMS:
        line, word, d = _split(name)
        half_life = FAST_HALF_LIFE if line else TRUST_HALF_LIFE[d]
        halvings, unit = (2, ONE**2) if word == "square" else (1, ONE)
        faded = f"{unit} * {_WORDS[word]} * exp2(-{halvings} * age / {half_life})"
        sums.append(f"sumIf({faded}, d = '{d}') AS {name}")
    for d in AUDITED:
        for word in _WORDS.values():
            unit = ONE**2 if word == "square" else ONE
            lately = f"d = '{d}' AND age <= {DAYS[d] * DAY}"
            sums.append(f"sumIf({unit} * {word}, {lately}) AS lately_{word}_{d}")
    return ", ".join(sums)


def _split(name: str) -> tuple[str, str, str]:
    """Line, word and dimension of a sum.

    >>> _split("fast_for_A"), _split("square_E")
    (('fast_', 'for', 'A'), ('', 'square', 'E'))
    """
    line = "fast_" if name.startswith("fast_") else ""
    word, d = name.removeprefix(line).split("_")
    return line, word, d


def _cells_sql() -> str:
    sums = [
        f"sumIf({word}_{d}, day > toDate({{now:DateTime64(3, 'UTC')}}) - {DAYS[d]}) AS {word}_{d}"
        for word in _WORDS
        for d in DIMENSIONS
    ]
    words = ", ".join(f"square_{d}" for d in DIMENSIONS)
    return CELLS.replace("(SUMS)", ", ".join(sums)).replace("(WORDS)", words)


def _believed() -> str:
    return ", ".join(
        "[" + ", ".join(f"argMax({name}_{d}, version)" for d in DIMENSIONS) + f"] AS {name}"
        for name in ("trust", "n")
    )


def _numbers(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], np.float64)


def _audit_entries(rows: Rows, minute: int) -> Entries:
    columns: dict[str, Column] = {name: _numbers(rows, name) for name in AUDIT_SUMS}
    columns["minute"] = np.full(len(rows), float(minute))
    return Entries(texts([row["kol_id"] for row in rows]), columns)


def _rater_entries(rows: Rows) -> Entries:
    return Entries(
        texts([row["user_hash"] for row in rows]),
        {
            "agreement": _numbers(rows, "agreement"),
            "bought": np.array([row["bought"] for row in rows], np.int8),
        },
    )


def _trust_entries(found: Mapping[str, TrustPrior]) -> Entries:
    parts = zip(TRUST_PARTS, (field.name for field in fields(TrustPrior)), strict=True)
    columns: dict[str, Column] = {
        f"{part}_{d}": np.array([getattr(prior, name)[place] for prior in found.values()])
        for part, name in parts
        for place, d in enumerate(DIMENSIONS)
    }
    return Entries(texts(list(found)), columns)


def _evidence(cells: Rows, audits: Rows, profiles: Rows) -> Evidence:
    """What cells and audits say of KOLs, by those who have any."""
    kols = sorted({row["kol_id"] for row in (*cells, *audits)})
    place = {kol: number for number, kol in enumerate(kols)}
    good, bad, square = np.zeros((3, len(kols), len(DIMENSIONS)))
    for sums, (word, lately) in zip((good, bad, square), _WORDS.items(), strict=True):
        for number, d in enumerate(DIMENSIONS):
            sums[[place[row["kol_id"]] for row in cells], number] += _numbers(cells, f"{word}_{d}")
            if d in AUDITED:
                audited = _numbers(audits, f"lately_{lately}_{d}")
                sums[[place[row["kol_id"]] for row in audits], number] += audited
    group = {row["kol_id"]: group_of(row["tier"], row["vertical"]) for row in profiles}
    return Evidence(good, bad, square.sum(axis=0), [group.get(kol, "") for kol in kols])


class Day:
    """When states are due: once a day after midnight UTC, and until there are facts for them.

    A kind of which nothing is known is asked for again and again, ever more rarely.
    """

    def __init__(self) -> None:
        self._asked_at = -DAY_MS
        self._wait_ms = FIRST_WAIT_MS

    def due(self, sealed_at: Mapping[str, int], now_ms: int, *, anyway: bool = False) -> list[str]:
        """The kinds that are to be said now.

        Args:
            sealed_at: when the newest number of each kind was sealed, milliseconds.
            now_ms: milliseconds since the epoch.
            anyway: all of them.

        """
        begun = now_ms // DAY_MS * DAY_MS
        missing = [kind for kind in DAILY if anyway or sealed_at.get(kind, 0) < begun]
        if self._asked_at < begun:
            self._wait_ms = 0
        is_early = bool(sealed_at) and now_ms - begun < AFTER_MIDNIGHT_MS
        if not anyway and (is_early or now_ms - self._asked_at < self._wait_ms):
            return []
        return missing

    def asked(self, now_ms: int) -> None:
        """Note that they were asked for."""
        self._asked_at = now_ms
        self._wait_ms = min(max(2 * self._wait_ms, FIRST_WAIT_MS), LONGEST_WAIT_MS)
