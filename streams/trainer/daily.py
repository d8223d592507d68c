"""What the trainer says of trust once a day: audits, raters, populations, from facts as they stand.

| kind | says | from |
|---|---|---|
| audit | faded sums of evidence that no event says, by KOL | contents, notices, surveys, profiles |
| rater | how often a user said what was believed later; who has bought | events, scores, orders |
| trust | what a population says before there is evidence | cells and audits of the last weeks |

Each is a state as of one moment. Audits and raters are said first: a population names a source that
is there by then.

*Evidence of audits* counts with c = 1 and without an allowance:

| dimension | for | against |
|---|---|---|
| expertise | a credential in the profile (2, as long as it stands there) | a retraction (2) |
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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, texts
from schemas.numbered import AUDIT, AUDIT_SUMS, AUDITED, RATER, TRUST, TRUST_PARTS
from streams.clients.clickhouse import query
from streams.core.kol.decay import DAY
from streams.core.kol.population import AVERAGE, DAYS, Evidence, group_of, populations
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE, TrustPrior
from streams.core.user.evidence import EVIDENCE_OF, FOR

States = dict[str, Entries]  # by kind
Rows = Sequence[Mapping[str, Any]]

ONE: Final = 1e6  # a weight of 1 in cells
FORGOTTEN_D: Final = 364  # days after which nothing is left of a word
RATED_D: Final = 60  # days of words that raters are judged by
JUDGED_AFTER_D: Final = 7  # days after a word
BOUGHT_D: Final = 365  # days in which a buyer has bought
LEAST_N: Final = 5.0  # judgements behind what is believed

SAID: Final = """
    WITH
        appealed AS (SELECT kol_id, ref FROM {of}v_notice WHERE kind = 'appeal_upheld'),
        own AS (
            SELECT kol_id, published_at,
                (published_at, content_id) = min((published_at, content_id)) OVER (
                    PARTITION BY sipHash128(replaceRegexpAll(lowerUTF8(text), '\\\\s+', ''))
                ) AS is_own
            FROM {of}v_content WHERE kol_id != '' AND text != '' AND published_at <= {{now:DateTime64(3)}}
        )
    SELECT kol_id, 'E' AS d, {{now:DateTime64(3)}} AS at, 2. AS good, 0. AS bad, 4. AS square
    FROM {of}v_kol WHERE notEmpty(credentials)
    UNION ALL
    SELECT kol_id, if(kind = 'retraction', 'E', 'I'), noticed_at, 0., 2., 4.
    FROM {of}v_notice
    WHERE kind IN ('retraction', 'violation') AND (kol_id, ref) NOT IN appealed
    UNION ALL
    SELECT kol_id, 'A', answered_at, authenticity - 1, 5 - authenticity, 4.
    FROM {of}v_perception WHERE isNotNull(authenticity)
    UNION ALL
    SELECT kol_id, 'A', published_at, toFloat64(is_own), toFloat64(NOT is_own), 1. FROM own
    UNION ALL
    SELECT kol_id, 'I', published_at, toFloat64(disclosed), toFloat64(NOT disclosed), 1.
    FROM {of}v_content WHERE kol_id != '' AND sponsored AND isNotNull(disclosed)
"""
AUDITS: Final = """
    SELECT kol_id, {sums}
    FROM (
        SELECT *, dateDiff('millisecond', at, {{now:DateTime64(3)}}) / 60000 AS age
        FROM ({said})
        WHERE at <= {{now:DateTime64(3)}} AND at > {{now:DateTime64(3)}} - INTERVAL {forgotten} DAY
    )
    GROUP BY kol_id
    ORDER BY kol_id
"""
CELLS: Final = """
    SELECT kol_id, {sums}
    FROM {of}v_cell_1d
    WHERE day > toDate({{now:DateTime64(3)}}) - {most} AND NOT startsWith(kol_id, '~')
    GROUP BY kol_id
    HAVING greatest({words}) > 0
    ORDER BY kol_id
