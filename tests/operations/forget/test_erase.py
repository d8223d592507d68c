"""Whose hashes `kol forget` asks for; all of it runs in `tests/integration/test_forgetting.py`."""

import pytest

from streams.operations.forget.erase import hashes
from streams.settings import Settings
from tests.core.user.test_erasures import later_hash
from tests.core.user.test_memory_laws import KEY, user_hash

SETTINGS = Settings(hmac_key=KEY.decode())


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([9], [user_hash("u1")]),
        ([9, 5, 9], [user_hash("u1"), later_hash(user_hash("u1"), 5)]),
    ],
)
def test_everybody_up_to_the_last_moment_has_a_hash(
    moments: list[int], expected: list[str]
) -> None:
    assert hashes(SETTINGS, "u1", moments) == tuple(expected)
