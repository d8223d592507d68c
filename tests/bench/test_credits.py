"""The figures of credits by model are measured by a command, which runs here once, small."""

import json

import pytest

from tests.bench.credits import CENTS, main

pytestmark = pytest.mark.integration


def test_each_view_is_read_by_one_model_by_two_and_by_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--orders", "1000", "--kols", "20", "--turns", "1"])

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["view"], one["models"]) for one in found] == [
        (view, count) for view in CENTS for count in (1, 2, 6)
    ]
    for one in found:
        assert one["rows"] >= 20
        assert one["seconds_before"] > 0
        assert one["seconds_now"] > 0
