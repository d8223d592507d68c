"""KOLs that look alike: each earns on its own, and somebody should know.

KOLs are near-twins if one fold is that of both: the fold of an id or of a display name. So two
ids differ in case, width, white space, invisible characters or the form of composed letters; two
have one display name (none that is a placeholder); or one calls itself by the other's id. Only
KOLs with traffic count. They are never merged.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.cells import ORGANIC
from schemas.placeholders import DEFAULT, folded
from streams.clients.clickhouse import query
from streams.operations.doctor.findings import Finding, fine, warning

MODEL: Final = "time_decay"  # whose cents are shown
SHOWN: Final = 20  # KOLs named
ACCOUNT_DIGITS: Final = 8  # of the keyed name of an account: enough to tell two apart


@dataclass(frozen=True, slots=True)
class Kol:
    """A KOL with traffic: what the profile says, where there is one, and what was earned."""

    kol_id: str
    cents: Mapping[str, int] = field(default_factory=dict)  # by currency
    display_name: str = ""
    account: str = ""  # keyed name of the KOL's own account as a buyer

    @property
    def most_cents(self) -> int:
        """In any one currency."""
        return max(self.cents.values(), default=0)


KOLS: Final = """
    SELECT k.kol_id AS kol_id, k.currencies AS currencies, k.cents AS cents,
           p.display_name AS display_name, p.user_hash AS account
    FROM (
        SELECT kol_id, groupArrayIf(currency, is_order) AS currencies,
               groupArrayIf(credited, is_order) AS cents
        FROM (
            SELECT kol_id, currency, sum(credit_cents) AS credited, true AS is_order
            FROM v_order_credit WHERE model = {model:String} GROUP BY kol_id, currency
            UNION ALL
            SELECT DISTINCT kol_id, '' AS currency, 0 AS credited, false AS is_order
            FROM v_cell_1d WHERE NOT startsWith(kol_id, '~')
        ) GROUP BY kol_id
    ) AS k
    LEFT JOIN v_kol AS p ON p.kol_id = k.kol_id
"""


def kols_with_traffic(client: Client) -> list[Kol]:
    """Those who earned, and those of whom a day counts anything."""
    return [
        Kol(
            row["kol_id"],
            dict(zip(row["currencies"], map(int, row["cents"]), strict=True)),
            row["display_name"],
            row["account"],
        )
        for row in query(client, KOLS, {"model": MODEL})
    ]


def near_twins(kols: Iterable[Kol]) -> list[list[Kol]]:
    """The groups of KOLs with one fold, those with most cents in one currency first.

    >>> kols = [Kol("K1", {"CNY": 5}), Kol("k2"), Kol("k1 ", {"CNY": 9}), Kol("x", {}, "K2")]
    >>> [[one.kol_id for one in group] for group in near_twins(kols)]
    [['k1 ', 'K1'], ['k2', 'x']]
    """
    by_fold: defaultdict[str, list[Kol]] = defaultdict(list)
    for one in sorted(kols, key=lambda one: (-one.most_cents, one.kol_id)):
        if one.kol_id != ORGANIC:
            name = "" if one.display_name in DEFAULT else folded(one.display_name)
            for fold in dict.fromkeys([folded(one.kol_id), name or folded(one.kol_id)]):
                by_fold[fold].append(one)
    groups = [group for group in by_fold.values() if len(group) > 1]
    return sorted(groups, key=lambda group: (-group[0].most_cents, group[0].kol_id))


def finding(groups: Sequence[Sequence[Kol]]) -> Finding:
    """Whether KOLs look alike: which, and what each earned in each currency."""
    kols = list({one.kol_id: one for group in groups for one in group}.values())
    if not kols:
        return fine("KOL ids", "no two look alike")
    shown = "; ".join(map(_described, kols[:SHOWN]))
    more = f"; and {len(kols) - SHOWN:,} more" if len(kols) > SHOWN else ""
    what = f"{len(kols):,} look like another one and earn apart ({MODEL}): {shown}{more}"
    mend = (
        "KOLs are never merged: let producers send one spelling of each, find out who is behind "
        "two of one name, and settle by hand what the others earned"
    )
    return warning("KOL ids", what, mend)


def _described(one: Kol) -> str:
    """A KOL with display name, account and money.

    >>> _described(Kol("k1", {"CNY": 1_000}, "小夏", "0123456789abcdef"))
    "'k1' ('小夏', account 01234567) 1,000 cents CNY"
    """
    about = [_visible(one.display_name)] if one.display_name else []
    about += [f"account {one.account[:ACCOUNT_DIGITS]}"] if one.account else []
    known = f" ({', '.join(about)})" if about else ""
    earned = sorted(one.cents.items(), key=lambda pair: (-pair[1], pair[0]))
    cents = ", ".join(f"{cents:,} cents {currency}" for currency, cents in earned)
    return f"{_visible(one.kol_id)}{known} {cents or 'nothing'}"


def _visible(text: str) -> str:
    """Text in quotes, with escapes where its look would hide how it is written."""
    return repr(text) if unicodedata.is_normalized("NFC", text) else ascii(text)
