"""Where reading begins, and when it must not: state decides, never the group's offsets."""

from collections.abc import Mapping
from dataclasses import dataclass


class StateMissingError(Exception):
    """The group has committed offsets but its state is gone."""

    def __init__(self, partition: int, committed: Mapping[str, int]) -> None:
        where = ", ".join(f"{topic} at {offset}" for topic, offset in sorted(committed.items()))
        super().__init__(
            f"partition {partition}: the group has read its topics before ({where}), but there is "
            "no snapshot of its state. Reading on would miss everything before. Restore the state "
            "topic, or start once with `kol worker --from-empty`: it raises the epoch and reads "
            "everything again from the oldest offset."
        )


class RetentionGapError(Exception):
    """Records that the state has not seen are no longer on the topic."""

    def __init__(self, partition: int, missing: Mapping[str, int]) -> None:
        where = ", ".join(f"{count} of {topic}" for topic, count in sorted(missing.items()))
        super().__init__(
            f"partition {partition}: records were removed by retention before they were read "
            f"({where}). `kol worker --accept-gap` goes on without them and counts them."
        )
        self.missing = dict(missing)


class ShorterTopicError(Exception):
    """The topic ends before the place where reading should go on: it is not the same topic."""

    def __init__(self, partition: int, topic: str, wanted: int, end: int) -> None:
        super().__init__(
            f"partition {partition}: {topic} was read up to offset {wanted} but ends at {end}. It "
            "was made anew or lost its end. If that is meant, use a new app id."
        )


@dataclass(frozen=True, slots=True)
class Log:
    """What the broker says of one topic partition."""

    oldest: int  # the first offset still there
    end: int  # the offset after the last one
    committed: int | None  # by the group; None: never


@dataclass(frozen=True, slots=True)
class Starts:
    """Where each topic of a partition goes on."""

    offsets: Mapping[str, int]
    missing: Mapping[str, int]  # records lost to retention, by topic; empty without a gap


def is_missing(state: Mapping[str, int] | None, logs: Mapping[str, Log]) -> bool:
    """Whether the group has read before and its state is gone."""
    return state is None and any(log.committed for log in logs.values())


def starts(
    partition: int,
    state: Mapping[str, int] | None,
    logs: Mapping[str, Log],
    *,
    from_empty: bool = False,
    accept_gap: bool = False,
) -> Starts:
    """The next offset of each topic in `logs`, from the restored state's.

    Args:
        partition: for the errors' words.
        state: next offset by topic, None without a snapshot. A topic it does not know
            begins at the oldest offset.
        logs: by topic, as the broker says.
        from_empty: a missing state is meant; everything is read again.
        accept_gap: go on although retention was quicker.

    Raises:
        StateMissingError: no state, but the group has read before.
        RetentionGapError: the state ends before the oldest offset still there.
        ShorterTopicError: the state ends beyond the topic's end.

    """
    if state is None:
        if not from_empty and is_missing(state, logs):
            raise StateMissingError(
                partition, {topic: log.committed for topic, log in logs.items() if log.committed}
            )
        return Starts({topic: log.oldest for topic, log in logs.items()}, {})
    wanted = {topic: state.get(topic, log.oldest) for topic, log in logs.items()}
    for topic, offset in wanted.items():
        if offset > logs[topic].end:
            raise ShorterTopicError(partition, topic, offset, logs[topic].end)
    missing = {
        topic: logs[topic].oldest - offset
        for topic, offset in wanted.items()
        if offset < logs[topic].oldest
    }
    if missing and not accept_gap:
        raise RetentionGapError(partition, missing)
    return Starts(
        {topic: max(offset, logs[topic].oldest) for topic, offset in wanted.items()}, missing
    )
