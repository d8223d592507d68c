"""One worker of a name at a time: `KOL_WORKER__NAME` is its membership in the consumer group.

A worker that joins under a name replaces the one that has it: so one that was killed comes back
at once, before its session expires. It also means that a second worker of the same name ends the
first. That one says so, exits with 3, and stays away: started again, it refuses for as long as
the group has a member of its name, or the two would end each other in turn. Within one home a
second worker of the name is refused before it joins.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kafka.errors import KafkaError

from streams.clients.kafka_admin import BrokerError, Member, kafka_admin
from streams.errors import NAME_IN_USE, ExpectedError
from streams.settings import Settings
from streams.snapshots import FencedError
from streams.transport import FencedMemberError

ASK_SECONDS = 3.0  # a worker that ends waits that long for the brokers
ADVICE = "give each worker its own KOL_WORKER__NAME"


class NameInUseError(ExpectedError):
    """Another worker has this one's name; says where it is."""

    exit_code = NAME_IN_USE


def member_finder(settings: Settings) -> Callable[[], Member | None]:
    """A function that asks the brokers which member of the group has this worker's name.

    It raises `BrokerError` where they do not say.
    """

    def find() -> Member | None:
        try:
            with kafka_admin(settings.kafka, ASK_SECONDS) as broker:
                return broker.member_named(settings.app_id, settings.worker.name)
        except KafkaError as error:
            raise BrokerError(f"who has the name {settings.worker.name}: {error!r}") from error

    return find


class WorkerName:
    """The name of one worker in its folder, from `acquire` to the end of the process.

    Args:
        name: of the worker.
        group: that it joins; another app may have a worker of the same name.
        folder: of this name in this home.
        find_member: asks the brokers which member of the group has the name.

    """

    def __init__(
        self, name: str, group: str, folder: Path, find_member: Callable[[], Member | None]
    ) -> None:
        self._name = name
        self._lock_file = folder / f"{group}.lock"
        self._fenced_file = folder / f"{group}.fenced"  # a worker of this home was fenced last
        self._find_member = find_member
        self._lock: int | None = None

    def acquire(self) -> None:
        """Make sure that this process may join under the name.

        Raises:
            NameInUseError: a worker of this home has it, or one that has fenced us.

        """
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise NameInUseError(
                f"a worker named {self._name} runs in this home already; {ADVICE}"
            ) from error
        self._lock = lock  # until the process ends, however it does
        if self._fenced_file.exists():
            self._check_other_gone()

    def _check_other_gone(self) -> None:
        member = self._find_member()
        if member is not None:
            raise self._in_use(f"is in the group, from {member.host}")
        self._fenced_file.unlink()

    def explained(self, reason: BaseException, member_id: str | None) -> BaseException:
        """Why a worker ends; `NameInUseError` where another one has joined under its name.

        Args:
            reason: what ended it.
            member_id: the last one it had in the group; None: not known.

        """
        if not isinstance(reason, FencedError | FencedMemberError):
            return reason
        try:
            holder = self._find_member()
        except BrokerError:
            holder = None
        is_other = holder is not None and member_id not in {None, holder.member_id}
        if not is_other and not isinstance(reason, FencedMemberError):
            return reason
        with suppress(OSError):  # a full disk: it may come back too soon
            self._fenced_file.touch()
        return self._in_use(f"has joined from {holder.host}" if holder else "has joined")

    def _in_use(self, where: str) -> NameInUseError:
        return NameInUseError(f"another worker named {self._name} {where}; {ADVICE}")
