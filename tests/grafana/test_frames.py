"""Rows become frames as the data source makes them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.grafana.boards import SERIES, TABLE
from tests.grafana.frames import FrameError, display_names, framed

MORNING, NOON = datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 5, 12, tzinfo=UTC)
AT_EIGHT, AT_NOON = 1_767_600_000_000, 1_767_614_400_000


def test_a_table_keeps_its_columns() -> None:
    (frame,) = framed(
        ["kol", "trust", "since"],
        ["LowCardinality(String)", "Nullable(Float64)", "Date"],
        [("k1", 0.5, date(2026, 1, 5)), ("k2", None, date(2026, 1, 5))],
        form=TABLE,
    )

    assert frame["fields"] == [
        {"name": "kol", "type": "string", "values": ["k1", "k2"]},
        {"name": "trust", "type": "number", "values": [0.5, None]},
        {"name": "since", "type": "time", "values": [1_767_571_200_000] * 2},
    ]


def test_a_long_series_has_a_field_for_each_text_and_nulls_where_it_has_nothing() -> None:
    (frame,) = framed(
        ["time", "kol", "cents"],
        ["DateTime('UTC')", "String", "Int64"],
        [(MORNING, "k2", 2), (MORNING, "k1", 1), (NOON, "k1", 3)],
        form=SERIES,
        ref="B",
    )

    assert frame["refId"] == "B"
    assert frame["fields"] == [
        {"name": "time", "type": "time", "values": [AT_EIGHT, AT_NOON]},
        {"name": "cents", "type": "number", "labels": {"kol": "k1"}, "values": [1, 3]},
        {"name": "cents", "type": "number", "labels": {"kol": "k2"}, "values": [2, None]},
    ]


def test_a_series_without_texts_is_wide_already() -> None:
    (frame,) = framed(
        ["time", "low", "high"],
        ["DateTime64(3, 'UTC')", "Float64", "Decimal(9, 2)"],
        [(MORNING, float("nan"), Decimal("1.25"))],
    )

    assert frame["fields"] == [
        {"name": "time", "type": "time", "values": [AT_EIGHT]},
        {"name": "low", "type": "number", "values": [None]},
        {"name": "high", "type": "number", "values": [1.25]},
    ]


def test_a_series_without_rows_is_no_frame_and_a_table_without_rows_has_its_columns() -> None:
    assert framed(["time", "n"], ["DateTime", "UInt64"], []) == []
    (frame,) = framed(["kol"], ["String"], [], form=TABLE)
    assert frame["fields"] == [{"name": "kol", "type": "string", "values": []}]


def test_a_series_out_of_order_is_refused_as_the_data_source_refuses_it() -> None:
    with pytest.raises(FrameError, match="ORDER BY time"):
        framed(
            ["time", "kol", "n"],
            ["DateTime", "String", "UInt8"],
            [(NOON, "a", 1), (MORNING, "a", 1)],
        )


def test_a_time_that_is_missing_is_refused() -> None:
    with pytest.raises(FrameError, match="without a time"):
        framed(["time", "kol", "n"], ["Nullable(DateTime)", "String", "UInt8"], [(None, "a", 1)])


def test_truth_is_a_label_too() -> None:
    (frame,) = framed(["time", "promo", "n"], ["DateTime", "Bool", "UInt8"], [(MORNING, True, 1)])

    assert frame["fields"][1]["labels"] == {"promo": "true"}


def test_fields_are_called_as_grafana_calls_them() -> None:
    rows = [(MORNING, "k1", "live", 1)]
    types = ["DateTime", "String", "String", "Int64"]
    one = framed(["time", "kol", "Value"], [*types[:2], "Int64"], [(MORNING, "k1", 1)])
    two = framed(["time", "kol", "channel", "net"], types, rows)
    other = framed(["time", "net"], ["DateTime", "Int64"], [(MORNING, 1)], ref="B")

    assert display_names(one) == [["time", "k1"]]
    assert display_names(two) == [["time", 'net {channel="live", kol="k1"}']]
    assert display_names([*one, *other]) == [["time", "A k1"], ["time", "B net"]]
