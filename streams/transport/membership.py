"""The consumer's membership in its group: faults end the worker, also a fenced name.

A name (`group.instance.id`) belongs to the member that joined with it last; Kafka fences the one
before. But heartbeats and commits of aiokafka do not carry the name, so the fenced member is
answered as one whose session has expired, and joins again: it would fence its successor in turn,
without end. So before a lost member joins again, the brokers are asked whose the name is now.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

FENCED_INSTANCE_ID: Final = 82  # as Kafka numbers its errors; aiokafka does not know it
RETRY_S: Final = 1.0  # until the brokers are asked again whose the name is

log = logging.getLogger(__name__)

FindHolder = Callable[[], str | None]  # asks for the member id of who has our name; may block


class FencedMemberError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Another consumer has joined the group under this one's name."""


class Membership:
    """Watches aiokafka's coordinator of one consumer.

    Args:
        coordinator: of a consumer that has started.
        find_holder: asks the brokers who has our name; None: it has none.
        report: called once, in the consumer's thread, with an error that ends the membership.

    """

    def __init__(
        self,
        coordinator: GroupCoordinator,
        find_holder: FindHolder | None,
        report: Callable[[BaseException], object],
    ) -> None:
        self.member_id: str | None = None  # as the brokers last called us; None: not known
        self._coordinator: Any = coordinator
        self._find_holder = find_holder
        self._report = report
        self._is_fenced = False
        self._join, coordinator.ensure_active_group = coordinator.ensure_active_group, self._rejoin
        self._send, coordinator._send_req = coordinator._send_req, self._watched_send  # noqa: SLF001  # no public way
        self._push, coordinator._push_error_to_user = (  # noqa: SLF001  # as above
            coordinator._push_error_to_user,  # noqa: SLF001  # as above
            self._report_and_push,
        )

    async def _rejoin(self, *args: Any) -> Any:  # noqa: ANN401  # aiokafka's
        """Join the group as the coordinator does, unless somebody else has our name."""
        is_lost = self.member_id is not None and not self._coordinator.member_id
        if is_lost and not await self._is_name_free():
            return None
        try:
            return await self._join(*args)
        except KafkaError as error:
            if self._is_fenced:
                raise FencedMemberError from error
            raise
        finally:
            self.member_id = self._coordinator.member_id or self.member_id

    async def _is_name_free(self) -> bool:
        """Whether nobody else has our name; False also where no broker says.

        Raises:
            FencedMemberError: somebody else has it.

        """
        try:
            holder = await asyncio.to_thread(self._find_holder) if self._find_holder else None
        except Exception as error:  # noqa: BLE001  # whatever it is: without an answer nobody joins
            log.warning("whether another worker has this one's name is not known yet: %s", error)
            await asyncio.wait([self._coordinator._closing], timeout=RETRY_S)  # noqa: SLF001  # as above
            return False
        if holder is not None and holder != self.member_id:
            raise FencedMemberError
        self.member_id = None  # what the brokers call us next may get lost on its way
        return True

    async def _watched_send(self, request: Any) -> Any:  # noqa: ANN401  # aiokafka's
        answer = await self._send(request)
        self._is_fenced |= getattr(answer, "error_code", 0) == FENCED_INSTANCE_ID
        return answer

    def _report_and_push(self, error: KafkaError) -> Any:  # noqa: ANN401  # aiokafka's
        """Report what the coordinator cannot mend: it waits until somebody asks, who may not."""
        self._report(error)
        return self._push(error)
