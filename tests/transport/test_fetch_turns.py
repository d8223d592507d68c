"""What one turn of the fetch thread reads; the client is a stand-in."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from faust.types import TP

from streams.transport import Wiring
from streams.transport.alignment import Alignment, Catchup
from streams.transport.fetch_thread import PIECES, BatchThread, Fetch
from streams.transport.records import Piece
from tests.transport.recording import INPUTS

CONSENTS = "kol-consents"
CLICKS, ORDERS, FIRST = TP("clickstream", 0), TP("purchases", 0), TP(CONSENTS, 0)


class Thread(BatchThread):
    """Reads one record a piece of whatever has come."""

    def __init__(self, **ends: int) -> None:
        """So many records of each topic; a broker has said so."""
        hooks: Any = None
        self._wiring = Wiring(INPUTS, (CONSENTS,), hooks, 7_200_000, first=frozenset({CONSENTS}))
        self._alignment, self._catchup = Alignment(7_200_000), Catchup()
        self._expected, self._newest = {}, {}
        self.states = {
            TP(topic.replace("_", "-"), partition): SimpleNamespace(
                position=0, highwater=end, lso=end, has_valid_position=True
            )
            for topic, end in ends.items()
            for partition in range(2)
        }
        self.come = set(self.states)

    def turn(self, *paused: TP) -> list[TP]:
        """What is read, in order."""
        assignment = SimpleNamespace(tps=set(self.states), state_value=self._state)
        subscription = SimpleNamespace(assignment=assignment)
        fetcher: Any = SimpleNamespace(_subscriptions=SimpleNamespace(subscription=subscription))
        fetch = Fetch(1)
        reading = self._read_oldest_first(fetch, fetcher, set(self.states) - set(paused), None)
        try:
            cast("Any", reading).send(None)
        except StopIteration:
            return [tp for tp, _ in fetch.pieces]
        raise AssertionError

    def _state(self, tp: Any) -> Any:  # noqa: ANN401  # as the client's
        return self.states.get(TP(*tp))

    def _open_arrived(self, *_: Any) -> None:  # noqa: ANN401  # nothing comes meanwhile
        self._open = {
            tp: cast("Any", (None, SimpleNamespace(head=state.position)))
            for tp, state in self.states.items()
            if tp in self.come and state.position < state.highwater
        }

    def _read_piece(self, fetch: Fetch, _: Any, tp: TP) -> None:  # noqa: ANN401  # as above
        at = self.states[tp].position
        self.states[tp].position += 1
        piece = Piece([b""], np.array([at]), np.array([at]), at, at + 1, None)
        fetch.pieces.append((tp, piece))
        self._open_arrived()


def test_inputs_stay_unread_while_consents_of_their_partition_have_more() -> None:
    thread = Thread(clickstream=5, purchases=5, kol_consents=3)
    thread.states[TP(CONSENTS, 1)].position = 3
    read = [tp for tp in thread.turn() if tp.partition == 0]
    other = Thread(clickstream=5, purchases=5, kol_consents=3)
    other.come.discard(FIRST)

    assert read[:3] == [FIRST] * 3
    assert {tp.partition for tp in other.turn()} == {1}


def test_inputs_are_read_where_nobody_has_said_yet_where_consents_end() -> None:
    thread = Thread(clickstream=5, kol_consents=3)
    for tp in (FIRST, TP(CONSENTS, 1)):
        thread.states[tp].highwater = thread.states[tp].lso = None
    thread.come = {CLICKS}

    assert thread.turn() == [CLICKS] * 5


def test_while_an_agent_has_enough_a_turn_reads_one_piece_of_each() -> None:
    thread = Thread(clickstream=50, purchases=50, kol_consents=0)
    some, others = thread.turn(), thread.turn(ORDERS)

    assert len(some) == PIECES
    assert sorted(others) == [CLICKS, TP("clickstream", 1)]
