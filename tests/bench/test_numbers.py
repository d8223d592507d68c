"""The figures of numbered values are measured by a command, which runs here once, small."""

import json

import pytest

from tests.bench.numbers import main


def test_every_part_of_numbered_values_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--contents", "3000", "--kols", "300", "--changed", "20", "--events", "100"]
    main([*small, "--used", "10", "--rounds", "1"])

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.pop("part") for one in found] == ["content", "kol", "changed", "events"]
    contents, kols, changed, _ = found
    for one in (contents, kols):
        assert one["memory_mb"] > one["topic_mb"] > 0
    assert 0 < changed["topic_kb"] < contents["topic_mb"] * 1e3
