"""Who the KOLs of the demo's world are, as the shop knows them."""

from collections.abc import Mapping
from random import Random
from typing import Final

from deploy.demo import market
from deploy.demo.contents import DAY_MS
from deploy.demo.families import TAGS
from deploy.demo.market import Kol
from deploy.demo.outbox import Event
from deploy.demo.story import Role

TIERS: Final = {"head": 0.5, "waist": 0.1, "koc": 0.0}  # reach from which on
EXPERTS: Final = ("儿科主治医师", "执业医师")
PROOFS: Final[Mapping[str, str]] = {  # vertical -> what honest KOLs of it can show
    "food": "注册营养师",
    "care": "护士执业证",
    "education": "早教指导师",
    "formula": "乳品检测员",
    "pregnancy": "助产士",
}
# Of the KOLs whom the story says nothing of
PROVED, VERIFIED, LINKED, WITH_COUPON = 0.4, 0.6, 0.7, 0.3


def profile(rng: Random, kol: Kol, at: int) -> Event:
    """A record of `kol-profile`, said at a moment."""
    is_proved, is_verified, is_linked, has_coupon = (
        rng.random() < share for share in (PROVED, VERIFIED, LINKED, WITH_COUPON)
    )
    proofs = EXPERTS if kol.role is Role.EXPERT else (PROOFS.get(kol.vertical),) * is_proved
    about: Event = {
        "kol_id": kol.kol_id,
        "ts": at,
        "display_name": kol.name,
        "tier": next(tier for tier, reach in TIERS.items() if kol.reach >= reach),
        "vertical": kol.vertical,
        "credentials": [proof for proof in proofs if proof],
        "verified": kol.role is Role.EXPERT or (kol.role is not Role.BOUGHT and is_verified),
        "value_tags": rng.sample(TAGS, 2),
        "virtual_kol": kol.is_virtual,
    }
    if kol.role is not Role.STEADY or is_linked:
        about["user_id"] = kol.user_id
    if kol.role is Role.PUSHY or has_coupon:
        about["coupon_ids"] = [{"coupon_id": market.coupon_id(kol), "since": at - 30 * DAY_MS}]
    return about
