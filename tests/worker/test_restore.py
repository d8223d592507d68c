"""What a new owner's memory says first: whoever told totals before may have told more."""

import pytest

from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.settings import Settings
from streams.snapshots import Opened, OtherKeyError
from streams.worker.restore import restored_user_memory
from tests.builders import KEY


def opened(epoch: int, life: int) -> Opened:
    """A partition without a snapshot."""
    return Opened(epoch, life, None, None, None, {}, 0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("epoch", "life", "tells"),
    [
        (0, 1, False),  # nobody was before
        (0, 2, True),
        (1, 1, True),  # the state was lost: those before stand in the tables with their epoch
    ],
)
def test_whoever_was_before_is_answered_total_by_total(
    epoch: int, life: int, *, tells: bool
) -> None:
    memory = restored_user_memory(Settings(), 0, opened(epoch, life))

    assert bool(collect_updates(memory).rows) is tells


def test_a_state_goes_on_only_with_the_key_that_named_its_users() -> None:
    arrays = UserMemory(0, hmac_key=KEY).arrays()
    kept = Opened(0, 1, None, arrays, None, {}, 0, 0.0, 0.0)
    own, other = (Settings(hmac_key=key) for key in (KEY.decode(), "another key, as long"))

    assert restored_user_memory(own, 0, kept).offsets
    with pytest.raises(OtherKeyError, match="the state names users by another KOL_HMAC_KEY"):
        restored_user_memory(other, 0, kept)
