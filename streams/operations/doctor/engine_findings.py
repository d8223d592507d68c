"""Judging ClickHouse, and what it and the workers refused."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.operations.doctor.findings import (
    WRONG_PARTITION,
    Finding,
    fault,
    fine,
    version_text,
    warning,
)
from streams.operations.replay.views import ReadReplay

LETTERS_MS: Final = 24 * 3_600_000  # dead letters
OLDEST_CLICKHOUSE: Final = (25, 8)


def engine(where: str, version: str) -> Finding:
    """Whether ClickHouse is new enough.

    >>> engine("ch:8123", "26.9.1").severity.value, engine("ch:8123", "25.3.2.39").severity.value
    ('fine', 'fault')
    """
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST_CLICKHOUSE:
        what = f"ClickHouse {version} at {where} is older than {version_text(OLDEST_CLICKHOUSE)}"
        return fault("engine", what, "upgrade it; workers wait meanwhile and lose nothing")
    return fine("engine", f"{where} answers, {version}")


def writer(account: str, wrong: str) -> Finding:
    """Whether the account of the workers can insert.

    Args:
        account: its name.
        wrong: why an insert that writes nothing was refused; empty if it was not.

    """
    if not wrong:
        return fine("writer", f"{account} inserts into every table, with the settings it needs")
    return fault("writer", wrong, "until it is mended workers stop; nothing is lost meanwhile")


def views(replay: ReadReplay) -> Finding:
    """Whether workers write the tables of the replay that the views read."""
    if replay.fault is None:
        return fine("views", f"they read {replay.database}, which {replay.app} writes")
    what = "a trainer" if replay.workers else "workers"
    mend = f"start {what} of {replay.app}, or `kol replay back {replay.app}`"
    return fault("views", replay.fault, mend)


DIFFERENCES: Final = {  # counters of what changes no amount but may be a mistake of a producer
    "duplicate_differs": "re-used event ids that say something else",
    "paid_differs": "further `paid` with another amount",
    "paid_after_cancel": "`paid` after a cancel",
    "refund_outside": "refunds outside the window of their order",
    "refund_foreign": "refunds in another currency",
    "touch_after_order": "touches just after an order",
}


def differences(counts: Mapping[str, int]) -> Finding:
    """What was counted since the beginning and changed no amount, by counter.

    >>> differences({"paid_differs": 2, "touch_limit": 7}).what
    '2 further `paid` with another amount: not counted (deploy/what-counts.md)'
    """
    told = [f"{counts[name]:,} {text}" for name, text in DIFFERENCES.items() if counts.get(name)]
    if not told:
        return fine("differences", "no event contradicts another")
    return fine("differences", f"{', '.join(told)}: not counted (deploy/what-counts.md)")


def letters(groups: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Findings about the new dead letters of the last day.

    Args:
        groups: `reason`, `target`, `letters` of each.

    """
    reasons: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for group in groups:
        of = reasons if group["target"] == "input" else rows
        of[group["reason"] if group["target"] == "input" else group["target"]] += group["letters"]
    found = []
    if rows:
        what = f"the database refused rows: {_counts_text(rows)}"
        mend = "`kol dlq show` has them and the reason; numbers of these tables are incomplete"
        found.append(fault("dead letters", what, mend))
    if reasons[WRONG_PARTITION]:
        found.append(
            fault(
                "partitioners",
                f"{reasons[WRONG_PARTITION]:,} messages of the last day were in a wrong partition",
                "mixed partitioners: all producers need murmur2 of user_id; then "
                f"`kol dlq retry --reason {WRONG_PARTITION}`",
            )
        )
    if reasons:
        what = f"in the last day: {_counts_text(reasons)}"
        mend = "`kol dlq list`, `kol dlq show`; once their cause is mended `kol dlq retry`"
        found.append(warning("dead letters", what, mend))
    return found or [fine("dead letters", "none in the last day")]


def _counts_text(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.most_common())
