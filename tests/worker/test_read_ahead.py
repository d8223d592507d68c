"""A batch waits for an end of what is read beside it, asked for late enough, and no longer."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import RecordBatch
from schemas.events import CLICKSTREAM
from schemas.reference_types import CONSENTS
from streams.worker import read_ahead
from streams.worker.read_ahead import Beside, Progress, ReachedEnd, ReadAhead
from streams.worker.telemetry import READ_AHEAD, Telemetry
from tests.builders import NOON, SECOND, click, record_batch

LEEWAY = 4 * SECOND


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(read_ahead, "POLL_SECONDS", 0.0)
    return iter([None])


class Scene:
    """One partition of a topic that is read beside, on clocks of its own."""

    def __init__(self) -> None:
        self.now, self.clock = NOON, 0.0
        self.progress: Progress | None = Progress(5, 5, NOON)
        self.reached: ReachedEnd | None = ReachedEnd()
        self.is_wanted = True
        self.telemetry = Telemetry()
        self.ahead = ReadAhead(
            [Beside(CONSENTS, LEEWAY, lambda _: self.progress, lambda _: self.reached)],
            self.telemetry,
            lambda: self.now,
            lambda: self.clock,
        )

    async def passes(self, received_at: int) -> bool:
        """Whether a batch goes on at once."""
        self.task = asyncio.ensure_future(
            self.ahead.wait(batch(received_at), lambda: self.is_wanted)
        )
        return await self.is_done()

    async def is_done(self) -> bool:
        for _ in range(5):
            await asyncio.sleep(0)
        return self.task.done()

    def waited(self) -> float:
        found = self.telemetry.registry.get_sample_value(READ_AHEAD, {"topic": CONSENTS})
        assert found is not None
        return found


def batch(received_at: int) -> RecordBatch:
    return record_batch(CLICKSTREAM, [click()], received_at=received_at)


async def test_a_batch_of_what_arrives_now_goes_on_at_once() -> None:
    scene = Scene()

    assert await scene.passes(NOON + 100)
    assert scene.waited() == 0


@pytest.mark.parametrize(("later", "passes"), [(LEEWAY, True), (LEEWAY + 1, False)])
async def test_the_end_may_be_older_than_a_record_by_the_leeway(later: int, passes: bool) -> None:  # noqa: FBT001  # of a test
    scene = Scene()
    scene.now = NOON + later

    assert await scene.passes(NOON + later) == passes
    scene.is_wanted = False
    await scene.task


async def test_a_batch_waits_until_what_was_appended_before_it_is_folded() -> None:
    scene = Scene()
    scene.now = NOON + 60 * SECOND
    scene.progress = Progress(read=5, end=9, asked_at=scene.now)

    assert not await scene.passes(scene.now)
    scene.clock = 2.0
    scene.progress = Progress(read=8, end=9, asked_at=scene.now)
    assert not await scene.is_done()
    scene.progress = Progress(read=9, end=9, asked_at=scene.now)
    assert await scene.is_done()
    assert scene.waited() == 2.0


async def test_an_end_that_moves_on_is_reached_all_the_same() -> None:
    scene = Scene()
    scene.now = NOON + 60 * SECOND
    scene.progress = Progress(read=5, end=9, asked_at=scene.now)

    assert not await scene.passes(scene.now)
    scene.progress = Progress(read=9, end=20, asked_at=scene.now + 1)
    assert await scene.is_done()


async def test_a_record_time_far_ahead_of_our_clock_waits_for_one_more_end() -> None:
    scene = Scene()
    scene.progress = Progress(5, 5, NOON - 1)

    assert not await scene.passes(NOON + 3_600 * SECOND)
    scene.progress = Progress(5, 5, NOON)
    assert await scene.is_done()


async def test_nobody_waits_for_a_partition_that_went_elsewhere() -> None:
    scene = Scene()
    scene.reached = None

    assert await scene.passes(NOON + 60 * SECOND)


async def test_a_batch_that_is_not_wanted_any_more_waits_no_longer() -> None:
    scene = Scene()
    scene.progress = Progress(5, None, None)

    assert not await scene.passes(NOON)
    scene.is_wanted = False
    assert await scene.is_done()


async def test_a_long_wait_is_told() -> None:
    scene = Scene()
    scene.progress = Progress(5, None, None)
    await scene.passes(NOON)
    scene.clock = 4.9
    before = dict(scene.ahead.long_waits)
    scene.clock = 5.1

    assert (before, dict(scene.ahead.long_waits)) == ({}, {CONSENTS: 5.1})
    scene.is_wanted = False
    await scene.task
    assert not scene.ahead.long_waits


async def test_a_wait_that_was_cancelled_excuses_nobody() -> None:
    scene = Scene()
    scene.progress = Progress(5, None, None)
    await scene.passes(NOON)
    scene.task.cancel()
    await scene.is_done()
    scene.clock = 60.0

    assert not scene.ahead.long_waits


async def test_what_is_looked_at_each_second_is_known_when_a_batch_comes() -> None:
    scene = Scene()
    scene.ahead.refresh([0])
    scene.progress = None

    assert await scene.passes(NOON + LEEWAY)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30),
)
def test_what_is_reached_was_the_end_at_that_moment(steps: list[tuple[int, int, bool]]) -> None:
    """Records are appended and read; ends are heard of with delay, or not at all."""
    reached, ends, read = ReachedEnd(), [0], 0
    for appended, more, is_heard in steps:
        ends.append(ends[-1] + appended)
        read = min(read + more, ends[-1])
        heard_at = len(ends) - 2 if is_heard else None  # one step ago
        end = None if heard_at is None else ends[heard_at]
        reached.follow(Progress(read, end, heard_at))
        if reached.asked_at >= 0:
            assert read >= ends[reached.asked_at]
