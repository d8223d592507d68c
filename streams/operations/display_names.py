"""Display names of KOLs: what people call them, beside the ids that everything goes by."""

from collections.abc import Collection

from clickhouse_connect.driver.client import Client

from schemas.cells import ORGANIC
from streams.clients.clickhouse import query


def display_names(client: Client, kol_ids: Collection[str]) -> dict[str, str]:
    """KOL -> display name of those of these KOLs whose profile has one, as the shop sent it."""
    wanted = sorted({*kol_ids} - {ORGANIC})
    if not wanted:
        return {}
    rows = query(
        client,
        "SELECT kol_id, display_name FROM v_kol"
        " WHERE display_name != '' AND kol_id IN {kol_ids:Array(String)}",
        {"kol_ids": wanted},
    )
    return {row["kol_id"]: row["display_name"] for row in rows}
