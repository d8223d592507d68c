"""Judging whether a trainer keeps roll-ups and numbered values."""

from streams.operations import trainer_standing
from streams.operations.doctor.findings import Finding, fault, fine, warning
from streams.trainer.standing import Standing


def numbers(standing: Standing, now: int) -> list[Finding]:
    """Whether what workers take for known follows the dimensions; `now` is milliseconds."""
    why = trainer_standing.numbers_fault(standing, now)
    if not why:
        return [] if standing.notes is None else [fine("numbers", "as the dimensions say")]
    mend = (
        "its log says why; workers go on with the newest number. Is the change meant: "
        "`kol snapshots publish --accept-jump`"
    )
    return [warning("numbers", why, mend)]


def roll_ups(standing: Standing, now: int) -> Finding:
    """Whether roll-ups follow what workers write; `now` is milliseconds."""
    wrong = trainer_standing.fault(standing, now)
    absent = trainer_standing.absence(standing, now)
    if absent and not wrong:
        mend = f"{trainer_standing.STARTED_BY}; with `kol trainer --once` by cron all is well"
        return warning("roll-ups", absent, mend)
    if not wrong:
        return fine("roll-ups", trainer_standing.summary(standing, now))
    mend = (
        "its log says why; nothing is lost, the next turn does what is left"
        if standing.members
        else "`kol up` runs one, elsewhere `kol trainer`; nothing is lost, it does what is left"
    )
    return fault("roll-ups", wrong, mend)
