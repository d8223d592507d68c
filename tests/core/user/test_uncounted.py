"""Events wait to be counted, and that shows nowhere."""

import pytest

from streams.core.user import uncounted
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from tests.builders import KEY, MINUTE, NOON, click, decoded, interaction, topic_of
from tests.core.user.test_memory import Reader, read

MESSAGES = [
    click(ts=NOON),
    interaction(ts=NOON + MINUTE, account_age_d=3),
    interaction("save", ts=NOON, account_age_d=400),
    click(kol_id="k2", ts=NOON + 2 * MINUTE),
    click(user_id="u2", ts=NOON),
]


def cells_of(reader: Reader) -> list[dict[str, object]]:
    return sorted(
        ({**row, "version": 0} for row in reader.rows("minute_cell")),
        key=lambda row: (row["kol_id"], row["minute"]),
    )


def test_however_many_wait_the_rows_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = read(*MESSAGES)
    monkeypatch.setattr(uncounted, "MANY", 1)
    at_once = read(*MESSAGES)

    assert cells_of(waited) == cells_of(at_once)


def test_many_events_are_counted_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncounted, "MANY", 3)
    memory = UserMemory(0, hmac_key=KEY)
    seen = []
    for n in range(4):
        memory.fold(decoded(topic_of(click()), [click(event_id=f"e{n}")]))
        seen.append(len(memory.state.cells))

    assert seen == [0, 0, 1, 1]


def test_what_waits_is_in_a_snapshot_and_counted_before_anything_is_dropped() -> None:
    memory = UserMemory(0, hmac_key=KEY, slack=0)
    memory.fold(decoded(topic_of(click()), [click()]))
    held = len(memory.arrays()["cells.lo"])
    memory.fold(decoded(topic_of(click()), [click(event_id="e2", ts=NOON + MINUTE)]))
    memory.prune(NOON + 10 * 60 * MINUTE)  # both are final, and not yet written
    (cells,) = [rows for rows in collect_updates(memory).rows if rows.table == "minute_cell"]

    assert held == 1
    assert list(cells.columns["events"]) == [1, 1]
