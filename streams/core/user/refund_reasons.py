"""Why goods come back: what a reason says of the KOL who recommended them.

A reason is free text. These words, wherever they stand in it, are the buyer's own: they say that
the buyer has thought better of it, not that the goods were other than was said. Any other reason,
and none, speaks against the KOL.
"""

from typing import Final

BUYERS_OWN: Final = (
    *("changed_mind", "changed mind", "no_longer_needed", "no longer needed"),
    *("duplicate", "ordered twice", "wrong_size", "wrong size", "wrong_address", "wrong address"),
    *("无理由", "不想要", "不需要", "拍错", "多拍", "重复下单", "尺码", "尺寸", "地址"),
)


def is_buyers_own(reason: str) -> bool:
    """Whether a reason is the buyer's own.

    >>> is_buyers_own("七天无理由退货"), is_buyers_own("质量问题"), is_buyers_own("")
    (True, False, False)
    """
    said = reason.lower()
    return any(word in said for word in BUYERS_OWN)
