"""Compressed bodies: whatever the pieces, whatever the frames, all bytes come back."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded.gateway.encodings import Decoder, Encoder
from deploy.embedded.gateway.errors import Refusal

ONE: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
COMPRESSED = ["lz4", "zstd", "gzip", "deflate"]
BODIES = st.lists(
    st.binary(max_size=5000) | st.binary(max_size=20).map(lambda b: b * 900), max_size=5
)


def cut(body: bytes, at: Sequence[int]) -> list[bytes]:
    """A body in pieces."""
    places = sorted({0, len(body), *(place % (len(body) + 1) for place in at)})
    return [body[one:two] for one, two in pairwise(places)]


def decoded(kind: str, pieces: Sequence[bytes]) -> bytes:
    decoder = Decoder(kind)
    found = b"".join(step for piece in pieces for step in decoder.feed(piece))
    decoder.done()
    return found


@given(st.sampled_from(list(ONE)), BODIES, st.lists(st.integers(0), max_size=6))
def test_frames_come_back_however_they_are_cut(
    kind: str, bodies: list[bytes], at: list[int]
) -> None:
    sent = b"".join(ONE[kind](body) for body in bodies)

    assert decoded(kind, cut(sent, at)) == b"".join(bodies)


@given(st.sampled_from(COMPRESSED), BODIES.filter(len), st.integers(1))
def test_a_body_that_lost_its_end_is_noticed(kind: str, bodies: list[bytes], lost: int) -> None:
    last = ONE[kind](bodies[-1])
    sent = b"".join(ONE[kind](body) for body in bodies)[: -(1 + lost % (len(last) - 1))]

    with pytest.raises(Refusal, match="CANNOT_READ_ALL_DATA"):
        decoded(kind, [sent])


@pytest.mark.parametrize("kind", COMPRESSED)
def test_other_bytes_are_refused(kind: str) -> None:
    with pytest.raises(Refusal, match="CANNOT_READ_ALL_DATA"):
        decoded(kind, [b"these are no such bytes, but rather many of them"])


def test_an_encoding_nobody_speaks_is_refused() -> None:
    with pytest.raises(Refusal, match="NOT_IMPLEMENTED"):
        Decoder("br")


@given(st.sampled_from(["", *COMPRESSED]), BODIES)
def test_what_goes_out_can_be_read(kind: str, pieces: list[bytes]) -> None:
    encoder = Encoder(kind)
    sent = b"".join(encoder.push(piece) for piece in pieces) + encoder.end()

    assert encoder.name == kind
    assert decoded(kind, [sent]) == b"".join(pieces)


@pytest.mark.parametrize(
    ("accepted", "name"),
    [
        ("", ""),
        ("br", ""),
        ("gzip, deflate, br", "gzip"),
        ("lz4,br,zstd,gzip", "lz4"),
        ("zstd;q=1.0, gzip;q=0.5", "zstd"),
    ],
)
def test_the_quickest_encoding_both_speak_is_taken(accepted: str, name: str) -> None:
    assert Encoder(accepted).name == name
