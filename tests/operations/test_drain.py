"""Draining waits for commits, inputs before cells, and gives up with a reason."""

from collections.abc import Iterable
from typing import Any

import pytest
from kafka.errors import CoordinatorNotAvailableError

from schemas.events import INPUTS
from schemas.topics import CELLS
from streams.clients.kafka_admin import Offsets, OpenTransaction
from streams.operations.drain import ALONE_SECONDS, NotDrainedError, Observer, behind, drain

READ = (*INPUTS, CELLS)


class Scripted:
    """Brokers whose group moves one message a question."""

    def __init__(self, *, stuck: bool = False, workers: int = 1) -> None:
        self.stuck = stuck
        self.workers = workers
        self.there = dict.fromkeys(READ, 4)
        self.ends_asked: list[tuple[str, ...]] = []
        self.read = 0
        self.refusals = 0
        self.open: list[OpenTransaction] = []

    def counts(self) -> dict[str, int]:
        return self.there

    def first_offsets(self, topics: tuple[str, ...]) -> Offsets:
        return {(topic, 0): 0 for topic in topics}

    def end_offsets(self, topics: tuple[str, ...]) -> Offsets:
        self.ends_asked.append(tuple(topics))
        return {(topic, 0): 3 for topic in topics}

    def committed(self, group: str) -> Offsets:
        assert group == "kol"
        if self.refusals:
            self.refusals -= 1
            raise CoordinatorNotAvailableError("starting")
        at, self.read = self.read, self.read + (not self.stuck)
        return {(topic, 0): at for topic in READ}

    def members(self, group: str) -> dict[str, dict[str, list[int]]]:
        assert group == "kol"
        return {f"worker-{n}": {} for n in range(self.workers)}

    def open_transactions(self, topics: Iterable[str]) -> list[OpenTransaction]:
        return [one for one in self.open if one.topic in topics]


class Waiter:
    """An observer that records what is left and the notices, and whose clock moves as it sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seen: list[int] = []
        self.notices: list[str] = []
        self.held: list[int] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def drain(self, broker: Any, seconds: float = 60.0) -> None:  # noqa: ANN401  # a stand-in
        observer = Observer(
            self.seen.append,
            self.notices.append,
            held=self.held.append,
            clock=lambda: self.now,
            now_ms=lambda: int(self.now * 1000),
            sleep=self.sleep,
        )
        drain(broker, "kol", seconds, observer)


def test_a_partition_never_committed_is_behind_by_all_it_holds() -> None:
    ends = {("purchases", 0): 4, ("purchases", 1): 0}

    assert behind(ends, {}, {("purchases", 0): 1}) == {("purchases", 0): 3}


def test_a_partition_whose_records_are_all_gone_holds_nobody_up() -> None:
    assert behind({("purchases", 0): 4}, {}, {("purchases", 0): 4}) == {}


def test_records_removed_before_they_were_read_are_not_drained() -> None:
    at = ("purchases", 0)

    assert behind({at: 4}, {at: 1}, {at: 4}) == {at: 3}


def test_inputs_are_waited_for_before_cells() -> None:
    broker, waiter = Scripted(), Waiter()

    waiter.drain(broker)

    assert broker.ends_asked == [INPUTS, (CELLS,)]
    assert waiter.seen == [9, 6, 3, 0]
    assert waiter.notices == []


def test_it_gives_up_and_says_where_it_stands() -> None:
    with pytest.raises(NotDrainedError, match=r"9 messages not safe .* `kol status`"):
        Waiter().drain(Scripted(stuck=True), 3)


def test_without_a_worker_it_says_so_after_seconds_and_waits_on() -> None:
    broker, waiter = Scripted(stuck=True, workers=0), Waiter()

    with pytest.raises(NotDrainedError, match="no worker is in the group"):
        waiter.drain(broker, 2 * ALONE_SECONDS)
    assert len(waiter.notices) == 1
    assert "no worker is in the group" in waiter.notices[0]
    assert waiter.now > 2 * ALONE_SECONDS


def test_a_worker_that_was_starting_is_waited_for() -> None:
    broker, waiter = Scripted(stuck=True, workers=0), Waiter()
    sleep = waiter.sleep

    def pass_time(seconds: float) -> None:
        sleep(seconds)
        if waiter.now > ALONE_SECONDS + 1:
            broker.stuck, broker.workers = False, 1

    waiter.sleep = pass_time  # type: ignore[method-assign]  # for this one
    waiter.drain(broker)

    assert waiter.seen[-1] == 0
    assert len(waiter.notices) == 1


def test_messages_behind_an_open_transaction_are_counted_and_its_producer_named_once() -> None:
    broker, waiter = Scripted(stuck=True), Waiter()
    others = [OpenTransaction("clickstream", 0, 2, 8, 1_000, "", 1_000)]
    broker.open = [OpenTransaction("purchases", 0, 3, 7, 0, "shop", -117_000), *others]

    with pytest.raises(NotDrainedError) as raised:
        waiter.drain(broker, 9)

    shop = "producer 7 (shop) has a transaction open"
    other = "producer 8 has a transaction open"
    assert waiter.notices == [
        f"3 messages of purchases/0 are held back for 2.0 min: {shop}; waiting on",
        f"2 messages of clickstream/0 are held back for 5 s: {other}; waiting on",
    ]
    assert waiter.held == [3, 5]  # after three seconds and after six
    assert str(raised.value) == (
        "9 messages not safe after 9 s, most on clickstream/0: "
        f"3 messages of purchases/0 are held back for 2.1 min: {shop}; "
        f"2 messages of clickstream/0 are held back for 8 s: {other}"
    )


@pytest.mark.parametrize("missing", READ)
def test_a_missing_topic_is_said_at_once(missing: str) -> None:
    broker, waiter = Scripted(), Waiter()
    del broker.there[missing]

    with pytest.raises(NotDrainedError, match=rf"no such topic: {missing}\..*`kol topics`"):
        waiter.drain(broker)
    assert waiter.now == 0.0


def test_a_broker_without_a_coordinator_yet_is_asked_again() -> None:
    broker, waiter = Scripted(), Waiter()
    broker.refusals = 3

    waiter.drain(broker)

    assert waiter.seen == [9, 6, 3, 0]


def test_a_broker_that_never_answers_is_given_up() -> None:
    broker = Scripted()
    broker.refusals = 999

    with pytest.raises(NotDrainedError, match="does not answer"):
        Waiter().drain(broker, 3)
