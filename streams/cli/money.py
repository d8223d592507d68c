"""Amounts of money as text, each in its own currency."""

from typing import Final

from schemas.currencies import DECIMALS

SIGNS: Final = {"CNY": "¥", "EUR": "€", "GBP": "£", "USD": "$"}  # every other has its code
USUAL_DECIMALS: Final = 2  # of a currency that ISO 4217 does not have


def as_money(amount: int, currency: str) -> str:
    """An amount in the smallest unit of a currency.

    >>> as_money(1234567, "CNY"), as_money(-5, "USD"), as_money(3000, "JPY"), as_money(1, "KWD")
    ('¥12,345.67', '-$0.05', 'JPY 3,000', 'KWD 0.001')
    """
    decimals = DECIMALS.get(currency, USUAL_DECIMALS)
    whole, part = divmod(abs(amount), 10**decimals)
    number = f"{whole:,}.{part:0{decimals}}" if decimals else f"{whole:,}"
    sign = SIGNS.get(currency, f"{currency} ".lstrip())
    return f"{'-' if amount < 0 else ''}{sign}{number}"
