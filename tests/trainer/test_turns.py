"""What turns of one process share; the turns themselves run in `tests/integration/`."""

from typing import Any, cast

import pytest

from streams.settings import Settings
from streams.trainer import turns
from streams.trainer.report import Report
from streams.trainer.turns import DIMENSIONS, NIGHTLY, TURNS, Work


class Taken:
    """A turn that does nothing."""

    def turn(self, *_: object, **__: object) -> Report:
        return Report()


def test_the_night_does_not_read_again_what_turns_of_the_dimensions_have_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers: list[object] = []

    def begun(*given: object) -> Taken:
        readers.append(given[3])
        return Taken()

    monkeypatch.setattr(turns, "Dimensions", begun)
    monkeypatch.setattr(turns, "Night", begun)
    work = Work(cast("Any", None), lambda: None, Settings(), 1, 1, 0, settles=False)
    for kind in (DIMENSIONS, NIGHTLY, NIGHTLY):
        TURNS[kind].take(work)

    assert len(readers) == 3
    assert len(set(readers)) == 1
