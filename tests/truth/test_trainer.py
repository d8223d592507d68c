"""The trainer's own statements, on the real engine, say what plain sums say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self

import numpy as np
import pytest

from schemas.entries import Entries, strings
from schemas.numbered import AUDIT, CONTENT, KOL, RATER, TRUST
from schemas.rows import Rows
from tests.embedded.gateway.running import Server, gateway
from tests.truth.passage import TimedSides, passed
from tests.truth.plain import PlainTrainer
from tests.truth.raw import Counted
from tests.truth.trainer import EngineTrainer, States
from tests.worlds.trust import SHORT
from tests.worlds.world import Record

pytestmark = pytest.mark.integration

CARD: Final = SHORT.varied(days=36, silent_days=9, new_days=9)
EVERY: Final = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("truth")) as running:
        yield running


class Both:
    """The trainer, and plain sums beside it: what both say each night."""

    def __init__(self, trainer: EngineTrainer) -> None:
        self.trainer, self.plain = trainer, PlainTrainer()
        self.nights: list[tuple[States, States]] = []

    def take(self, rows: Iterable[Rows]) -> None:
        some = list(rows)
        self.trainer.take(some)
        self.plain.take(some)

    def night(self, now_ms: int, told: Sequence[tuple[str, Record]]) -> States:
        found = self.trainer.night(now_ms, told), self.plain.night(now_ms, told)
        self.nights.append(found)
        return found[0]

    def again(self) -> Self:
        other = type(self)(self.trainer.again())
        other.plain = self.plain.again()
        return other


def numbers(entries: Entries, kind: str) -> dict[tuple[str, str], float]:
    """Values by id and column."""
    names = [name for name in entries.columns if isinstance(entries.columns[name], np.ndarray)]
    return {
        (one, f"{kind} {name}"): float(np.asarray(entries.columns[name])[place])
        for place, one in enumerate(strings(entries.ids))
        for name in names
    }


def test_statements_say_what_plain_sums_say(server: Server) -> None:
    both: list[Both] = []

    def trainer(core: TimedSides) -> Both:
        both.append(Both(EngineTrainer(server, core.users[0].keyed_names)))
        return both[-1]

    passed(Counted(CARD), trainer, every=EVERY)

    nights = both[0].nights
    assert len(nights) == 5
    for said, plainly in nights[2:]:
        for kind in (AUDIT, TRUST):
            mine, theirs = numbers(said[kind], kind), numbers(plainly[kind], kind)
            assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-9)
        assert len(said[KOL])
        assert len(said[CONTENT])
        assert len(said[RATER]) > CARD.users / 10
