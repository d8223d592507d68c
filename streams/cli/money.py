"""Amounts of money as text."""


def as_yuan(cents: int) -> str:
    """Cents as yuan.

    >>> as_yuan(1234567)
    '¥12,345.67'
    """
    return f"¥{cents / 100:,.2f}"
