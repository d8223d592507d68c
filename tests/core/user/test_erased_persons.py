import numpy as np

from schemas.identity import user_keys
from streams.core.user.erased_persons import ErasedPersons
from tests.builders import NOON


def test_where_nobody_was_ever_erased_nobody_is_looked_up() -> None:
    assert ErasedPersons().persons(user_keys([b"u1"]), np.array([NOON])) is None
