"""Whatever the pipeline counts has words on the dashboards, in both languages."""

from deploy.grafana.outcomes import COUNTERS, DOORS, REASONS
from schemas.doors import Door, RejectReason
from streams.core.kol import memory as kol_memory
from streams.core.user import door_counts


def test_every_door_has_words() -> None:
    assert set(DOORS) == {door.label for door in Door}


def test_every_reason_to_reject_has_words() -> None:
    assert set(REASONS) == {reason.label for reason in RejectReason}


def test_every_counter_has_words() -> None:
    names = {name for _, name in door_counts.COUNTERS} | set(kol_memory.COUNTERS)

    assert set(COUNTERS) == names
