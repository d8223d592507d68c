"""How many requests at once, and what a stop waits for."""

import asyncio

import pytest

from deploy.embedded.gateway.errors import Refusal
from deploy.embedded.gateway.flight import Flight


async def test_so_many_and_no_more_are_let_in() -> None:
    flight = Flight(2)

    with (
        flight.seat(restricted=False),
        flight.seat(restricted=False),
        pytest.raises(Refusal, match="TOO_MANY"),
        flight.seat(restricted=False),
    ):
        pass

    assert flight.now == 0


async def test_the_restricted_take_half_of_the_seats() -> None:
    flight = Flight(4)

    with flight.seat(restricted=True), flight.seat(restricted=True):
        with pytest.raises(Refusal, match="TOO_MANY"), flight.seat(restricted=True):
            pass
        with flight.seat(restricted=False):
            assert flight.now == 3


async def test_an_error_leaves_its_seat() -> None:
    flight = Flight(1)

    with pytest.raises(ValueError, match="x"), flight.seat(restricted=True), flight.write():
        raise ValueError("x")

    assert (flight.now, flight.restricted, flight.writing) == (0, 0, 0)


async def test_nobody_is_let_in_once_it_lands() -> None:
    flight = Flight(1)

    assert await flight.land(reads=1.0, writes=1.0)
    with pytest.raises(Refusal, match="ABORTED"), flight.seat(restricted=False):
        pass


async def test_landing_waits_for_a_write_and_not_for_a_read() -> None:
    flight = Flight(9)
    reading, finish = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        with flight.seat(restricted=False):
            await reading.wait()

    async def write() -> None:
        with flight.seat(restricted=False), flight.write():
            await finish.wait()

    tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
    await asyncio.sleep(0)
    landing = asyncio.create_task(flight.land(reads=0.0, writes=60.0))
    await asyncio.sleep(0)
    waited = not landing.done()
    finish.set()

    assert waited
    assert await landing is False  # the read is still there
    reading.set()
    await asyncio.gather(*tasks)
