"""What is known beside the events: records of every reference topic, and how they change.

What comes first lies there before any event: profiles with the accounts of KOLs, so that what is
a KOL's own is so in every run. What comes later changes contents, consents and the rest amid the
traffic: said anew, taken back, or unreadable. Whoever made a record knows why it is refused.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from schemas.partitioner import partition_of
from schemas.reference_types import CONSENTS, REFERENCES
from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_reader import TopicRecord, record_reader
from streams.settings import Settings
from tests import messy
from tests.chaos.world import Sent
from tests.oracle import DAY_MS, Accounts, is_nobody

MOST: Final = 300  # contents, and people who say what they allow
AMID: Final = (0.1, 0.85)  # of the traffic: where what comes later lies
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {  # of the key of a record
    "kol-profile": ("kol_id",),
    "content": ("content_id",),
    "campaign-spend": ("kol_id", "campaign", "day"),
    "perception": ("kol_id", "respondent", "wave"),
    "identity": ("anon_id", "ts"),
    "policy": ("policy_id",),
    "kol-notice": ("kol_id", "kind", "ref"),
    "kol-consents": ("user_id",),
}

Value = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """Who and what is named in the events of some traffic."""

    people: list[str]
    contents: list[str]
    accounts: Accounts  # of some KOLs: who meets them most


@dataclass(slots=True)
class References:
    """What is sent to reference topics."""

    partitions: int
    accounts: Accounts = field(default_factory=dict)
    first: list[Sent] = field(default_factory=list)
    later: list[Sent] = field(default_factory=list)
    faults: dict[tuple[str, bytes | None, bytes | None], str] = field(default_factory=dict)

    def say(self, into: list[Sent], topic: str, value: Value, why: str = "", **odd: Any) -> None:  # noqa: ANN401  # key, raw
        """Add a record, by its own key and as JSON unless `key` or `raw` says otherwise.

        Each has a key: without one a broker takes no record into a compacted topic.
        """
        raw = odd.get("raw", json.dumps(value, ensure_ascii=False).encode())
        key = odd.get("key", key_of(topic, value))
        partition = partition_of(key, self.partitions) if topic == CONSENTS and key else 0
        into.append(Sent(topic, partition, key, raw))
        if why:
            self.faults[topic, key, raw] = why

    def said(self, records: Sequence[Sent], topic: str) -> list[str]:
        """The keys of a topic that are neither taken back nor refused at the end of records."""
        newest = {one.key: one.value for one in records if one.topic == topic}
        return [
            key.decode()
            for key, value in newest.items()
            if key is not None and value is not None and (topic, key, value) not in self.faults
        ]

    def amid(self, messages: Sequence[Sent], seed: int) -> list[Sent]:
        """The traffic with what comes later, in order, somewhere in it."""
        rng, count = Random(f"{seed} amid"), len(messages)
        places = sorted(rng.randint(*(round(at * count) for at in AMID)) for _ in self.later)
        mingled: list[Sent] = []
        begin = 0
        for place, one in zip(places, self.later, strict=True):
            mingled += [*messages[begin:place], one]
            begin = place
        return [*mingled, *messages[begin:]]


def key_of(topic: str, value: Value) -> bytes:
    """The key of a record, as the contract has it."""
    parts = [str(value[name]) for name in FIELDS[topic]]
    if len(parts) > 1:
        parts = [part.replace("%", "%25").replace("/", "%2F") for part in parts]
    return "/".join(parts).encode()


def named(messages: Sequence[Sent], rng: Random) -> Named:
    """Who and what can be spoken of; the messy log's users are the busiest."""
    people, contents = Counter[str](), Counter[str]()
    meetings: dict[str, Counter[str]] = defaultdict(Counter)
    for event in _events(messages):
        user, kol = event.get("user_id"), event.get("kol_id")
        if not isinstance(user, str) or is_nobody(user) or not user.startswith(messy.USER):
            continue
        people[user] += 1
        if isinstance(content := event.get("content_id"), str) and content:
            contents[content] += 1
        if isinstance(kol, str) and kol in messy.KOLS:
            meetings[kol][user] += 1
    return Named(
        _busiest(people, rng),
        _busiest(contents, rng),
        {
            kol: frozenset({max(sorted(users), key=users.__getitem__)})
            for kol, users in sorted(meetings.items())
            if messy.KOLS.index(kol) % 2 == 0
        },
    )


def _busiest(names: Counter[str], rng: Random) -> list[str]:
    """Those that are named most often, in any order."""
    found = sorted(names, key=lambda name: (-names[name], name))[:MOST]
    return rng.sample(found, len(found))


def _events(messages: Sequence[Sent]) -> Iterator[Value]:
    for one in messages:
        try:
            event = json.loads(one.value or b"null")
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def references(seed: int, now: int, partitions: int, messages: Sequence[Sent]) -> References:
    """Records about whom and what these messages name; all of it from the seed."""
    rng = Random(f"{seed} of references")
    about = named(messages, rng)
    found = References(partitions, about.accounts)
    _profiles(found, now)
    _contents(found, now, about.contents, rng)
    _consents(found, now, about.people, rng)
    _people(found, now, about.people)
    _spending(found, now)
    rng.shuffle(found.later)
    return found


