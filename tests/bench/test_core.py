"""The figures of decisions are measured by a command, which runs here once, small."""

import json

import pytest

from streams.core.kernels import HOT
from tests.bench.core import main


def test_every_part_of_the_core_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--events", "8000", "--orders", "1000", "--refunds", "400", "--rounds", "1"]
    main([*small, "--batch", "50"])

    parts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decoders = ["readable", *(["compiled"] if HOT else [])]
    assert [one.pop("part") for one in parts] == [
        *(
            f"{decoder} decoder{keys}{rows}, us an event"
            for keys in ("", ", keys shuffled")
            for rows in ("", ", in full")
            for decoder in decoders
        ),
        *("steps, us an event", "steps if each batch is counted at once"),
        *("order_credit, us a row", "minute_cell, us a row"),
        *("observations", "refunds of one order"),
    ]
    assert all(parts)
