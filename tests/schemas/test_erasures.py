"""Erasures as records of `kol-erasures`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.erasures import NOBODY, erasure_record, read_erasures, user_hex
from schemas.identity import user_key

ids = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())


@given(ids, st.integers(0, (1 << 48) - 1))
def test_what_is_said_is_read(user_id: str, at: int) -> None:
    key, value = erasure_record(user_id, at)
    found = read_erasures([value], [7])

    assert key == f"{user_hex(user_id)}/{at}".encode()
    assert found.user.tolist() == [list(user_key(user_id))]
    assert (found.at.tolist(), found.offset.tolist(), found.unreadable) == ([at], [7], 0)


def test_the_id_is_not_on_the_topic() -> None:
    assert b"forgotten-17" not in b"".join(erasure_record("forgotten-17", 0))


NAME = "0" * 32


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"user":"u1","at":1}',
        f'{{"user":"{NAME}"}}'.encode(),
        f'{{"user":"{NAME}","at":-1}}'.encode(),
        f'{{"user":"{NAME}","at":{1 << 48}}}'.encode(),
        f'{{"user":"{NAME.replace("0", "A")}","at":1}}'.encode(),
        b"[" * 5_000,
    ],
)
def test_other_bytes_are_counted(value: bytes) -> None:
    found = read_erasures([value, None], [0, 1])

    assert (found.at.tolist(), found.unreadable) == ([], 1)


def test_a_tombstone_says_nothing() -> None:
    assert read_erasures([None], [0]).unreadable == 0


def test_nobody_looks_like_any_hash() -> None:
    assert len(NOBODY) == 32
    assert set(NOBODY) == {"0"}
