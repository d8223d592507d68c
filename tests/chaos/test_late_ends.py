"""Requests are recognised however their bytes come; one end of a transaction is held, or late."""

import asyncio
import struct
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.late_ends import END_TXN, PRODUCE, LateEnds, Request, Requests

METADATA = 3


def request(api_key: int, name: bytes = b"shop", more: bytes = b"") -> bytes:
    """A request of some version from a client called `kol`; `more` follows its first name."""
    names = b"".join(struct.pack(">h", len(text)) + text for text in (b"kol", name))
    rest = struct.pack(">hhi", api_key, 0, 7) + names + more
    return struct.pack(">i", len(rest)) + rest


def split(requests: Requests, chunks: Iterable[bytes]) -> list[tuple[Request, bytes]]:
    """Each request that was passed, with all of its bytes."""
    found, begun = [], b""
    for chunk in chunks:
        for one, piece, is_last in requests.split(chunk):
            begun += piece
            if is_last:
                found.append((one, begun))
                begun = b""
    return found


sent = st.builds(
    request,
    st.sampled_from((PRODUCE, END_TXN, METADATA)),
    st.binary(min_size=1, max_size=40),
    st.binary(max_size=3_000),
)


@given(st.lists(sent, min_size=1, max_size=5), st.data())
def test_requests_are_found_and_passed_whole_wherever_their_bytes_are_cut(
    requests: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(requests)
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream))))})
    found = split(Requests(), (stream[a:b] for a, b in pairwise(cuts)))

    assert [raw for _, raw in found] == requests
    assert found == [pair for raw in requests for pair in split(Requests(), [raw])]


def test_a_transactional_id_is_read_where_a_request_begins_with_one() -> None:
    found = split(Requests(), [request(END_TXN, b"shop") + request(PRODUCE, b"till")])

    assert [one for one, _ in found] == [Request(END_TXN, b"shop"), Request(PRODUCE, b"till")]


SHOP, TILL = Request(END_TXN, b"shop"), Request(END_TXN, b"till")


async def test_an_end_is_held_until_the_next_transaction_writes_and_then_goes_first() -> None:
    ends = LateEnds()
    ends.hold_next(1)
    first = asyncio.create_task(ends.admit(SHOP))
    await asyncio.sleep(0)
    again = await ends.admit(SHOP)
    other = await ends.admit(TILL)
    ends.note_passed(Request(PRODUCE, b"till"))
    await asyncio.sleep(0)
    was_held = not first.done()
    ends.note_passed(Request(PRODUCE, b"shop"))
    second = asyncio.create_task(ends.admit(SHOP))
    is_late = await first
    went_first = not second.done()

    assert (again, other, was_held, is_late, went_first) == (False, False, True, True, True)
    assert not await second
    assert (ends.held, ends.late) == (1, 1)


async def test_a_hold_that_is_over_delivers_what_it_has_and_only_that() -> None:
    ends = LateEnds()
    for number in (1, 2, 3):
        ends.hold_next(number)
    held = [asyncio.create_task(ends.admit(end)) for end in (SHOP, TILL)]
    await asyncio.sleep(0)
    for number in (3, 1):
        ends.deliver(number)
    await held[0]
    unheld = await ends.admit(Request(END_TXN, b"desk"))

    assert not held[1].done()
    assert not unheld
    ends.deliver(2)
    assert await held[1]
    assert (ends.held, ends.late) == (2, 0)
