"""Whose hashes `kol forget` asks for; all of it runs in `tests/integration/test_forgetting.py`."""

import hmac

import pytest

from streams.operations.forget.erase import hashes
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
