"""A state of format 2 goes on in today's: `snapshots/user-2.npz` was written by that version."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.core.user.formats import CONVERSIONS, conversions, with_consents
from streams.core.user.memory import UserMemory
from tests.builders import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NAMES,
    NOON,
    click,
    copied,
    interaction,
    paid,
    refund,
)
from tests.core.user.snapshots.messages import AFTER, BEFORE
from tests.core.user.test_memory import Reader, Row
from tests.core.user.test_observations import FINAL, passing, rows_of

ROOM = Path(__file__).parent
LAYOUT = (ROOM.parent / "layouts" / "user-2.txt").read_text("utf-8").splitlines()


def of_format_2() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(ROOM / "snapshots" / "user-2.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("unknown", [("forgotten",), ("forgotten", "admission")])
def test_a_state_of_format_1_becomes_one_of_format_2(unknown: tuple[str, ...]) -> None:
    """Its younger snapshots have `admission`; the last two counters came with format 2."""
    wanted = of_format_2()
    arrays = {name: array for name, array in wanted.items() if not name.startswith(unknown)}
    for name in ("reached", "orders.order.received", "orders.moved.user_hash"):
        del arrays[name]
    arrays["offsets"] = arrays["offsets"][:3]
    for name in ("tally.total", "tally.told"):
        arrays[name] = arrays[name][:-2]
    found = CONVERSIONS[0](arrays)

    assert {n: a.dtype for n, a in found.items()} == {n: a.dtype for n, a in wanted.items()}
    assert found["offsets"].tolist() == wanted["offsets"].tolist()
    assert found["tally.total"].tolist() == wanted["tally.total"].tolist()


def test_door_counts_of_format_2_get_the_names_they_had() -> None:
    series = CONVERSIONS[1](of_format_2())["tally.series"].tobytes().decode().split("\n")

    assert [f"door {one}" for one in series] == [
        line.rsplit(" ", 1)[0] for line in LAYOUT if line.startswith("door ")
    ]


def upgraded() -> Reader:
    """A memory that goes on where the older version stopped."""
    arrays: Any = of_format_2()
    for convert in conversions(NAMES)[1:]:
        arrays = convert(arrays)
    reader = Reader(slack=0)
    reader.memory = UserMemory.restored(arrays, 3, hmac_key=KEY, slack=0)
    reader.memory.life = 1
    reader.read |= reader.memory.offsets
    return reader


def standing(reader: Reader, order_id: str) -> list[Row]:
    """Its rows that are not empty."""
    rows = reader.rows("order_credit")
    return [row for row in rows if row["order_id"] == order_id and row["kols"]]


def test_the_snapshot_is_of_format_2() -> None:
    found = {f"{name} {array.dtype}" for name, array in of_format_2().items()}

    assert found == {
        line.rsplit(" (", 1)[0] for line in LAYOUT if line[:5] not in {"door ", "cell "}
    }


def test_an_upgraded_state_goes_on_as_if_all_had_been_read_by_today_s_version() -> None:
    ours, anew = upgraded(), Reader(slack=0)
    for message in BEFORE:
        anew.fold(message)
        anew.prune()
        anew.collect()
    for message in AFTER:
        for reader in (ours, anew):
            reader.fold(message)
            reader.prune()
    written = {row["order_id"]: row for row in ours.rows("order_credit") if row["kols"]}
    expected = {row["order_id"]: row for row in anew.rows("order_credit")}

    assert written == {order: expected[order] for order in written}
    assert written.keys() == {"frozen", "open", "not yet", "new"}
    assert ours.doors() == {place: n for place, n in anew.doors().items() if place in ours.doors()}


def of_format_3(reader: Reader) -> dict[str, np.ndarray[Any, Any]]:
    """What a snapshot of it held before orders were kept in full."""
    arrays = copied(reader.memory.arrays())
    arrays["allowances.left"] = np.zeros(len(arrays["allowances.at"]), np.int64)
    words = (ROOM.parent / "layouts" / "user-3.txt").read_text("utf-8").splitlines()
    names = [line.split()[0] for line in words if line[:5] not in {"door ", "cell "}]
    former = {name: arrays[name] for name in names}
    former["offsets"] = former["offsets"][:4]
    former["cells.field"] = former["cells.field"][:, : sum(line[:5] == "cell " for line in words)]
    return former


def restored_from_3(before: Reader) -> Reader:
    """A memory that goes on where one of format 3 stopped."""
    reader = Reader()
    arrays = with_consents(CONVERSIONS[2](of_format_3(before)))
    reader.memory = UserMemory.restored(arrays, 3, hmac_key=KEY)
    reader.memory.life = 1
    reader.read |= reader.memory.offsets
    return reader


def test_orders_that_something_was_given_back_of_are_stated_again_with_its_time() -> None:
    before = Reader()
    before.fold(
        paid("given", sku="s"),
        refund("given", 30, ts=NOON + HOUR, reason="late"),
        refund("given", 5, ts=NOON + 2 * HOUR, currency="USD"),
        paid("kept"),
        refund("waits", 7),
    )
    before.collect()
    reader = restored_from_3(before)
    row = reader.order("given")

    assert (row["order_id"], row["sku"], row["qty"], row["margin_cents"]) == (
        "given",
        "",
        None,
        None,
    )
    assert row["refund_at"] == [NOON + HOUR, NOON + 2 * HOUR]
    assert (row["refund_cents"], row["refunded_cents"]) == ([30, 0], 30)
    assert row["refund_reason"] == ["", ""]


def test_the_one_moment_of_a_former_touch_is_both_of_its_moments() -> None:
    reader = upgraded()
    reader.fold(*AFTER)
    (row,) = standing(reader, "open")

    assert row["touch_kol"] == ["k1", "k2", "k3", "k2"]
    assert row["touch_begin"] == row["touch_at"]
    assert {NOON - HOUR, NOON - 2 * MINUTE} <= set(row["touch_at"])


def test_orders_whose_minute_was_open_are_observed_and_no_minute_is_in_part() -> None:
    before = Reader()
    before.fold(
        click(ts=NOON - 2 * DAY),
        paid("old", ts=NOON - DAY),
        paid("open", ts=NOON, promo_flag=True),
    )
    before.collect()
    reader = restored_from_3(before)
    reader.fold(paid("same minute", ts=NOON + 1))
    passing(reader, NOON + FINAL)

    assert rows_of(reader) == [("k1", "promo", 0, 0, 2, 1)]


def test_days_under_way_are_not_weighed_and_new_ones_are() -> None:
    before = Reader()
    before.fold(interaction("save", account_age_d=30))
    before.collect()
    reader = restored_from_3(before)
    reader.fold(interaction("like", event_id="e2", account_age_d=30, ts=NOON + MINUTE))
    reader.fold(interaction("like", user_id="u2", account_age_d=30, ts=NOON + MINUTE))
    cell = reader.cell(at=NOON + MINUTE)

    assert cell["depth"] == (1_609_438 - 1_386_294) + 693_147  # ln 5 - ln 4, and ln 2
    assert (cell["credible_days"], cell["credible_depth"]) == (250_000, 173_287)
