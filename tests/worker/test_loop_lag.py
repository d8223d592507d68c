"""The longest wait for the event loop is told, and forgotten after a minute at the most."""

import pytest

from streams.worker.loop_lag import LOOK_SECONDS, SPAN_SECONDS, LoopLag
from streams.worker.telemetry import Telemetry


def told(telemetry: Telemetry) -> float:
    (family,) = [one for one in telemetry.registry.collect() if one.name == "kol_loop_lag_seconds"]
    return family.samples[0].value


async def test_it_is_the_longest_wait_beyond_the_time_between_two_looks() -> None:
    now, telemetry = [0.0], Telemetry()
    lag = LoopLag(telemetry, lambda: now[0])
    found = []
    for late in (5.0, 0.0, 0.25, 0.125):  # before the first look nobody waited
        now[0] += LOOK_SECONDS + late
        await lag.look()
        lag.export_metrics()
        found.append(told(telemetry))

    assert found == pytest.approx([0.0, 0.0, 0.25, 0.25])


async def test_a_wait_is_told_for_one_span_and_forgotten_after_two() -> None:
    now, telemetry = [0.0], Telemetry()
    lag = LoopLag(telemetry, lambda: now[0])
    looks = round(SPAN_SECONDS / LOOK_SECONDS)
    found = []
    for number in range(3 * looks):
        await lag.look()
        lag.export_metrics()
        found.append(told(telemetry) > LOOK_SECONDS)
        now[0] += LOOK_SECONDS + (1.0 if number == 0 else 0.0)

    assert not found[0]
    assert all(found[1:looks])
    assert not any(found[2 * looks :])
