"""Money for a person."""


def as_yuan(cents: int) -> str:
    """Cents for a person.

    >>> as_yuan(1234567)
    '¥12,345.67'
    """
    return f"¥{cents / 100:,.2f}"
