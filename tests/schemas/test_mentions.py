"""Whose a rejected message is."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mentions import SPAN, WORDS, is_of, user_and_time, user_of, users

words = st.text("aZ9_é", min_size=1, max_size=3)
separators = st.sampled_from((" ", "-", '"', "::", "\n"))
ids = st.builds(
    lambda first, rest: first + "".join(a + b for a, b in rest),
    words,
    st.lists(st.tuples(separators, words), max_size=SPAN - 1),
)
bounds = st.sampled_from(
    (b"", b" ", b'{"user_id": "', b'"', b"a ", b" 9", b"-", b"\xff", b"_", b"\n")
)


@given(ids, bounds, bounds)
def test_an_id_counts_where_it_stands_between_bytes_of_no_word(
    user_id: str, before: bytes, after: bytes
) -> None:
    raw = before + user_id.encode() + after
    stands = re.search(
        rb"(?<![0-9A-Za-z_\x80-\xff])"
        + re.escape(user_id.encode())
        + rb"(?![0-9A-Za-z_\x80-\xff])",
        raw,
    )

    assert is_of(raw, user_id) == (stands is not None)


@given(st.text(min_size=1).filter(lambda text: text.isprintable()), ids)
def test_where_a_user_is_named_it_is_nobody_elses(named: str, other: str) -> None:
    for ascii_only in (False, True):
        raw = json.dumps({"user_id": named, "note": other}, ensure_ascii=ascii_only).encode()

        assert user_of(raw) == named
        assert users(raw) == [named.encode()]
        assert is_of(raw, other) == (named == other)


@pytest.mark.parametrize("name", ["anon_id", "respondent"])
def test_a_reference_record_is_of_all_persons_that_it_names(name: str) -> None:
    alone = json.dumps({name: "caf\u00e9 1", "ts": 5}).encode()
    beside = json.dumps({"user_id": "u1", name: "caf\u00e9 1", "kol_id": "k"}).encode()

    assert users(alone) == ["caf\u00e9 1".encode()]
    assert users(beside) == [b"u1", "caf\u00e9 1".encode()]
    assert [is_of(beside, one) for one in ("u1", "caf\u00e9 1", "k")] == [True, True, False]
    assert user_of(beside) == "u1"


def test_where_an_id_is_no_text_or_half_a_character_words_count_beside_the_other_ids() -> None:
    odd = rb'{"user_id": 17, "anon_id": "caf\u00e9"}'
    half = rb'{"user_id": "caf\u00e9", "anon_id": "a1 \ud83d"}'

    assert [is_of(odd, one) for one in ("17", "caf\u00e9")] == [True, True]
    assert [is_of(half, one) for one in ("a1", "caf\u00e9")] == [True, True]
    assert user_of(half) == "caf\u00e9"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"u1",
        b"[]",
        b"{}",
        b'{"user_id": ""}',
        b'{"user_id": 7}',
        b'{"user_id": "u1"',
        b"[" * 5_000,
        b"\xff",
        b'{"user_id": "\\ud800"}',
    ],
)
def test_no_user_is_named(raw: bytes) -> None:
    assert user_of(raw) is None
    assert isinstance(users(raw), list)


def test_words_behind_many_others_are_not_looked_at() -> None:
    assert is_of(b"x " * (WORDS - 1) + b"u1", "u1")
    assert not is_of(b"x " * WORDS + b"u1", "u1")


def test_an_id_of_more_words_is_not_found() -> None:
    user_id = "-".join("abcdefghi")

    assert len(user_id.split("-")) == SPAN + 1
    assert not is_of(user_id.encode(), user_id)
    assert is_of(user_id.encode(), user_id[2:])


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b'{"user_id": "u1", "ts": 5}', ("u1", 5)),
        (b'{"user_id": "", "ts": 5}', (None, 5)),
        (b'{"user_id": "u1"}', ("u1", 0)),
        (b'{"user_id": "u1", "ts": 1.5}', ("u1", 0)),
        (b'{"user_id": "u1", "ts": 4611686018427387904}', ("u1", 0)),  # 2^62: no column holds it
        (b'{"user_id": "u1", "ts": 1e999}', ("u1", 0)),  # no number that JSON readers can hold
        (b"u1", (None, 0)),
        (b"", (None, 0)),
    ],
)
def test_a_time_that_cannot_be_read_leaves_the_user(
    raw: bytes, read: tuple[str | None, int]
) -> None:
    assert user_and_time(raw) == read


def test_the_user_is_found_beside_half_an_emoji_but_not_in_one() -> None:
    beside = rb'{"user_id": "u1", "ts": 5, "note": "\ud83d", "\udc00": [1.10]}'
    within = rb'{"user_id": "u1\ud83d", "ts": 5}'

    assert user_and_time(beside) == ("u1", 5)
    assert is_of(beside, "u1")
    assert user_of(within) is None
