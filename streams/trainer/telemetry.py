"""Every metric of a trainer, defined in one table; docs and tests read it.

Timestamps instead of ages, so that a dead trainer looks old.
"""

from typing import Final

from schemas.dimensions import DIMENSIONS
from schemas.doors import RejectReason
from schemas.numbered import KINDS
from schemas.rollups import ROLL_UPS
from streams.runtime.metrics import Metric
from streams.trainer.erased_rows import EMPTIED, PERSONS
from streams.trainer.turns import TURNS

TURN: Final = tuple((name,) for name in TURNS)
TABLE: Final = tuple((name,) for name in (*ROLL_UPS, *(one.table for one in DIMENSIONS)))
TOPIC: Final = tuple((one.topic,) for one in DIMENSIONS)
KIND: Final = tuple((name,) for name in KINDS)
LENGTHS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

METRICS: Final[dict[str, Metric]] = {
    "kol_trainer_info": Metric("gauge", "1, with the version.", ("version",)),
    "kol_trainer_is_holder": Metric(
        "gauge", "1 while this process holds the lock, 0 while it stands by."
    ),
    "kol_trainer_generation": Metric(
        "gauge", "Generation of the rows that this process writes; 0 while it stands by."
    ),
    "kol_trainer_turn_seconds": Metric(
        "histogram", "Time of one turn that succeeded.", ("turn",), LENGTHS, TURN
    ),
    "kol_trainer_failures_total": Metric(
        "counter", "Turns that failed; the next one does what is left.", ("turn",), series=TURN
    ),
    "kol_trainer_last_success_timestamp_seconds": Metric(
        "gauge",
        "When a turn last succeeded, of whichever process; before the first, when this one began.",
        ("turn",),
    ),
    "kol_trainer_buckets_total": Metric(
        "counter", "Hours and days that this process computed anew.", ("table",), series=TABLE
    ),
    "kol_trainer_rows_total": Metric(
        "counter", "Rows that this process wrote.", ("table",), series=TABLE
    ),
    "kol_trainer_behind": Metric(
        "gauge", "Records of a reference topic that are not in its dimension yet.", ("topic",)
    ),
    "kol_trainer_is_absent": Metric("gauge", "1 if there is no such reference topic.", ("topic",)),
    "kol_trainer_rejected_total": Metric(
        "counter",
        "Records of reference topics that this process sent to the dead letters.",
        ("reason",),
        series=tuple((reason.label,) for reason in RejectReason),
    ),
    "kol_trainer_found_total": Metric(
        "counter",
        "Rows that came back of erased persons, or say what is not allowed, found at night and "
        "taken out.",
        ("table",),
        series=tuple((name,) for name in (*PERSONS, *EMPTIED)),
    ),
    "kol_trainer_waiting_rollups": Metric(
        "gauge", "Roll-ups by day whose source has changed since all changed days were added up."
    ),
    "kol_trainer_newest_number": Metric(
        "gauge", "The newest number of numbered values on kol-snapshots.", ("kind",)
    ),
    "kol_trainer_number_rows": Metric("gauge", "Ids that have values in it.", ("kind",)),
    "kol_trainer_number_timestamp_seconds": Metric(
        "gauge", "When it was sealed: it holds ten seconds later.", ("kind",)
    ),
    "kol_trainer_number_refused": Metric(
        "gauge", "1 while a change is kept back because it looks like a mishap.", ("kind",)
    ),
}
