"""Where reading begins, or why it must not: the state decides, never the group's offsets."""

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

    def __init__(self, partition: int, topic: str, expected: int, end: int) -> None:
        super().__init__(
            f"partition {partition}: {topic} was read up to offset {expected} but ends at {end}. "
            "It was made anew or lost its end. If that is meant, use a new app id."
        )


class OtherTopicError(Exception):
    """The offsets of the state are those of a topic with another name."""

    def __init__(self, partition: int, kept: Mapping[str, str], now: Mapping[str, str]) -> None:
        where = "; ".join(
            f"{topic} is read from {now.get(topic, topic)}, but the offsets of the state are those "
            f"of {kept.get(topic, topic)}"
            for topic in sorted({**kept, **now})
            if kept.get(topic) != now.get(topic)
        )
        super().__init__(
            f"partition {partition}: {where}. An offset says nothing about another topic: set the "
            "name of the input topic back, or read the new one as a second app: `kol replay run`."
        )


def check_topic_names(partition: int, kept: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse a state whose input topics had other names on the brokers.

    Args:
        partition: its number, for the message.
        kept: input topic -> its name when the state was written, where they differed.
        now: the same, as the settings say.

    Raises:
        OtherTopicError: they are not the same.

    """
    if kept != now:
        raise OtherTopicError(partition, kept, now)


class OtherKeyError(Exception):
    """Users are named by another key."""

    def __init__(self, partition: int, what: str) -> None:
        super().__init__(
            f"partition {partition}: {what} names users by another KOL_HMAC_KEY. With this one "
            "they would be strangers: what comes twice would count twice, and who was forgotten "
            "would come back. Start with the key that was there before; where that is lost: "
            'deploy/operations.md, "The key of names"'
        )


class OldStateError(Exception):
    """The group has committed events that the newest snapshot does not hold."""

    def __init__(self, partition: int, ahead: Mapping[str, int]) -> None:
        where = ", ".join(f"{topic} up to {offset}" for topic, offset in sorted(ahead.items()))
        super().__init__(
            f"partition {partition}: the group has committed {where}, beyond the newest snapshot: "
            "the state topic has lost its end, or is an old copy. Rows of an old life would not "
            "replace those that were written since. Restore the state topic; if the older state is "
            "meant, set the group's offsets back with kafka-consumer-groups.sh."
        )


@dataclass(frozen=True, slots=True)
class LogOffsets:
    """What the broker says of one topic partition."""

    oldest: int  # the first offset still there
    end: int  # the offset after the last one
    committed: int | None  # by the group; None: never


@dataclass(frozen=True, slots=True)
class StartOffsets:
    """Where each topic of a partition goes on."""

    offsets: Mapping[str, int]
    missing: Mapping[str, int]  # records lost to retention, by topic; empty without a gap


def is_state_missing(state: Mapping[str, int] | None, logs: Mapping[str, LogOffsets]) -> bool:
    """Whether the group has read before and its state is gone."""
    return state is None and any(log.committed for log in logs.values())


def committed_beyond(
    offsets: Mapping[str, int], logs: Mapping[str, LogOffsets]
) -> dict[str, tuple[int, int]]:
    """Where the group stands beyond a state: topic -> next offset of the state, and of the group.

    Only markers of transactions may lie between the two.
    """
    return {
        topic: (offset, committed)
        for topic, offset in offsets.items()
        if (committed := logs[topic].committed) is not None and committed > offset
    }


def start_offsets(
    partition: int,
    state: Mapping[str, int] | None,
    logs: Mapping[str, LogOffsets],
    *,
    from_empty: bool = False,
    accept_gap: bool = False,
) -> StartOffsets:
    """The next offset of each topic in `logs`, from the restored state's.

    Args:
        partition: its number, for messages of errors.
        state: next offset by topic, None without a snapshot. A topic it does not know
            begins at the oldest offset.
        logs: by topic, as the broker says.
        from_empty: the state is missing on purpose; everything is read again.
        accept_gap: go on although retention removed unread records.

    Raises:
        StateMissingError: no state, but the group has read before.
        RetentionGapError: the state ends before the oldest offset still there.
        ShorterTopicError: the state ends beyond the topic's end.

    """
    if state is None:
        if not from_empty and is_state_missing(state, logs):
            raise StateMissingError(
                partition, {topic: log.committed for topic, log in logs.items() if log.committed}
            )
        return StartOffsets({topic: log.oldest for topic, log in logs.items()}, {})
    expected = {topic: state.get(topic, log.oldest) for topic, log in logs.items()}
    for topic, offset in expected.items():
        if offset > logs[topic].end:
            raise ShorterTopicError(partition, topic, offset, logs[topic].end)
    missing = {
        topic: logs[topic].oldest - offset
        for topic, offset in expected.items()
        if offset < logs[topic].oldest
    }
    if missing and not accept_gap:
        raise RetentionGapError(partition, missing)
    return StartOffsets(
        {topic: max(offset, logs[topic].oldest) for topic, offset in expected.items()}, missing
    )
