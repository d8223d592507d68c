"""What brands of the demo's world spend on KOLs, and what surveys, platforms and the state say."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from deploy.demo import market, story
from deploy.demo.audience import user_id
from deploy.demo.contents import DAY_MS
from deploy.demo.families import STAGES
from deploy.demo.market import Kol
from deploy.demo.outbox import Event
from deploy.demo.story import Role

DAYS: Final = 14  # of spending before today
ONE_IN: Final = 3  # of the KOLs beside the cast has a campaign
FEE_CENTS: Final = 2_000_000  # a day, of a KOL with a reach of 1
PARTS: Final = {"commission": 0.4, "seeding": 0.05, "coupon": 0.1}  # of the fee, in a whole day
SHANGHAI: Final = timedelta(hours=8)

RECOMMENDS: Final[Mapping[Role, float]] = {  # how probable it is that a respondent does
    Role.STEADY: 0.65,
    Role.EXPERT: 0.9,
    Role.BOUGHT: 0.25,
    Role.FALLEN: 0.5,
    Role.FALLING: 0.7,
    Role.PUSHY: 0.4,
    Role.SPREAD: 0.8,
}
AFTER_OUTRAGE: Final = 0.15
KNOWN_TO: Final = 0.95  # of respondents who are users that the survey names


def campaigns(kols: Sequence[Kol]) -> list[Kol]:
    """Those on whom a brand spends."""
    return [
        kol for place, kol in enumerate(kols) if kol.role is not Role.STEADY or not place % ONE_IN
    ]


def campaign(rng: Random, kol: Kol) -> Event:
    """What records of `campaign-spend` about a KOL have in common."""
    stages = [name for name, _ in rng.sample(STAGES, 2)]
    return {
        "kol_id": kol.kol_id,
        "campaign": f"{kol.brand_id}-trust",
        "brand_id": kol.brand_id,
        "target_segment": dict(zip(stages, (0.7, 0.3), strict=True)),
        "tracked_keywords": rng.sample(market.SEARCHES, 2),
    }


def spent(rng: Random, kol: Kol) -> dict[str, int]:
    """What a whole day of it costs, in cents."""
    fee = int(FEE_CENTS * (0.1 + kol.reach) * rng.lognormvariate(0, 0.4))
    rest = {name: int(part * fee * rng.uniform(0.7, 1.3)) for name, part in PARTS.items()}
    return {"fee": fee, **rest}


def day(at: int) -> str:
    """The business day of a moment.

    >>> day(1_767_196_800_000)  # 2025-12-31 16:00 UTC
    '2026-01-01'

    """
    return f"{datetime.fromtimestamp(at / 1_000, UTC) + SHANGHAI:%Y-%m-%d}"


def answer(rng: Random, kol: Kol, at: int, wave: str, users: int) -> Event:
    """A record of `perception`: what one respondent thinks of a KOL."""
    is_outraged = kol.role is Role.FALLING and wave == "w3"
    likes = rng.random() < (AFTER_OUTRAGE if is_outraged else RECOMMENDS[kol.role])
    number = rng.randrange(users)
    said: Event = {
        "kol_id": kol.kol_id,
        "respondent": f"p-{number:06}",
        "wave": wave,
        "ts": at,
        "brand_id": kol.brand_id,
        "survey": "trust-panel",
        "nps": rng.randint(8, 10) if likes else rng.randint(0, 6),
        "brand_lift": round(rng.gauss(0.12 if likes else -0.08, 0.05), 3),
        "authenticity": rng.choice((4, 4.5, 5) if likes else (1, 2, 3)),
        "aided_recall": rng.random() < 0.3 + 0.6 * min(1.0, kol.reach),
        "unaided_recall": rng.random() < 0.5 * min(1.0, kol.reach),
    }
    return said | ({"user_id": user_id(number)} if rng.random() < KNOWN_TO else {})


def policies(live: int) -> Iterator[Event]:
    """Records of `policy`."""
    for policy_id, region, kind, announced_d, effective_d in (
        ("gb-10765", "全国", "婴幼儿配方食品标准", -120, 30),
        ("childcare-subsidy", "全国", "育儿补贴", -40, -10),
        ("hangzhou-third-child", "杭州", "三孩生育补贴", -3, 1),
    ):
        yield {
            "policy_id": policy_id,
            "ts": live + announced_d * DAY_MS,
            "region": region,
            "type": kind,
            "effective_from": live + effective_d * DAY_MS,
        }


def notices(live: int) -> Iterator[Event]:
    """Records of `kol-notice`, as the story goes."""
    for kol_id, kind, ref, second in story.NOTICES:
        yield {"kol_id": kol_id, "kind": kind, "ref": ref, "ts": live + second * 1_000}
