"""A producer's own word or number as a text."""

from typing import Final

from schemas.events import MAX_ID

_EXACT: Final = 2.0**53  # below it every whole number is a float of its own


def tag_text(tag: str | float | None) -> str:
    """The text of a tag, empty where absent: 900 and 900.0 are one tag.

    >>> [tag_text(tag) for tag in ("900g", 900, 900.0, 0.5, 1e300, None)]
    ['900g', '900', '900', '0.5', '1e+300', '']
    """
    if isinstance(tag, str):
        return tag
    if isinstance(tag, float) and tag.is_integer() and abs(tag) < _EXACT:
        tag = int(tag)
    return "" if tag is None else str(tag)[:MAX_ID]
