import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import hashed, hashes_of, keys_of, paired, user_key

names = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a\0", "\0", "a"])
pairs = st.lists(st.tuples(names, names), max_size=8)


def pair(user: str, other: str, topic: str = "") -> bytes:
    (joined,) = paired(topic, [user], [other])
    return joined


@given(pairs)
def test_many_at_once_are_as_each_alone(rows: list[tuple[str, str]]) -> None:
    users, others = [user for user, _ in rows], [other for _, other in rows]
    digests = keys_of(hashed([user.encode() for user in users]))

    assert paired("t\0", users, others) == [pair(*row, "t\0") for row in rows]
    assert digests.tolist() == [list(user_key(user)) for user in users]
    assert keys_of(hashes_of(digests)).tolist() == digests.tolist()


@given(st.tuples(names, names), st.tuples(names, names))
def test_two_pairs_of_names_are_the_same_bytes_only_if_they_are_one(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (pair(*one) == pair(*other)) == (one == other)
    assert (pair(*one, "t\0") == pair(*other, "t\0")) == (one == other)


def test_where_a_name_ends_counts_even_if_it_holds_a_nul() -> None:
    assert pair("a\0b", "c") != pair("a", "b\0c")


def test_the_same_event_id_on_another_topic_is_another_event() -> None:
    assert pair("u", "e", "clickstream\0") != pair("u", "e", "purchases\0")


@pytest.mark.parametrize("user", ["u1", "妈妈"])
def test_digests_are_the_documented_hashes_with_the_low_word_first(user: str) -> None:
    raw = user.encode()
    low, high = user_key(user)

    assert low | high << 64 == xxhash.xxh3_128_intdigest(raw)
    assert pair(user, "o") == raw + b"\0o"
    assert pair(user, "e", "t\0") == b"t\0" + raw + b"\0e"
