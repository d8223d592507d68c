"""Who and what there is: KOLs, brands, products, platforms, and how a day goes by."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final

from deploy.demo.story import CAST, NEWCOMERS, Part, Role


@dataclass(frozen=True, slots=True)
class Kol:
    """A KOL and the truth about them, which the scores have to find out."""

    kol_id: str
    name: str
    vertical: str
    brand_id: str  # whose products they show most
    role: Role
    reach: float  # how many see them, relative to the others
    user_id: str  # their own account as a buyer
    is_virtual: bool = False  # no human being


@dataclass(frozen=True, slots=True)
class Item:
    """Something to buy."""

    sku: str
    brand_id: str
    category: str
    list_cents: int


BRANDS: Final = {  # brand_id -> category, list price in cents
    "heshan-dairy": ("formula", 32_800),
    "mianmian-care": ("care", 12_900),
    "xiaoluobo-food": ("food", 5_990),
    "qingtian-toys": ("education", 19_900),
    "nuanyang-wear": ("clothes", 15_900),
    "anxin-diapers": ("care", 9_900),
    "yunduo-pregnancy": ("pregnancy", 26_800),
    "tongqu-books": ("education", 8_800),
}
ITEMS: Final = tuple(
    Item(f"{brand}-{size}", brand, category, cents * size)
    for brand, (category, cents) in BRANDS.items()
    for size in (1, 2, 6)
)
PLATFORMS: Final = {"tmall": 0.35, "douyin": 0.35, "xiaohongshu": 0.2, "jd": 0.1}
CHANNELS: Final = {"shelf": 0.3, "social": 0.4, "live": 0.2, "private": 0.1}
SEARCHES: Final = (
    "奶粉 3段",
    "纸尿裤 NB",
    "辅食机",
    "待产包",
    "绘本 0-3岁",
    "婴儿面霜",
    "高景观推车",
)
COMMENTS: Final = (
    "我家宝也在用",
    "求链接",
    "已下单",
    "讲得真清楚",
    "同款,孩子很喜欢",
    "请问多大可以用?",
)
COMPLAINTS: Final = ("和说的不一样", "误导大家", "取关了", "这也太假了吧", "用完孩子起疹子")

_GIVEN: Final = dict(
    pair.split()
    for pair in (
        *("xiaomi 小米", "tangtang 糖糖", "doudou 豆豆", "nuonuo 糯糯", "anan 安安"),
        *("guoguo 果果", "yuanyuan 圆圆", "mianmian 绵绵", "taozi 桃子", "lele 乐乐"),
        *("xingxing 星星", "qiqi 七七", "momo 沫沫", "chengzi 橙子", "beibei 贝贝"),
        *("dingdang 叮当", "xiaoyu 小鱼", "niannian 年年", "huahua 花花", "tuantuan 团团"),
    )
)
_TITLE: Final = {  # pinyin -> name, vertical
    "mama": ("妈妈", "parenting"),
    "baba": ("爸爸", "parenting"),
    "ceping": ("测评", "formula"),
    "fushi": ("辅食记", "food"),
    "zaojiao": ("早教", "education"),
    "yingyang": ("营养师", "food"),
    "riji": ("日记", "parenting"),
    "huli": ("护理师", "care"),
    "huaiyun": ("孕期", "pregnancy"),
    "chuanda": ("穿搭", "clothes"),
}

VIRTUAL: Final = 20  # one in so many of the KOLs beside the cast is no human being

# Share of an average hour's traffic in each hour of the day in Shanghai: lunch and after bedtime.
RHYTHM: Final = (
    *(0.7, 0.5, 0.4, 0.4, 0.4, 0.5, 0.7, 0.9, 1.0, 1.1, 1.1, 1.1),
    *(1.3, 1.2, 1.0, 1.0, 1.0, 1.0, 1.1, 1.3, 1.5, 1.7, 1.6, 1.5),
)
_SHANGHAI_MS: Final = 8 * 3_600_000
_HOUR_MS: Final = 3_600_000


def rhythm(at: int) -> float:
    """How busy this moment (milliseconds) is beside an average one.

    >>> rhythm(0), rhythm(13 * _HOUR_MS)
    (1.0, 1.7)

    """
    return RHYTHM[(at + _SHANGHAI_MS) // _HOUR_MS % 24]


def kols(rng: Random, count: int) -> list[Kol]:
    """The cast of the story and others, `count` in all; reach falls off like 1/rank."""
    brands = tuple(BRANDS)
    cast = [_kol(number, part) for number, part in enumerate(CAST)]
    taken = {kol.name for kol in cast}
    names = [(f"{g}-{t}", _GIVEN[g] + _TITLE[t][0], t) for g, t in product(_GIVEN, _TITLE)]
    names = [name for name in names if name[1] not in taken]
    rng.shuffle(names)
    for rank in range(max(0, count - len(cast))):
        again, place = divmod(rank, len(names))
        pinyin, name, title = names[place]
        suffix = f"-{again + 1}" if again else ""
        cast.append(
            Kol(
                kol_id=f"kol-{pinyin}{suffix}",
                name=name + suffix.replace("-", ""),
                vertical=_TITLE[title][1],
                brand_id=rng.choice(brands),
                role=Role.STEADY,
                reach=1 / (2 + rank) ** 0.8,
                user_id=_account(len(CAST) + len(NEWCOMERS) + rank),
                is_virtual=rank % VIRTUAL == VIRTUAL - 1,
            )
        )
    return cast[:count] if count > len(CAST) else cast


def newcomers() -> list[Kol]:
    """The KOLs whom nobody meets before their debut."""
    return [_kol(number, part) for number, part in enumerate(NEWCOMERS, len(CAST))]


def _kol(number: int, part: Part) -> Kol:
    return Kol(
        part.kol_id,
        part.name,
        part.vertical,
        part.brand_id,
        part.role,
        part.reach,
        _account(number),
    )


def _account(number: int) -> str:
    return f"u-8{number:05}"


def coupon_id(kol: Kol) -> str:
    """Of the coupon that a KOL hands out."""
    return f"{kol.kol_id.removeprefix('kol-')}-20"


def draw(rng: Random, shares: Mapping[str, float]) -> str:
    """One of the names, each as often as its share says."""
    return rng.choices(list(shares), list(shares.values()))[0]
