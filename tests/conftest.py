"""Hypothesis: no deadlines on a busy machine, in CI the same examples. Processes start quickly.

With `KOL_CI=1` a skipped test fails, unless `MAY_SKIP` says why it may be skipped.
"""

import os
import sys
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import settings

MAY_SKIP: Final = {
    "tests/datasets/test_converted.py::test_every_line_of_the_real_file_has_a_fate": (
        "the file of the data set is not committed; it may lie beside the checkout"
    ),
    "tests/grafana/test_macros.py::test_every_case_of_the_source_comes_out_as_it_says": (
        "the cases are not committed; they may lie beside the checkout"
    ),
    "tests/embedded/gateway/test_asking.py::test_the_compiled_codec_reads_the_same": (
        "clickhouse-connect's compiled codec is a package of its own, which nothing here needs"
    ),
    **{
        f"tests/transport/test_raw_records.py::{name}": "where no cargo is, nothing is compiled"
        for name in (
            "test_the_checksum_is_the_published_one",
            "test_a_batch_that_is_cut_short_is_not_there",
            "test_every_fetch_of_the_process_is_read_raw",
        )
    },
}

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") or os.environ.get("KOL_CI") else "dev")

# where bytecode is not to be written, each of the hundreds of processes would compile all it
# imports anew: half of a worker's start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# brokers of tests live for seconds: Java's second compiler never pays, and takes a second of each
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI should have installed what a test needs, a skip is a failure."""
    report = yield
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if is_skip and os.environ.get("KOL_CI") and item.nodeid not in MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, and not in MAY_SKIP of tests/conftest.py: {item.nodeid}"
    return report
