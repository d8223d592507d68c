"""Before the views are swapped, a replay's roll-ups are brought up to date."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from streams.operations.replay import swap
from streams.operations.replay.prepare import replay_settings
from streams.settings import Settings
from streams.trainer import by_hand
from streams.trainer.generations import Version
from streams.trainer.report import Report
from streams.trainer.rollups import SupersededError

LIVE = Settings()
SECOND = replay_settings(LIVE, "kol-2")
SINCE = 1_790_000_000_000


class Holder:
    """The replay's own trainer, which goes above any generation that somebody begins."""

    def __init__(self) -> None:
        self.newest = 0  # generation that was begun
        self.noted = 0  # the last one with which the holder took a turn
        self.copied: list[Version] = []
        self.turns: list[Version] = []
        self.read: list[str] = []  # databases whose dimensions were read to their ends

    async def begin(self, *_: object) -> int:
        self.newest += 1
        return self.newest

    def copy_days(self, *given: Any) -> None:  # noqa: ANN401  # as the real one
        """Takes so long that the holder has a turn meanwhile."""
        self.copied.append(given[-1])
        self.newest += 1
        self.noted = self.newest

    async def read_dimensions(self, settings: Settings) -> Report:
        self.read.append(settings.clickhouse.database)
        return Report()

    def turn(self, version: Version, **_: object) -> Report:
        if version.generation < self.noted:
            raise SupersededError("later")
        self.turns.append(version)
        return Report()


def test_days_are_carried_once_also_where_the_replays_trainer_takes_turns_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holder, client = Holder(), MagicMock()
    client.raw_query.return_value = b""
    for module in (swap, by_hand):
        monkeypatch.setattr(module, "begin_by_hand", holder.begin)
        monkeypatch.setattr(module, "patient_client", lambda _: client)
    monkeypatch.setattr(swap, "copy_days", holder.copy_days)
    monkeypatch.setattr(by_hand, "RollUps", lambda *_, **__: holder)
    monkeypatch.setattr(swap, "read_dimensions", holder.read_dimensions)

    swap._roll_up(LIVE, SECOND, SINCE)

    assert holder.copied == [Version(1, 0)]
    assert holder.turns == [Version(3, 1)]
    assert holder.read == [SECOND.clickhouse.database]
