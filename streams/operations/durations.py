"""Lengths of time for a person."""


def duration_text(ms: int) -> str:
    """A length of time in a readable unit.

    >>> [duration_text(ms) for ms in (1_400, 90_000, 7_260_000, 200_000_000)]
    ['1 s', '1.5 min', '2.0 h', '2.3 d']
    """
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if ms >= size:
            return f"{ms / size:.1f} {unit}"
    return f"{ms / 1000:.0f} s"
