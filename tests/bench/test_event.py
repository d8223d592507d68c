"""The figures of table `event` are taken once, small, so that they never rot."""

import pytest

from tests.bench.event import figures


def test_the_worker_is_measured_with_the_table_and_without() -> None:
    (worker,) = figures(["--events", "6000", "--batch", "500", "--pairs", "1", "--rows", "0"])

    assert worker["us_with"] > 0
    assert worker["us_without"] > 0
    assert worker["us_added"].keys() == {"all", "decode", "collect", "take", "block"}


@pytest.mark.integration
def test_the_engine_is_measured_and_has_each_row_once() -> None:
    sizes = ["--events", "0", "--rows", "2000", "--at-once", "700"]

    (engine,) = figures(sizes)

    assert engine["rows"] == 2_000
    assert engine["us_a_row"] <= engine["us_a_row_merged"]
    assert engine["bytes_a_row"] > 0
