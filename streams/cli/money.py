"""Money for a person."""


def yuan(cents: int) -> str:
    """Cents for a person.

    >>> yuan(1234567)
    '¥12,345.67'
    """
    return f"¥{cents / 100:,.2f}"
