import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keyed_names import SIZE
from streams.operations.forget.former_hashes import Pseudonyms


@given(st.binary(max_size=150), st.lists(st.text(st.characters(codec="utf-8"), max_size=90)))
def test_a_hash_is_the_first_half_of_hmac_sha256(key: bytes, users: list[str]) -> None:
    hashes = Pseudonyms(key)(users)

    assert hashes.shape == (len(users), SIZE)
    assert [row.tobytes() for row in hashes] == [
        hmac.digest(key, user.encode(), "sha256")[:16] for user in users
    ]


@pytest.mark.parametrize("size", [0, 63, 64, 65])
def test_keys_around_the_length_of_a_block_are_read_alike(size: int) -> None:
    key = bytes(range(size))

    assert Pseudonyms(key)(["u"])[0].tobytes() == hmac.digest(key, b"u", "sha256")[:16]


def test_another_key_gives_another_name() -> None:
    assert Pseudonyms(b"a")(["u"]).tobytes() != Pseudonyms(b"b")(["u"]).tobytes()
