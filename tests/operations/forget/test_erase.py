"""What `kol forget` makes sure of, and whose hashes it asks for.

All of it runs in `tests/integration/test_forgetting.py`.
"""

import hmac
from typing import Any, cast

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.keyed_names import KeyedNames
from streams.operations.forget.erase import ForgettingError, check_key, check_rights, hashes
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


class Engine:
    """Refuses statements with a word in them."""

    def __init__(self, word: str) -> None:
        self._word = word

    def command(self, sql: str, **_: object) -> None:
        if self._word in sql:
            raise ClickHouseError("Not enough privileges")


@pytest.mark.parametrize(
    ("word", "right"),
    [(" DELETE ", "ALTER DELETE"), ("kol_dim UPDATE user_hash", "ALTER UPDATE")],
)
def test_an_account_without_a_right_is_refused_before_anything_is_done(
    word: str, right: str
) -> None:
    with pytest.raises(ForgettingError, match=f"grant it {right}"):
        check_rights(cast("Any", Engine(word)))


def test_an_account_with_all_rights_may_forget() -> None:
    check_rights(cast("Any", Engine("INSERT")))
