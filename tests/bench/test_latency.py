"""What is sent at a steady rate, and what of its latencies is shown."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.codec import decode
from schemas.events import CLICKSTREAM, PURCHASES
from schemas.keyed_names import KeyedNames
from streams.bench import latency
from streams.bench.latency import spread
from streams.bench.pouring import SAMPLE, SAMPLED, poured
from streams.bench.windows import MeasureError
from streams.settings import ClickHouse
from tests.builders import record_batch

START = 1_790_000_000_000
RATE, SECONDS = 500, 4


def test_every_hundredth_is_a_sample_of_its_scheduled_time() -> None:
    found = [json.loads(value) for _, _, value in poured(RATE, SECONDS, START)]
    samples = found[::SAMPLED]

    assert len(found) == RATE * SECONDS
    # a hundred messages at 500 a second are 200 ms
    assert [one["ts"] for one in samples] == [START + 200 * number for number in range(20)]
    assert {SAMPLE} == {one.get("kol_id", one.get("brand_id")) for one in samples}
    assert not [one for one in found if one not in samples and SAMPLE in one.values()]


def test_samples_are_clicks_and_orders_by_turns_and_all_can_be_read() -> None:
    sent = list(poured(RATE, SECONDS, START))[::SAMPLED]

    assert Counter(topic for topic, _, _ in sent) == {CLICKSTREAM: 10, PURCHASES: 10}
    for topic in (CLICKSTREAM, PURCHASES):
        values = [value for of, _, value in sent if of == topic]
        assert not decode(
            record_batch(topic, values, received_at=START), KeyedNames(b"k" * 32)
        ).rejected


def test_samples_of_another_run_are_no_copies() -> None:
    first, second = (list(poured(RATE, 1, at)) for at in (START, START + 1))

    assert not {value for _, _, value in first} & {value for _, _, value in second}


def test_percentiles_are_of_what_is_left() -> None:
    # the first fifth of a hundred is left out: 80 values from 21 to 100
    found = spread({at: float(at) for at in range(1, 101)})

    assert found["samples"] == 80
    assert (found["p50"], found["p95"], found["max"]) == (60.0, 96.0, 100.0)


def test_without_samples_a_sentence_says_so() -> None:
    with pytest.raises(MeasureError, match="no row of a sample was seen"):
        spread({})


class Engine:
    """An engine in which an old sample of each kind stands only once both kinds were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def query(self, _: str, parameters: dict[str, Any]) -> SimpleNamespace:
        since = parameters["since"]
        self.asked.append(since)
        there = [START + 60_000, *([START] if len(self.asked) > 2 else [])]
        return SimpleNamespace(result_rows=[(at,) for at in there if at > since])

    def close(self) -> None: ...


class Ended:
    """A process that has sent everything."""

    returncode = 0

    def poll(self) -> int:
        return 0


def test_a_sample_that_came_after_newer_ones_is_found_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine()
    monkeypatch.setattr(latency, "connect", lambda _: engine)
    monkeypatch.setattr(latency, "LAST_SECONDS", 0.0)
    seen = latency._watch(ClickHouse(), Ended(), START - 1, samples=10)  # type: ignore[arg-type]

    assert {name: sorted(found) for name, found in seen.items()} == {
        "events": [START, START + 60_000],
        "orders": [START, START + 60_000],
    }
    assert engine.asked[-1] == START - 1
