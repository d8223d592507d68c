"""What people do: the three input topics, field by field."""

from enum import IntEnum
from typing import Final

CLICKSTREAM: Final = "clickstream"
INTERACTIONS: Final = "content-interactions"
PURCHASES: Final = "purchases"
INPUTS: Final = (CLICKSTREAM, INTERACTIONS, PURCHASES)


class Kind(IntEnum):
    """Every event of every input topic; the wire name is the name in lower case.

    Codes are appended, never renumbered.
    """

    IMPRESSION = 0
    CLICK = 1
    SEARCH = 2
    PDP_VIEW = 3
    ADD_CART = 4
    CHECKOUT = 5
    COUPON_VIEW = 6
    SERVICE_PUSH = 7

    VIEW = 32
    LIKE = 33
    SAVE = 34
    COMMENT = 35
    DANMAKU = 36
    SHARE = 37
    FOLLOW = 38
    UNFOLLOW = 39
    SCREENSHOT = 40
    REVISIT = 41
    SEARCH_AFTER_VIEW = 42
    JOIN_PRIVATE = 43
    LEAVE_PRIVATE = 44
    QA_ATTEND = 45
    CO_CREATE = 46
    UGC_POST = 47
    REPORT = 48
    KOL_REPLY = 49
    MARK_HELPFUL = 50
    MARK_CORRECT = 51
    EXPERT_CORRECTION = 52

    PAID = 96
    REFUND = 97
    CANCEL = 98
