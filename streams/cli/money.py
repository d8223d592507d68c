"""Amounts of money as text."""

from schemas.events import CURRENCY


def as_yuan(cents: int) -> str:
    """Cents as yuan.

    >>> as_yuan(1234567)
    '¥12,345.67'
    """
    return f"¥{cents / 100:,.2f}"


def in_currency(cents: int, currency: str) -> str:
    """Cents in a currency; as yuan where it is CNY or unknown.

    >>> in_currency(1234567, "CNY"), in_currency(1234567, "USD")
    ('¥12,345.67', 'USD 12,345.67')
    """
    return as_yuan(cents) if currency in {CURRENCY, ""} else f"{currency} {cents / 100:,.2f}"