def _profiles(found: References, now: int) -> None:
    for place, kol in enumerate(messy.KOLS):
        coupons = [{"coupon_id": f"C{place}", "since": now - 30 * DAY_MS}]
        profile: dict[str, Any] = {
            "kol_id": kol,
            "ts": now - DAY_MS,
            "display_name": f"名 {place}",
            "tier": "head",
        }
        profile |= {"verified": place % 2 == 0, "value_tags": ["x"], "coupon_ids": coupons}
        if kol in found.accounts:
            profile["user_id"] = min(found.accounts[kol])
        found.say(found.first, "kol-profile", profile)
        if kol in found.accounts:  # whose own account it is stays so
            found.say(found.later, "kol-profile", profile | {"tier": "koc"})
        elif place % 3 == 0:
            found.say(found.later, "kol-profile", profile, raw=None)
        elif place % 3 == 1:
            found.say(found.later, "kol-profile", profile, "not_json", raw=b"{oops")
        else:
            found.say(found.later, "kol-profile", profile | {"ts": 5}, "bad_time")
    found.say(found.later, "kol-profile", {"kol_id": "organic"}, "reserved_id")


def _contents(found: References, now: int, contents: Sequence[str], rng: Random) -> None:
    for place, content in enumerate(contents):
        said = {"content_id": content, "ts": now - 3 * DAY_MS, "kol_id": rng.choice(messy.KOLS)}
        said |= {"genre": "promo", "sponsored": rng.random() < 0.5, "disclosed": False}
        found.say(found.first, "content", said)
        match place % 4:
            case 0:
                found.say(found.later, "content", said | {"disclosed": True, "claims": ["a", "b"]})
            case 1:
                found.say(found.later, "content", said | {"sponsored": None})
            case 2 if place % 8 == 2:
                found.say(found.later, "content", said, raw=None)
    for content, bent, why in (
        ("c-bad", {"sponsored": "yes"}, "invalid"),
        ("c-future", {"ts": now + 30 * DAY_MS}, "from_the_future"),
    ):
        said = {"content_id": content, "ts": now - DAY_MS}
        found.say(found.first, "content", said)
        found.say(found.later, "content", said | bent, why)


def _consents(found: References, now: int, people: Sequence[str], rng: Random) -> None:
    names = ("stage", "geo", "age_band")
    for place, user in enumerate(people):
        said = {"user_id": user, "ts": now - DAY_MS}
        said |= {name: rng.random() < 0.7 for name in names if rng.random() < 0.9}
        if place % 5 != 4:
            found.say(found.first, CONSENTS, said)
        match place % 10:
            case 1 | 4:
                found.say(found.later, CONSENTS, said | {"stage": False, "geo": True})
            case 2:
                found.say(found.later, CONSENTS, said, raw=None)
            case 3:
                found.say(found.later, CONSENTS, said, "not_json", raw=b"[]")
            case 6:
                key = user.encode()
                found.say(
                    found.later, CONSENTS, said | {"user_id": f"{user}x"}, "wrong_key", key=key
                )


def _people(found: References, now: int, people: Sequence[str]) -> None:
    for place, user in enumerate(people[:60]):
        bound = {"anon_id": f"anon/{place}", "ts": now - 2 * DAY_MS - place, "user_id": user}
        bound |= {"confidence": 0.5 + place / 1_000, "age_band": "25-29", "birth_month": "2026-03"}
        bound |= {"geo": place if place % 2 else "上海", "tags": {"科学": 0.25}}
        found.say(found.first, "identity", bound)
        if place % 6 == 1:
            found.say(found.later, "identity", bound, raw=None)
        if place % 6 == 2:
            found.say(found.later, "identity", bound | {"user_id": ""}, "invalid")
        asked: dict[str, Any] = {
            "kol_id": messy.KOLS[place % 5],
            "respondent": f"r-{place}",
            "wave": "w/1%",
        }
        asked |= {"ts": now - DAY_MS, "user_id": user, "survey": "panel", "nps": place % 11}
        asked |= {"brand_lift": -0.5, "authenticity": 4.5, "aided_recall": True}
        found.say(found.first, "perception", asked)
        if place % 3 == 0:
            found.say(found.later, "perception", asked | {"nps": (place + 3) % 11, "user_id": None})
        if place % 7 == 2:
            found.say(found.later, "perception", asked | {"nps": 11}, "invalid")


def _spending(found: References, now: int) -> None:
    for place in range(1, 6):
        day = time.strftime("%Y-%m-%d", time.gmtime(now / 1_000 - place * 86_400))
        spent: dict[str, Any] = {
            "kol_id": messy.KOLS[place],
            "campaign": "春/1",
            "day": day,
            "currency": "CNY",
        }
        spent |= {"spend_cents": {"fee": 100 * place, "coupon": 7}, "ts": now - DAY_MS}
        spent |= {"target_segment": {"newborn": 0.25}, "tracked_keywords": ["奶粉"]}
        found.say(found.first, "campaign-spend", spent)
        found.say(found.later, "campaign-spend", spent | {"spend_cents": {"commission": 3}})
    policy = {"policy_id": "p", "ts": now - DAY_MS, "region": "CN", "type": "补贴"}
    found.say(found.first, "policy", policy | {"effective_from": now})
    found.say(found.later, "policy", policy | {"policy_id": "p-2"})
    for kind in ("violation", "retraction", "appeal_upheld"):
        notice = {"kol_id": messy.KOLS[1], "kind": kind, "ref": "case/7", "ts": now - DAY_MS}
        found.say(found.first, "kol-notice", notice)
    found.say(found.later, "kol-notice", notice | {"kind": "praise"}, "unknown_kind")


# ---------------------------------------------------------------- what lies on the broker


def recorded(settings: Settings) -> list[TopicRecord]:
    """Everything committed on the reference topics, in the order of each partition."""
    with kafka_admin(settings.kafka) as broker:
        counts = broker.counts()
    places = [(topic, at) for topic in REFERENCES for at in range(counts[topic])]

    async def read() -> list[TopicRecord]:
        async with record_reader(settings.kafka) as records:
            found = await records.read_all(places)
        return [record for place in places for record in found[place].records]

    return asyncio.run(read())
