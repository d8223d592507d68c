"""A member that lost its place joins again only if nobody else has its name."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.transport import membership
from streams.transport.membership import FENCED_INSTANCE_ID, FencedMemberError, Membership


class Coordinator:
    """What of aiokafka's coordinator is watched; each join gets the next member id."""

    def __init__(self) -> None:
        self.member_id = ""
        self.joins = 0
        self.answer = 0
        self.pushed: list[BaseException] = []
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ensure_active_group(self) -> str:
        self.joins += 1
        answer = await self._send_req("join")
        if answer.error_code:
            raise KafkaError(str(answer.error_code))
        self.member_id = f"member-{self.joins}"
        return "assignment"

    async def _send_req(self, _: object) -> Any:  # noqa: ANN401  # a response
        return SimpleNamespace(error_code=self.answer)

    def _push_error_to_user(self, error: BaseException) -> None:
        self.pushed.append(error)


class Scene:
    """A member of a group that joined once."""

    def __init__(self) -> None:
        self.coordinator = Coordinator()
        self.holders: list[str | Exception | None] = []  # what the brokers say, in turn
        self.reported: list[BaseException] = []
        self.member = Membership(self.coordinator, self.find_holder, self.reported.append)

    def find_holder(self) -> str | None:
        found = self.holders.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def lose(self) -> None:
        """The brokers do not know this member any more."""
        self.coordinator.member_id = ""


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.coordinator.ensure_active_group()
    return made


async def test_one_whose_session_expired_joins_again(scene: Scene) -> None:
    scene.lose()
    scene.holders = [None]

    assert await scene.coordinator.ensure_active_group() == "assignment"
    assert scene.member.member_id == "member-2"


async def test_one_that_was_replaced_does_not_join(scene: Scene) -> None:
    scene.lose()
    scene.holders = ["member-of-another"]

    with pytest.raises(FencedMemberError):
        await scene.coordinator.ensure_active_group()
    assert scene.coordinator.joins == 1
    assert scene.member.member_id == "member-1"


async def test_while_no_broker_says_it_does_not_join(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "RETRY_S", 0.0)
    scene.lose()
    scene.holders = [ConnectionError("no broker"), None]

    assert await scene.coordinator.ensure_active_group() is None
    assert scene.coordinator.joins == 1
    assert await scene.coordinator.ensure_active_group() == "assignment"


async def test_a_join_whose_answer_was_lost_is_not_taken_for_somebody_else(scene: Scene) -> None:
    """The group then has a member of this name that this process does not know it is."""
    scene.lose()
    scene.holders = [None]
    scene.coordinator.answer = 7
    with pytest.raises(KafkaError, match="7"):
        await scene.coordinator.ensure_active_group()
    scene.coordinator.answer = 0

    assert await scene.coordinator.ensure_active_group() == "assignment"


async def test_one_that_is_replaced_while_it_joins_knows_it(scene: Scene) -> None:
    scene.coordinator.answer = FENCED_INSTANCE_ID

    with pytest.raises(FencedMemberError):
        await scene.coordinator.ensure_active_group()


async def test_what_the_coordinator_cannot_mend_is_reported_although_nobody_fetches(
    scene: Scene,
) -> None:
    error = GroupAuthorizationFailedError("kol")
    scene.coordinator._push_error_to_user(error)

    assert scene.reported == scene.coordinator.pushed == [error]
