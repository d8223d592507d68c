import hmac
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
import xxhash
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Keys
from schemas.identity import hashed, keys_of
from schemas.keyed_names import KeyedNames, What, as_hex

KEY = b"a key of a deployment"
words = st.integers(0, 2**64 - 1)
digests = st.lists(st.tuples(words, words), max_size=20, unique=True)


def keys(rows: list[tuple[int, int]]) -> Keys:
    return np.array(rows, np.uint64).reshape(-1, 2)


def block(subkey: bytes, plain: bytes) -> bytes:
    """AES of one block by another mode: a counter that begins with it, over zeros."""
    return Cipher(AES(subkey), CTR(plain)).encryptor().update(bytes(16))


def test_the_block_cipher_gives_the_standards_example() -> None:
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")  # FIPS 197, C.1
    subkey = bytes(range(16))
    expected = "69c4e0d86a7b0430d8cdb78070b4c55a"

    assert Cipher(AES(subkey), ECB()).encryptor().update(plain).hex() == expected  # noqa: S305
    assert block(subkey, plain).hex() == expected


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("user_id", ["u1", "妈妈", ""])
def test_a_name_is_the_documented_block_of_the_digest(what: What, user_id: str) -> None:
    subkey = hmac.digest(KEY, b"kol-streams/" + what.encode(), "sha256")[:16]
    expected = block(subkey, xxhash.xxh3_128_digest(user_id.encode())).hex()

    (name,) = KeyedNames(KEY).of(what, keys_of(hashed([user_id.encode()]))).tolist()

    assert as_hex(name) == expected


@pytest.mark.parametrize("what", What)
def test_low_words_are_those_of_names_and_0_for_the_empty_text(what: What) -> None:
    hashes = hashed([b"u1", b"", "妈妈".encode(), b"\0"])
    names = KeyedNames(KEY)

    found = names.low_words(what, hashes).tolist()

    expected = names.of_hashes(what, hashes)[:, 0].tolist()
    assert found == [expected[0], 0, *expected[2:]]
    assert names.low_words(what, b"").tolist() == []


def test_the_words_of_the_subkeys_never_change() -> None:
    assert [what.value for what in What] == [
        *("user", "identity", "order", "session", "device", "ip", "share", "person", "check"),
    ]


@given(digests, st.sampled_from(What))
def test_distinct_digests_have_distinct_names(rows: list[tuple[int, int]], what: What) -> None:
    found = KeyedNames(KEY).of(what, keys(rows))

    assert found.shape == (len(rows), 2)
    assert found.dtype == np.uint64
    assert len({tuple(name) for name in found.tolist()}) == len(rows)


@given(digests.filter(bool))
def test_one_digest_has_another_name_of_each_thing_and_under_each_key(
    rows: list[tuple[int, int]],
) -> None:
    names = [KeyedNames(key).of(what, keys(rows)) for key in (KEY, b"", KEY[:-1]) for what in What]
    seen = {tuple(name) for some in names for name in some.tolist()} | set(rows)

    assert len(seen) == len(rows) * (3 * len(What) + 1)


def test_users_are_named_by_their_ids() -> None:
    names = KeyedNames(KEY)
    ids = ["u1", "妈妈", "a\0b"]
    digests = keys_of(hashed([one.encode() for one in ids]))

    assert np.array_equal(names.users(ids), names.of(What.USER, digests))
    assert names.users([]).shape == (0, 2)


def test_while_one_thread_is_at_it_another_gets_the_same_names() -> None:
    names, digests = KeyedNames(KEY), keys_of(hashed([b"u1", b"u2"]))
    expected = names.of(What.USER, digests)
    busy = mock.Mock(update=mock.Mock(side_effect=RuntimeError("Already borrowed")))

    with mock.patch.dict(names._contexts, {What.USER: busy}):  # what threads share
        assert np.array_equal(names.of(What.USER, digests), expected)


def test_names_are_the_same_in_threads() -> None:
    names = KeyedNames(KEY)
    digests = keys([(n, n) for n in range(4_000)])
    expected = names.of(What.USER, digests)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: names.of(What.USER, digests), range(40)))

    assert all(np.array_equal(one, expected) for one in found)
