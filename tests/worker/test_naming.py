"""One worker of a name at a time: the one that joined last stays, the other stays away."""

import os
from pathlib import Path

import pytest

from streams.clients.kafka_admin import BrokerError, Member
from streams.errors import NAME_IN_USE
from streams.snapshots import FencedError
from streams.transport import FencedMemberError
from streams.worker.naming import NameInUseError, WorkerName

OTHER = Member("w1-of-another", "10.0.0.7")


class Group:
    """A consumer group, and a home for each machine."""

    def __init__(self, folder: Path) -> None:
        self.member: Member | None = None
        self.is_away = False
        self._folder = folder

    def find_member(self) -> Member | None:
        if self.is_away:
            raise BrokerError("no Kafka")
        return self.member

    def name(self, group: str = "kol") -> WorkerName:
        """What a process that starts in the home makes of its name."""
        return WorkerName("w1", group, self._folder, self.find_member)

    def start_and_kill(self) -> None:
        """A process from its start to its end."""
        name = self.name()
        try:
            name.acquire()
        finally:
            assert name._lock is not None
            os.close(name._lock)


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


def test_one_that_was_killed_comes_back_at_once_while_the_group_still_lists_it(
    group: Group,
) -> None:
    group.member = Member("w1-killed", "127.0.0.1")

    group.name().acquire()


def test_a_second_one_in_the_same_home_does_not_start(group: Group) -> None:
    first = group.name()
    first.acquire()

    with pytest.raises(NameInUseError, match="w1 runs in this home already; give each"):
        group.name().acquire()


def test_a_worker_of_another_app_may_have_the_same_name(group: Group) -> None:
    group.name().acquire()

    group.name("kol-second").acquire()


def test_one_that_was_fenced_names_the_other_and_stays_away_until_that_one_is_gone(
    group: Group,
) -> None:
    group.member = OTHER
    ended = group.name().explained(FencedError("somebody else owns"), "w1-of-this-one")

    assert isinstance(ended, NameInUseError)
    assert str(ended) == (
        "another worker named w1 has joined from 10.0.0.7; give each worker its own "
        "KOL_WORKER__NAME"
    )
    assert ended.exit_code == NAME_IN_USE
    with pytest.raises(NameInUseError, match=r"w1 is in the group, from 10\.0\.0\.7"):
        group.start_and_kill()
    group.member = None
    group.start_and_kill()
    group.member = Member("w1-of-this-one", "127.0.0.1")
    group.start_and_kill()


@pytest.mark.parametrize("member", [None, Member("w1-of-this-one", "127.0.0.1")])
def test_one_whose_partition_went_to_a_worker_of_another_name_says_only_that(
    group: Group, member: Member | None
) -> None:
    group.member = member
    reason = FencedError("somebody else owns this partition now")

    assert group.name().explained(reason, "w1-of-this-one") is reason


def test_one_that_the_group_fenced_says_so_although_no_broker_answers(group: Group) -> None:
    group.is_away = True

    ended = group.name().explained(FencedMemberError(), None)

    assert str(ended).startswith("another worker named w1 has joined; ")


def test_what_else_ends_a_worker_is_not_blamed_on_its_name(group: Group) -> None:
    group.member = OTHER
    reason = RuntimeError("a fault")

    assert group.name().explained(reason, "w1-of-this-one") is reason
