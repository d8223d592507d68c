"""The story of the demo as data: its KOLs, their true roles, and which act happens when.

Times are seconds since the demo went live; a negative one lies in the history before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Role(Enum):
    """What a KOL is in truth."""

    STEADY = "steady"  # an honest KOL like many
    EXPERT = "expert"  # answers, is right, is believed
    BOUGHT = "bought"  # buys traffic: bots come in waves
    FALLEN = "fallen"  # loses trust in a crisis and gets over it
    FALLING = "falling"  # loses it while you watch
    PUSHY = "pushy"  # sells a lot once, and much of it comes back
    SPREAD = "spread"  # is passed on from friend to friend


class Scenario(Enum):
    """What users do to a KOL in an act."""

    BOTS = "bots"  # young accounts on few devices view for a second and like
    OUTRAGE = "outrage"  # fans unfollow, leave and report; experts correct
    AMENDS = "amends"  # the KOL replies to users one by one; they find it helpful, and right
    PROMOTION = "promotion"  # many buy, and many return it once the demo is live
    DEBUT = "debut"  # users meet a KOL whom nobody has seen before
    SELF = "self"  # the KOL's own account sees what he published and buys it


@dataclass(frozen=True, slots=True)
class Part:
    """A named KOL of the story."""

    kol_id: str
    name: str
    vertical: str
    brand_id: str
    role: Role
    reach: float


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens to one KOL for a while, or again and again."""

    scenario: Scenario
    kol_id: str
    begins_s: int
    ends_s: int
    share: float  # events of the act for each ordinary event meanwhile
    every_s: int = 0  # begins again so often; 0: once

    def is_active(self, second: float) -> bool:
        """Whether the act is going on at this second."""
        if self.every_s:
            return (second - self.begins_s) % self.every_s < self.ends_s - self.begins_s
        return self.begins_s <= second < self.ends_s


CAST: Final = (
    Part("kol-lin-yisheng", "林医生说育儿", "food", "heshan-dairy", Role.EXPERT, 0.9),
    Part("kol-shanliang-lama", "闪亮辣妈", "clothes", "nuanyang-wear", Role.BOUGHT, 0.4),
    Part("kol-taotao-mama", "桃桃妈妈", "care", "mianmian-care", Role.FALLEN, 0.7),
    Part("kol-mibao-ceping", "米宝测评", "formula", "heshan-dairy", Role.FALLING, 0.8),
    Part("kol-dahu-zhibo", "大虎直播间", "care", "anxin-diapers", Role.PUSHY, 0.6),
    Part("kol-xiaomi-mama", "小米妈妈", "food", "xiaoluobo-food", Role.SPREAD, 0.7),
)

NEWCOMERS: Final = (  # nobody meets them but by their debut
    Part("kol-qinghe-yishi", "清禾医师", "care", "mianmian-care", Role.EXPERT, 0.0),
    Part("kol-shanshan-zhibo", "闪闪直播", "clothes", "nuanyang-wear", Role.BOUGHT, 0.0),
)

ACTS: Final = (
    Act(Scenario.BOTS, "kol-shanliang-lama", 0, 40, 0.2, every_s=240),
    Act(Scenario.OUTRAGE, "kol-taotao-mama", -4_200, -3_300, 0.02),
    Act(Scenario.AMENDS, "kol-taotao-mama", -3_000, -300, 0.015),
    Act(Scenario.PROMOTION, "kol-dahu-zhibo", -1_500, -300, 0.06),
    Act(
        Scenario.OUTRAGE, "kol-mibao-ceping", -45, 75, 0.15
    ),  # scores follow after the minute's end
    Act(Scenario.AMENDS, "kol-mibao-ceping", 100, 900, 0.06),
    Act(Scenario.DEBUT, "kol-qinghe-yishi", 0, 900, 0.008),
    Act(Scenario.DEBUT, "kol-shanshan-zhibo", 0, 900, 0.005),
)
SELF_ACTS: Final = (  # what only profiles can tell, once they hold
    Act(Scenario.SELF, "kol-shanliang-lama", 30, 900, 0.0005),
    Act(Scenario.SELF, "kol-xiaomi-mama", 30, 900, 0.0003),
)
NOTICES: Final = (  # KOL, kind, case, second
    ("kol-lin-yisheng", "violation", "case-0990", -3 * 86_400),
    ("kol-lin-yisheng", "appeal_upheld", "case-0990", -2 * 86_400),
    ("kol-taotao-mama", "violation", "case-1001", -4_100),
    ("kol-taotao-mama", "retraction", "case-1001", -2_900),
    ("kol-shanliang-lama", "violation", "case-1003", -2_400),
    ("kol-mibao-ceping", "violation", "case-1004", 20),
    ("kol-mibao-ceping", "retraction", "case-1004", 105),
)
DISCLOSED_S: Final = 110  # when the review that the outrage is about says who paid for it
REFUND_WAVE_S: Final = (10, 80)  # when the promotion's orders come back
REFUND_WAVE_SHARE: Final = 0.45  # how many of them

# How probable each act of a viewer is once they have seen a piece of content.
LIKES: Final[Mapping[str, float]] = {
    "like": 0.24,
    "save": 0.1,
    "comment": 0.07,
    "follow": 0.04,
    "share": 0.03,
    "revisit": 0.02,
    "search_after_view": 0.02,
    "screenshot": 0.01,
    "join_private": 0.01,
    "qa_attend": 0.01,
    "kol_reply": 0.02,
    "mark_helpful": 0.02,
    "mark_correct": 0.005,
    "ugc_post": 0.004,
    "co_create": 0.002,
    "unfollow": 0.003,
    "leave_private": 0.001,
    "report": 0.0005,
    "expert_correction": 0.0005,
}
HABITS: Final[Mapping[Role, Mapping[str, float]]] = {
    Role.STEADY: {},
    Role.EXPERT: {
        "save": 0.3,
        "mark_correct": 0.12,
        "mark_helpful": 0.1,
        "qa_attend": 0.08,
        "kol_reply": 0.15,
        "unfollow": 0.0,
        "report": 0.0,
        "expert_correction": 0.0,
    },
    Role.BOUGHT: {"save": 0.02, "comment": 0.02, "kol_reply": 0.0, "unfollow": 0.02},
    Role.FALLEN: {},
    Role.FALLING: {},
    Role.PUSHY: {"save": 0.04, "unfollow": 0.01},
    Role.SPREAD: {"share": 0.25, "ugc_post": 0.02, "co_create": 0.01},
}
BUYS: Final[Mapping[Role, float]] = {  # how probable an order is once they have looked at a product
    Role.STEADY: 0.4,
    Role.EXPERT: 0.65,
    Role.BOUGHT: 0.1,
    Role.FALLEN: 0.35,
    Role.FALLING: 0.35,
    Role.PUSHY: 0.5,
    Role.SPREAD: 0.5,
}
ANGER: Final[Mapping[str, float]] = {  # what a fan does in an outrage
    "unfollow": 0.45,
    "comment": 0.15,
    "report": 0.15,
    "expert_correction": 0.15,
    "leave_private": 0.1,
}
