"""Erasures as records of `kol-erasures`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.erasures import NOBODY, erasure_record, read_erasures, renewed
from schemas.identity import user_key
from schemas.keyed_names import KeyedNames
from tests.builders import KEY, NAMES
from tests.keyed import user_hash, words

ids = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())


@given(ids, st.integers(0, (1 << 48) - 1))
def test_what_is_said_is_read(user_id: str, at: int) -> None:
    key, value = erasure_record(user_id, at, NAMES)
    found = read_erasures([value], [7], NAMES)

    assert key == f"{user_hash(KEY, user_id)}/{at}".encode()
    assert found.user.tolist() == [words(KEY, "user", user_key(user_id))]
    assert (found.at.tolist(), found.offset.tolist(), found.unreadable) == ([at], [7], 0)


def test_the_id_is_not_on_the_topic() -> None:
    assert b"forgotten-17" not in b"".join(erasure_record("forgotten-17", 0, NAMES))


NAME = "0" * 32


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"user":"u1","at":1}',
        f'{{"name":"{NAME}","at":1}}'.encode(),
        f'{{"name":"{NAME}","at":1,"key":"k"}}'.encode(),
        f'{{"user":"{NAME}"}}'.encode(),
        f'{{"user":"{NAME}","at":-1}}'.encode(),
        f'{{"user":"{NAME}","at":{1 << 48}}}'.encode(),
        f'{{"user":"{NAME.replace("0", "A")}","at":1}}'.encode(),
        b"[" * 5_000,
    ],
)
def test_other_bytes_are_counted(value: bytes) -> None:
    found = read_erasures([value, None], [0, 1], NAMES)

    assert (found.at.tolist(), found.unreadable) == ([], 1)


def former(user_id: str, at: int) -> bytes:
    """The record that former versions wrote."""
    low, high = user_key(user_id)
    return f'{{"user":"{high:016x}{low:016x}","at":{at}}}'.encode()


@given(st.lists(st.tuples(ids, st.integers(0, 9), st.booleans()), max_size=5))
def test_records_of_former_versions_erase_the_same_persons(
    erased: list[tuple[str, int, bool]],
) -> None:
    said = [erasure_record(user, at, NAMES)[1] for user, at, _ in erased]
    mixed = [
        former(user, at) if is_former else value
        for (user, at, is_former), value in zip(erased, said, strict=True)
    ]
    expected, found = (read_erasures(values, range(len(said)), NAMES) for values in (said, mixed))

    assert found.user.tolist() == expected.user.tolist()
    assert found.at.tolist() == expected.at.tolist() == [at for _, at, _ in erased]
    assert found.offset.tolist() == list(range(len(said)))
    assert (found.unreadable, found.foreign) == (0, 0)


def test_a_record_of_a_former_version_is_replaced_by_todays() -> None:
    low, high = user_key("u1")
    found = renewed(former("u1", 5), NAMES)

    assert found == (f"{high:016x}{low:016x}/5".encode(), *erasure_record("u1", 5, NAMES))


@pytest.mark.parametrize("value", [None, b"{", erasure_record("u1", 5, NAMES)[1]])
def test_nothing_else_is_replaced(value: bytes | None) -> None:
    assert renewed(value, NAMES) is None


def test_names_that_another_key_made_are_nobodys_and_are_counted() -> None:
    other = erasure_record("u1", 5, KeyedNames(b"another key"))[1]
    found = read_erasures([other, erasure_record("u2", 6, NAMES)[1]], [3, 4], NAMES)

    assert (found.at.tolist(), found.offset.tolist()) == ([6], [4])
    assert (found.unreadable, found.foreign) == (1, 1)


def test_a_tombstone_says_nothing() -> None:
    assert read_erasures([None], [0], NAMES).unreadable == 0


def test_nobody_looks_like_any_hash() -> None:
    assert len(NOBODY) == 32
    assert set(NOBODY) == {"0"}
