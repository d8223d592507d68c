import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import (
    identities,
    identity,
    order_key,
    order_keys,
    user_key,
    user_keys,
)

names = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a\0", "\0", "a"])
pairs = st.lists(st.tuples(names, names), max_size=8)


def whole(key: tuple[int, int]) -> int:
    return key[0] | key[1] << 64


@given(pairs)
def test_many_at_once_are_as_each_alone(rows: list[tuple[str, str]]) -> None:
    users, others = [user for user, _ in rows], [other for _, other in rows]
    found = identities("t", users, others).tolist()

    assert found == [list(identity("t", user, event)) for user, event in rows]
    assert order_keys(users, others).tolist() == [list(order_key(*row)) for row in rows]
    assert user_keys([u.encode() for u in users]).tolist() == [list(user_key(u)) for u in users]


@given(st.tuples(names, names), st.tuples(names, names))
def test_two_pairs_of_names_have_one_key_only_if_they_are_one(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (order_key(*one) == order_key(*other)) == (one == other)
    assert (identity("t", *one) == identity("t", *other)) == (one == other)


def test_where_a_name_ends_counts_even_if_it_holds_a_nul() -> None:
    assert order_key("a\0b", "c") != order_key("a", "b\0c")


def test_the_same_event_id_on_another_topic_is_another_event() -> None:
    assert identity("clickstream", "u", "e") != identity("purchases", "u", "e")


@pytest.mark.parametrize("user", ["u1", "妈妈"])
def test_keys_are_the_documented_hashes_with_the_low_word_first(user: str) -> None:
    raw = user.encode()

    assert whole(user_key(user)) == xxhash.xxh3_128_intdigest(raw)
    assert whole(order_key(user, "o")) == xxhash.xxh3_128_intdigest(raw + b"\0o")
    assert whole(identity("t", user, "e")) == xxhash.xxh3_128_intdigest(b"t\0" + raw + b"\0e")
