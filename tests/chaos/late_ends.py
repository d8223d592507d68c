"""The end of a transaction that arrives late, which the old protocol cannot tell from the next one.

    EndTxn                        ──▶ held          no answer in time: the client closes the
    EndTxn, on a new connection   ──▶ passes        connection, sends it again and is answered
    Produce of what comes next    ──▶ passes, then what was held is delivered

KIP-890 says what a broker makes of it: the copy ends the next transaction, by half.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

PRODUCE, END_TXN = 0, 26  # API keys
ARRIVES_SECONDS: Final = 0.2  # until what is delivered has surely been handled

_HEAD = struct.Struct(">ihhih")  # bytes that follow, key, version, correlation, length of client id
_LENGTH = struct.Struct(">h")
_NAMED = 1_024  # bytes of a request within which the names at its beginning end


@dataclass(frozen=True, slots=True)
class Request:
    """A request of Kafka's protocol, as far as it matters here."""

    api_key: int
    transactional_id: bytes  # of those that begin with one; else any bytes


class Requests:
    """Cuts the bytes of one connection where its requests begin."""

    def __init__(self) -> None:
        self._begun = b""  # of a request that cannot be recognised yet
        self._left = 0  # bytes of the present request that are still to come
        self._request = Request(-1, b"")

    def split(self, chunk: bytes) -> Iterator[tuple[Request, bytes, bool]]:
        """Of each request a piece lies in `chunk`: whose it is, its bytes, whether it is the last.

        Bytes that end within the names of a request are kept until more of them come.
        """
        data = self._begun + chunk
        while data and (self._left or self._begin(data)):
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            yield self._request, piece, not self._left
        self._begun = data

    def _begin(self, data: bytes) -> bool:
        size = 4 + int.from_bytes(data[:4])
        if len(data) < max(_HEAD.size, min(size, _NAMED)):
            return False
        self._left, self._request = size, _recognised(data[:size])
        return True


def _recognised(data: bytes) -> Request:
    _, api_key, _, _, client_id = _HEAD.unpack_from(data)
    at = _HEAD.size + max(client_id, 0)
    if api_key not in {PRODUCE, END_TXN}:
        return Request(api_key, b"")
    (length,) = _LENGTH.unpack_from(data, at)
    at += _LENGTH.size
    return Request(api_key, data[at : at + max(length, 0)])


class LateEnds:
    """Decides which end of a transaction is held, and when it is delivered; for one event loop."""

    def __init__(self) -> None:
        self.held = 0  # ends held so far
        self.late = 0  # of these: delivered within the next transaction
        self._wanted: deque[int] = deque()  # holds that have no end yet
        self._holds: dict[
            bytes, tuple[int, asyncio.Event]
        ] = {}  # by transactional id; set: deliver
        self._arriving: dict[bytes, asyncio.Event] = {}  # set: it has arrived

    def hold_next(self, number: int) -> None:
        """Hold the connection that sends the next end, from there on; `number` names the hold."""
        self._wanted.append(number)

    def deliver(self, number: int) -> None:
        """Deliver what this hold has, if it has something still, and let it hold no more."""
        with suppress(ValueError):
            self._wanted.remove(number)
        for name, (holder, hold) in list(self._holds.items()):
            if holder == number:
                del self._holds[name]
                hold.set()

    async def admit(self, request: Request) -> bool:
        """Return once a request may pass: whether it was held."""
        name = request.transactional_id
        if request.api_key != END_TXN:
            return False
        if not self._wanted or name in self._holds:  # the latter: it is sent again
            if name in self._arriving:  # the late one first
                await self._arriving[name].wait()
            return False
        hold = asyncio.Event()
        self._holds[name] = self._wanted.popleft(), hold
        self.held += 1
        await hold.wait()
        return True

    def note_passed(self, request: Request) -> None:
        """With the first records of its next transaction the end that is held is delivered."""
        name = request.transactional_id
        if request.api_key == PRODUCE and name in self._holds:
            _, hold = self._holds.pop(name)
            self.late += 1
            self._arriving[name] = asyncio.Event()
            asyncio.get_running_loop().call_later(ARRIVES_SECONDS, self._note_arrived, name)
            hold.set()

    def _note_arrived(self, name: bytes) -> None:
        self._arriving.pop(name).set()
