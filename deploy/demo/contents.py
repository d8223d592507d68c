"""What KOLs of the demo's world published: genre, text, who paid for it, and its proofs."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from deploy.demo import market
from deploy.demo.market import Kol
from deploy.demo.outbox import Event
from deploy.demo.story import Role

CONTENTS: Final = 40  # of a KOL, numbered
DAY_MS: Final = 86_400_000
OLDEST_DAYS: Final = 60  # when the first of them was published, before the demo's events begin

_STEADY: Final = {
    "experience": 0.4,
    "narrative": 0.25,
    "promo": 0.15,
    "expert_qa": 0.08,
    "live": 0.07,
    "co_created": 0.05,
}
GENRES: Final[Mapping[Role, Mapping[str, float]]] = {
    Role.STEADY: _STEADY,
    Role.EXPERT: {"expert_qa": 0.5, "lab_review": 0.35, "narrative": 0.1, "live": 0.05},
    Role.BOUGHT: {"promo": 0.7, "experience": 0.3},
    Role.FALLEN: _STEADY,
    Role.FALLING: {"lab_review": 0.6, "experience": 0.3, "promo": 0.1},
    Role.PUSHY: {"live": 0.5, "promo": 0.4, "experience": 0.1},
    Role.SPREAD: {"narrative": 0.45, "co_created": 0.3, "experience": 0.25},
}
SPONSORED: Final[Mapping[str, float]] = {"promo": 0.9, "live": 0.6, "experience": 0.25}  # by genre
DISCLOSED: Final[Mapping[Role, float]] = {  # of what was paid for, where it says so
    Role.STEADY: 0.8,
    Role.EXPERT: 1.0,
    Role.BOUGHT: 0.1,
    Role.FALLEN: 0.6,
    Role.FALLING: 0.2,
    Role.PUSHY: 0.9,
    Role.SPREAD: 0.95,
}
PAINS: Final[Mapping[str, tuple[str, ...]]] = {  # category -> what parents of it suffer from
    "formula": ("厌奶", "胀气", "便秘", "转奶拉肚子"),
    "care": ("湿疹", "红屁股", "口水疹", "换季干痒"),
    "food": ("辅食过敏", "挑食", "积食", "缺铁"),
    "education": ("分离焦虑", "坐不住", "入园哭闹", "语言发育慢"),
    "clothes": ("踢被子", "闷汗", "起静电", "衣服磨皮肤"),
    "pregnancy": ("孕吐", "失眠", "待产焦虑", "产后恢复慢"),
}
PRODUCTS: Final = {  # brand_id -> what it is called
    "heshan-dairy": "禾善奶粉",
    "mianmian-care": "绵绵面霜",
    "xiaoluobo-food": "小萝卜米粉",
    "qingtian-toys": "晴天积木",
    "nuanyang-wear": "暖阳连体衣",
    "anxin-diapers": "安心纸尿裤",
    "yunduo-pregnancy": "云朵待产包",
    "tongqu-books": "童趣绘本",
}
TEXTS: Final[Mapping[str, str]] = {
    "lab_review": "{product}送检报告:{n}项指标全部公开,担心{pain}的家庭怎么选",
    "expert_qa": "门诊里问得最多的{n}个问题:{pain}怎么办",
    "narrative": "被{pain}折磨的第{n}个晚上,我和自己和解了",
    "experience": "{product}用了{n}周,{pain}有没有好转?",
    "promo": "{product}限时直降,只有{n}小时,被{pain}困扰的姐妹别错过",
    "live": "今晚八点直播间见,{product}第{n}场,边播边答{pain}",
    "co_created": "{n}位妈妈一起写的{pain}应对手册",
}
COPIED: Final = "姐妹们冲!{product}全网最低价,手慢无"  # says again and again who buys traffic
CLAIMS: Final = ("无添加", "低敏", "三甲医院同款", "第三方检测", "国家标准以上")


def content_id(kol: Kol, number: int) -> str:
    """Of content number n of a KOL."""
    return f"{kol.kol_id}-c{number:02}"


def sale_id(kol: Kol) -> str:
    """Of what a promotion of theirs is about."""
    return f"{kol.kol_id}-sale"


def contents(rng: Random, kol: Kol, until_ms: int) -> Iterator[Event]:
    """Every content of a KOL that an event can name, published before a moment."""
    ages = sorted((rng.uniform(0, OLDEST_DAYS * DAY_MS) for _ in range(CONTENTS)), reverse=True)
    for number, age in enumerate(ages):
        genre = market.draw(rng, GENRES[kol.role])
        sponsored = rng.random() < SPONSORED.get(genre, 0.05)
        if kol.role is Role.FALLING and number == 0:  # what the outrage is about
            genre, sponsored = "lab_review", True
        yield _content(
            rng, kol, content_id(kol, number), int(until_ms - age), genre, sponsored=sponsored
        )
    if kol.role is Role.PUSHY:
        yield _content(rng, kol, sale_id(kol), until_ms - 3_600_000, "live", sponsored=True)


def _content(rng: Random, kol: Kol, name: str, at: int, genre: str, *, sponsored: bool) -> Event:
    product, pains = PRODUCTS[kol.brand_id], PAINS[market.BRANDS[kol.brand_id][0]]
    text = COPIED if kol.role is Role.BOUGHT and genre == "promo" else TEXTS[genre]
    is_proved = genre in {"lab_review", "expert_qa"} and kol.role is not Role.FALLING
    about = {
        "content_id": name,
        "ts": at,
        "kol_id": kol.kol_id,
        "genre": genre,
        "sponsored": sponsored,
        "text": text.format(product=product, pain=rng.choice(pains), n=rng.randint(2, 30)),
        "claims": rng.sample(CLAIMS, rng.randint(0, 2)),
        "ai_generated": rng.random() < (0.5 if kol.role is Role.BOUGHT else 0.08),
        "virtual_kol": kol.is_virtual,
    }
    if sponsored:
        about["disclosed"] = rng.random() < DISCLOSED[kol.role]
    if is_proved:
        about["evidence_refs"] = [f"cnas-{rng.getrandbits(32):08x}"]
    if kol.role is Role.FALLING and name == content_id(kol, 0):
        about["disclosed"] = False
    return about
