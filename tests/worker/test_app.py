"""Which inputs a worker calls read to their end, and what inputs wait for."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import faust
import pytest

from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.reference_types import CONSENTS
from schemas.topics import SNAPSHOTS
from streams.settings import ClickHouse, Kafka, Settings
from streams.transport import Hooks, Transport
from streams.transport.positions import ReadPosition
from streams.worker import app as apps
from streams.worker.lane_table import LaneTable
from streams.worker.numbers_reader import NumbersReader
from streams.worker.user_lane import InputEnd

NOW = 1_790_000_000_000


def test_an_input_with_an_open_transaction_or_more_to_read_is_not_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = ReadPosition(position=5, end=5, idle_s=60.0, delivered=4, end_at=NOW, high_watermark=5)
    held_back = ReadPosition(
        position=5, end=5, idle_s=60.0, delivered=4, end_at=NOW, high_watermark=7
    )
    behind = ReadPosition(position=4, end=5, idle_s=60.0, delivered=4, end_at=NOW, high_watermark=5)
    stands = dict(
        zip((CLICKSTREAM, PURCHASES, INTERACTIONS), (whole, held_back, behind), strict=True)
    )
    reader = SimpleNamespace(read_position=lambda tp: stands[tp.topic])
    monkeypatch.setattr(apps, "consumer_of", lambda _: reader)

    assert stands.keys() == set(INPUTS)
    assert apps.inputs_at_end(cast("faust.App", None), Kafka(), 0) == {
        CLICKSTREAM: InputEnd(4, NOW, 60.0)
    }


@pytest.mark.parametrize(
    ("events", "beside", "first"),
    [(True, [CONSENTS, SNAPSHOTS], {CONSENTS}), (False, [SNAPSHOTS], set())],
)
def test_inputs_wait_for_consents_only_where_events_are_kept(
    tmp_path: Path,
    events: bool,  # noqa: FBT001  # of a test
    beside: list[str],
    first: set[str],
) -> None:
    settings = Settings(clickhouse=ClickHouse(events=events))
    app = apps.create_app(settings, tmp_path)
    lanes, numbers = LaneTable(1, 0.0, print), NumbersReader(settings.kafka, print)
    apps.wire_transport(app, settings, cast("Hooks", None), leaves=False)
    wiring = cast("Transport", app.transport).wiring

    assert [one.topic for one in apps.beside(app, settings, lanes, numbers)] == beside
    assert wiring is not None
    assert wiring.first == first
