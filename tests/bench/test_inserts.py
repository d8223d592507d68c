"""What an insert costs is measured once, small, so that the figures never rot."""

import pytest

from tests.bench.inserts import figures


@pytest.mark.integration
def test_an_insert_is_measured_into_each_copy_of_a_table() -> None:
    (found,) = figures(["--tables", "door_count", "--rows", "5", "--inserts", "20", "--turns", "1"])

    assert found["rows"] == 5
    assert found["ms"].keys() == {"merging", "whole", "no_codecs", "plain", "null"}
    assert all(ms > 0 for ms in found["ms"].values())
