"""A world that goes through Kafka says what it says through the core alone."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest

from schemas.cells import NAMES
from tests.integration.conftest import Product
from tests.worlds.causal import SHORT, Causal
from tests.worlds.core import Passage, standing

pytestmark = [pytest.mark.integration, pytest.mark.stack]

PARTITIONS = 4
FIELDS = ", ".join(NAMES)


def test_a_world_says_the_same_with_kafka_and_without(
    start: Callable[..., Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOL_WORKER__QUIET_SECONDS", "3600")  # the log alone says what is late
    world = Causal(SHORT.varied(users=1_000))
    passage = Passage(world, PARTITIONS)
    rows = list(chain.from_iterable(passage.rows()))
    cells = standing(rows, "minute_cell", ("kol_id", "minute", "source_partition"))
    fields = np.stack([np.asarray(cells[name]) for name in NAMES], axis=1)
    names, minutes = np.asarray(cells["kol_id"]), np.asarray(cells["minute"]).tolist()
    product = start()

    product.send(
        [
            json.dumps({"topic": topic, "key": key.decode(), "raw": value.decode()})
            for topic, key, value in world.messages()
        ]
    )

    doors = product.sql(
        "SELECT door, sum(n) AS n FROM v_door WHERE kind != 'counter' GROUP BY door"
    )
    asked = f"SELECT kol_id, toUnixTimestamp(minute) AS at, {FIELDS} FROM v_minute"  # noqa: S608  # names of ours
    left: Counter[str] = Counter()
    for one in doors:
        left[one["door"]] += one["n"]
    assert +left == passage.doors()
    said: Counter[tuple[str, int, int]] = Counter()
    for kol, minute, values in zip(names, minutes, fields.tolist(), strict=True):
        for place, value in enumerate(values):
            said[kol, minute, place] += value
    stands = Counter(
        {
            (one["kol_id"], one["at"], place): one[name]
            for one in product.sql(asked)
            for place, name in enumerate(NAMES)
        }
    )
    assert {at: n for at, n in stands.items() if n} == {at: n for at, n in said.items() if n}