"""
PROFILES: Final = "SELECT kol_id, tier, vertical FROM {of}v_kol WHERE tier != '' AND vertical != ''"
RATERS: Final = """
    WITH
        words AS (
            SELECT user_hash, kol_id, transform(kind, {{kinds:Array(String)}}, {{sides:Array(UInt8)}}, 0) AS side,
                min(moment) AS at
            FROM {of}event
            WHERE moment > {{now:DateTime64(3)}} - INTERVAL {rated} DAY AND moment <= {{now:DateTime64(3)}}
                AND kind IN {{kinds:Array(String)}} AND kol_id != '' AND user_hash != ''
            GROUP BY user_hash, kol_id, side
        ),
        believed AS (
            SELECT kol_id, toDate(minute) AS day, {believed}
            FROM {of}kol_score
            WHERE minute > {{now:DateTime64(3)}} - INTERVAL {rated} DAY AND minute <= {{now:DateTime64(3)}}
                AND toUnixTimestamp(minute) % 86400 = 0
            GROUP BY kol_id, day
        ),
        judged AS (
            SELECT user_hash, intDiv(side, 2) AS d,
                n[d + 1] >= {least} AS counts, (trust[d + 1] >= {average}) = (side % 2 = {for_}) AS agrees
            FROM words INNER JOIN believed
            ON words.kol_id = believed.kol_id AND toDate(words.at) + {after} = believed.day
        ),
        raters AS (
            SELECT user_hash, countIf(counts AND agrees) AS agreed, countIf(counts AND NOT agrees) AS others
            FROM judged GROUP BY user_hash
        )
    SELECT user_hash, (1 + agreed) / (2 + agreed + others) AS agreement,
        user_hash IN (
            SELECT user_hash FROM {of}order_credit FINAL
            WHERE ordered_at > {{now:DateTime64(3)}} - INTERVAL {bought} DAY
                AND ordered_at <= {{now:DateTime64(3)}} AND notEmpty(kols) AND refunded_cents < paid_cents
                AND user_hash IN (SELECT user_hash FROM words)
        ) AS bought
    FROM (SELECT DISTINCT user_hash FROM words) AS some LEFT JOIN raters USING user_hash
    WHERE bought OR agreed + others > 0
    ORDER BY user_hash
"""  # noqa: S608  # names of ours


def daily_states(
    client: Client, database: str, now_ms: int, before: Callable[[], None] = lambda: None
) -> States:
    """What is known at a moment, by kind, in the order in which it is to be said.

    Nothing is said of a kind of which nothing is known.

    Args:
        client: of an account that reads facts.
        database: of facts and dimensions.
        now_ms: milliseconds since the epoch.
        before: each statement; raises where the turn is to end.

    Raises:
        ReadingError: ClickHouse refuses.

    """
    of, now = f"{database}.", {"now": now_ms / 1000}

    def asked(sql: str, **given: Any) -> Rows:  # noqa: ANN401  # what ClickHouse takes
        before()
        return query(client, sql, {**now, **given})

    audits = asked(_audits_sql(of))
    raters = asked(_raters_sql(of), kinds=_KINDS, sides=_SIDES)
    cells = asked(_cells_sql(of))
    profiles = asked(PROFILES.format(of=of))
    found = {
        AUDIT: _audit_entries(audits, now_ms // 60_000),
        RATER: _rater_entries(raters),
        TRUST: _trust_entries(populations(_evidence(cells, audits, profiles))),
    }
    return {kind: entries for kind, entries in found.items() if len(entries)}


_KINDS: Final = [kind.label for kind in EVIDENCE_OF]
_SIDES: Final = [2 * DIMENSIONS.index(d) + sign for d, sign in EVIDENCE_OF.values()]
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"for": "good", "against": "bad", "square": "square"}
)


def _audits_sql(of: str) -> str:
    """Faded sums by KOL, and those of the days that populations are of."""
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
    said = SAID.format(of=of).replace("{{", "{").replace("}}", "}")
    return AUDITS.format(sums=", ".join(sums), said=said, forgotten=FORGOTTEN_D)


def _split(name: str) -> tuple[str, str, str]:
    """Line, word and dimension of a sum.

    >>> _split("fast_for_A"), _split("square_E")
    (('fast_', 'for', 'A'), ('', 'square', 'E'))
    """
    line = "fast_" if name.startswith("fast_") else ""
    word, d = name.removeprefix(line).split("_")
    return line, word, d


def _cells_sql(of: str) -> str:
    """What cells say of KOLs on the days that populations are of."""
    sums = [
        f"sumIf({word}_{d}, day > toDate({{now:DateTime64(3)}}) - {DAYS[d]}) AS {word}_{d}"
        for word in _WORDS
        for d in DIMENSIONS
    ]
    words = ", ".join(f"square_{d}" for d in DIMENSIONS)
    text = CELLS.format(of=of, sums="{sums}", most=max(DAYS.values()), words=words)
    return text.replace("{sums}", ", ".join(sums))


def _raters_sql(of: str) -> str:
    believed = ", ".join(
        "[" + ", ".join(f"argMax({name}_{d}, version)" for d in DIMENSIONS) + f"] AS {name}"
        for name in ("trust", "n")
    )
    return RATERS.format(
        of=of,
        believed=believed,
        rated=RATED_D,
        least=LEAST_N,
        average=AVERAGE,
        for_=FOR,
        after=JUDGED_AFTER_D + 1,
        bought=BOUGHT_D,
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
    for rows, prefix, words in ((cells, "", tuple(_WORDS)), (audits, "lately_", tuple(_WORDS.values()))):
        at = [place[row["kol_id"]] for row in rows]
        for number, d in enumerate(DIMENSIONS):
            if prefix and d not in AUDITED:
                continue
            for sums, word in zip((good, bad, square), words, strict=True):
                sums[at, number] += _numbers(rows, f"{prefix}{word}_{d}")
    group = {row["kol_id"]: group_of(row["tier"], row["vertical"]) for row in profiles}
    return Evidence(good, bad, square.sum(axis=0), [group.get(kol, "") for kol in kols])


