import numpy as np

from streams.core.user.erased_persons import ErasedPersons
from tests.builders import NAMES, NOON


def test_where_nobody_was_ever_erased_nobody_is_looked_up() -> None:
    assert ErasedPersons(NAMES).persons(NAMES.users(["u1"]), np.array([NOON])) is None
