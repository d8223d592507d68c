"""How much of what consents have ended one turn empties."""

from typing import Any, cast

import msgspec
import pytest

from streams.trainer import consents
from streams.trainer.consents import Consents, Emptied


class Events:
    """A database in which each of some users has two rows that are to be emptied."""

    def __init__(self, users: int, unfinished: int = 0) -> None:
        self.users, self.unfinished = users, unfinished
        self.mutations: list[list[str]] = []
        self.seconds = 0.0  # 25 for each mutation

    def raw_query(self, sql: str, **_: object) -> bytes:
        if "system.mutations" in sql:
            return msgspec.json.encode({"n": self.unfinished})
        rows = [{"user": f"u{at}", "begins": at, "n": 2} for at in range(self.users)]
        return b"\n".join(map(msgspec.json.encode, rows))

    def command(self, _: str, *, parameters: dict[str, Any]) -> None:
        self.mutations.append(parameters["users"])
        self.seconds += 25.0

    def empty(self) -> Emptied:
        return Consents(cast("Any", self), clock=lambda: self.seconds).empty(0)


def test_many_users_are_one_mutation() -> None:
    events = Events(consents.AT_ONCE)

    assert events.empty() == Emptied(2 * consents.AT_ONCE)
    assert [len(one) for one in events.mutations] == [consents.AT_ONCE]


def test_a_turn_ends_after_a_minute_and_says_how_many_users_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consents, "AT_ONCE", 2)
    events = Events(9)

    found = events.empty()

    assert events.mutations == [["u0", "u1"], ["u2", "u3"], ["u4", "u5"]]  # 75 s
    assert found == Emptied(12, "what consents of 3 users have ended is left in event")


def test_no_mutation_begins_while_another_one_of_the_table_is_not_done() -> None:
    events = Events(1, unfinished=1)

    found = events.empty()

    assert events.mutations == []
    assert found.rows == 0
    assert found.why_left.endswith(
        "of 1 users have ended is left in event: another mutation of it is not done"
    )


def test_without_anything_to_empty_nobody_asks_for_mutations() -> None:
    assert Events(0, unfinished=1).empty() == Emptied(0)
