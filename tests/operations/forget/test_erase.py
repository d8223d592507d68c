"""Whose hashes `kol forget` asks for; all of it runs in `tests/integration/test_forgetting.py`."""

import hmac

import pytest

from schemas.keyed_names import KeyedNames
from streams.operations.forget.erase import ForgettingError, check_key, hashes
from streams.operations.forget.search import Traces
from streams.settings import Settings
from tests.builders import KEY
from tests.core.user.test_erasures import later_hash
from tests.core.user.test_memory_laws import user_hash

SETTINGS = Settings(hmac_key=KEY.decode())


def former(message: bytes) -> str:
    """What rows of former versions have."""
    return hmac.digest(KEY, message, "sha256").hex()[:32]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([9], [user_hash("u1"), former(b"u1")]),
        (
            [9, 5, 9],
            [
                *(user_hash("u1"), later_hash(user_hash("u1"), 5)),
                *(former(b"u1"), former(bytes.fromhex(former(b"u1")) + (5).to_bytes(8))),
            ],
        ),
    ],
)
def test_everybody_up_to_the_last_moment_has_a_hash(
    moments: list[int], expected: list[str]
) -> None:
    assert hashes(SETTINGS, "u1", moments) == tuple(expected)


def test_who_has_another_key_than_the_workers_forgets_nobody() -> None:
    own, other = (tuple(KeyedNames(key).check[0].tolist()) for key in (KEY, b"another key"))

    check_key(Traces(keys={own}), SETTINGS)
    check_key(Traces(), SETTINGS)  # no snapshot says it
    with pytest.raises(ForgettingError, match="KOL_HMAC_KEY is not the one"):
        check_key(Traces(keys={own, other}), SETTINGS)
