"""What the demo's world says on reference topics: sound, in time for its events, and true."""

import json
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from statistics import mean

from deploy.demo import story
from deploy.demo.outbox import Event, Message
from deploy.demo.story import Role
from deploy.demo.world import World
from schemas.events import KINDS, PURCHASES
from schemas.reference import read_reference
from schemas.reference_keys import KEYS, key_from
from schemas.reference_types import (
    CONSENTS,
    CONTENTS,
    IDENTITIES,
    NOTICES,
    PERCEPTIONS,
    POLICIES,
    PROFILES,
    REFERENCES,
    SPEND,
    Consent,
)

LIVE = 1_760_000_000_000  # 2025-10-09 08:53 UTC
HISTORY_MS = 90 * 60_000
SHOW_MS = 120_000
USERS = 800
EVERYONE = (*story.CAST, *story.NEWCOMERS)


@cache
def simulated() -> tuple[list[tuple[int, str, Event]], list[Message]]:
    """Records with the moment until which they are sent, and sound events."""
    world = World(11, users=USERS)
    cuts = [0, LIVE, *range(LIVE + 2_000, LIVE + SHOW_MS + 1, 2_000)]
    records = [
        (start, topic, record)
        for start, end in pairwise(cuts)
        for topic, record in world.reference(start, end, LIVE)
    ]
    events = [
        *world.events(LIVE - HISTORY_MS, LIVE, 3, LIVE),
        *world.events(LIVE, LIVE + SHOW_MS, 150, LIVE),
    ]
    return records, [one for one in events if is_sound(*one)]


def is_sound(topic: str, event: Event) -> bool:
    kind = event.get("kind" if topic == PURCHASES else "event")
    is_timed = type(event.get("ts")) is int and event["ts"] > LIVE - HISTORY_MS
    return is_timed and kind in KINDS[topic] and event.get("kol_id") != "organic"


def said(topic: str) -> list[Event]:
    return [record for _, name, record in simulated()[0] if name == topic]


def first_sent(topic: str, field: str) -> dict[str, int]:
    """Id -> from when on at the earliest the first record about it is sent."""
    found: dict[str, int] = {}
    for start, name, record in simulated()[0]:
        if name == topic:
            found.setdefault(record[field], start)
    return found


def events_with(*fields: str) -> list[Event]:
    return [event for _, event in simulated()[1] if all(field in event for field in fields)]


def kol_of(role: Role) -> str:
    (kol,) = [part.kol_id for part in story.CAST if part.role is role]
    return kol


def test_every_topic_is_fed_and_every_record_is_read() -> None:
    records, _ = simulated()

    assert {topic for _, topic, _ in records} == set(REFERENCES)
    for start, topic, record in records:
        key = key_from(topic, [record[name] for name in KEYS[topic]])
        received = max(start, LIVE)
        read = read_reference(topic, key, json.dumps(record).encode(), received)
        assert isinstance(read, REFERENCES[topic]), (read, record)


def test_the_same_seed_says_the_same_whatever_was_asked_before() -> None:
    def beginning(seed: int) -> list[Message]:
        return list(World(seed, users=50).reference(0, LIVE + 1, LIVE))

    asked = World(1, users=50)
    pieces = [*asked.reference(0, LIVE - 9_999_999, LIVE)]
    list(asked.events(LIVE, LIVE + 1_000, 50))
    pieces += asked.reference(LIVE - 9_999_999, LIVE + 1, LIVE)

    assert pieces == beginning(1)
    assert pieces != beginning(2)


def test_a_content_is_known_before_its_first_event_and_is_of_the_same_kol() -> None:
    known, owner = first_sent(CONTENTS, "content_id"), {c["content_id"]: c for c in said(CONTENTS)}
    events = events_with("content_id")

    assert len({event["content_id"] for event in events}) > 1_000
    for event in events:
        content = owner[event["content_id"]]
        assert content["kol_id"] == event["kol_id"]
        assert content["ts"] < event["ts"]
        assert known[event["content_id"]] < event["ts"]


def test_a_kol_has_a_profile_before_the_first_event_and_a_name_of_their_own() -> None:
    known, profiles = first_sent(PROFILES, "kol_id"), {p["kol_id"]: p for p in said(PROFILES)}

    for event in events_with("kol_id"):
        assert known[event["kol_id"]] < event["ts"]
    assert {profiles[one.kol_id]["display_name"] for one in EVERYONE} == {
        one.name for one in EVERYONE
    }
    assert len({one["display_name"] for one in profiles.values()}) == len(profiles) == 62
    accounts = [one["user_id"] for one in profiles.values() if "user_id" in one]
    assert len(set(accounts)) == len(accounts)
    assert all("user_id" in profiles[one.kol_id] for one in EVERYONE)


def test_kols_of_the_story_like_and_buy_what_is_theirs_with_the_account_of_their_profile() -> None:
    account = {p["user_id"]: p["kol_id"] for p in said(PROFILES) if "user_id" in p}
    own = [e for e in events_with("kol_id") if account.get(e["user_id"]) == e["kol_id"]]
    bought = [e for e in events_with("order_id") if e["user_id"] in account]

    assert {event["kol_id"] for event in own} == {act.kol_id for act in story.SELF_ACTS}
    assert {"like", "click"} <= {event["event"] for event in own}
    assert bought
    earliest = min(event["ts"] for event in own)
    assert all(event["ts"] > earliest >= LIVE for event in bought)


def test_a_coupon_that_is_redeemed_is_one_of_the_promoting_kol_since_before() -> None:
    since = {
        coupon["coupon_id"]: (one["kol_id"], coupon["since"])
        for one in said(PROFILES)
        for coupon in one.get("coupon_ids", [])
    }
    redeemed = events_with("coupon_id")

    assert redeemed
    for order in redeemed:
        kol, moment = since[order["coupon_id"]]
        assert kol == kol_of(Role.PUSHY)
        assert moment < order["ts"]


def test_clicks_carry_the_anonymous_id_that_identities_bind_to_their_user() -> None:
    bound: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for one in said(IDENTITIES):
        bound[one["anon_id"]].append((one["ts"], one["user_id"]))
    carried = {(event["anon_id"], event["user_id"]) for event in events_with("anon_id", "event")}

    assert len(carried) > USERS / 2
    known = [(anon, user) for anon, user in carried if anon in bound]
    assert 0.75 < len(known) / len(carried) < 0.95  # .85 of families are bound
    assert all(max(bound[anon])[1] == user for anon, user in known)
    assert any(len(one) > 1 for one in bound.values())  # a phone that was handed down
    bots = [e for e in events_with("account_age_d") if e["account_age_d"] <= 5]
    assert bots
    assert not {user for _, user in carried} & {event["user_id"] for event in bots}


def test_stage_and_age_on_clicks_are_those_that_were_told() -> None:
    first = {"pregnancy": -9, "0-6m": 0, "6-12m": 6, "1-3y": 12, "3-6y": 36}
    last = {"pregnancy": -1, "0-6m": 5, "6-12m": 11, "1-3y": 35, "3-6y": 72}
    told = {
        one["anon_id"]: tuple(map(int, one["birth_month"].split("-")))
        for one in said(IDENTITIES)
        if "birth_month" in one
    }
    bands = {one["anon_id"]: one["age_band"] for one in said(IDENTITIES) if "age_band" in one}
    clicks = [event for event in events_with("anon_id") if event["anon_id"] in told]
    silent = [event for event in events_with("anon_id") if event["anon_id"] not in told]

    assert not any("age_band" in event for event in silent)
    assert len(clicks) > 1_000
    for event in clicks:
        year, month = told[event["anon_id"]]
        age = (2025 - year) * 12 + 10 - month  # in the October of LIVE
        assert event["age_band"] == bands[event["anon_id"]]
        assert first[event["baby_stage"]] <= age <= last[event["baby_stage"]]
    assert len({event["baby_stage"] for event in clicks}) == 5
    assert len({event["geo"] for event in clicks}) == 10


def test_most_families_allow_something_and_some_withdraw_it_while_you_watch() -> None:
    consents = [Consent(**one) for one in said(CONSENTS)]
    before = {one.user_id: one for one in consents if one.ts < LIVE}
    later = [one for one in consents if one.ts >= LIVE]

    assert 0.83 < len(before) / USERS < 0.93  # .88 have answered
    shares = [mean(one.allowed[what] for one in before.values()) for what in range(3)]
    assert all(abs(share - p) < 0.06 for share, p in zip(shares, (0.9, 0.8, 0.7), strict=True))
    assert len(later) == 16  # every 7 s from the tenth second on, in two minutes
    assert any(not any(one.allowed) for one in later)
    assert any(all(one.allowed) for one in later)
    assert {one.user_id for one in later} & before.keys()


def test_a_review_that_was_paid_for_is_found_out_and_then_says_so() -> None:
    kol = kol_of(Role.FALLING)
    review = [c for c in said(CONTENTS) if c["content_id"] == f"{kol}-c00"]
    notices = [(n["kind"], (n["ts"] - LIVE) // 1_000) for n in said(NOTICES) if n["kol_id"] == kol]
    angry = [e for e in events_with("content_id", "event") if e["event"] == "expert_correction"]

    assert [(c["sponsored"], c["disclosed"]) for c in review] == [(True, False), (True, True)]
    assert review[0]["ts"] == review[1]["ts"] < LIVE
    sent = [start for start, _, one in simulated()[0] if one is review[1]]
    assert sent == [LIVE + 110_000]
    assert notices == [("violation", 20), ("retraction", 105)]
    assert Counter(event["content_id"] for event in angry).most_common(1)[0][0] == f"{kol}-c00"


def test_respondents_think_of_a_kol_what_is_true_of_them() -> None:
    def liked(role: Role, wave: str) -> float:
        answers = [p for p in said(PERCEPTIONS) if p["kol_id"] == kol_of(role)]
        return float(mean(p["nps"] >= 8 for p in answers if p["wave"] == wave))

    assert liked(Role.EXPERT, "w1") > 0.75
    assert liked(Role.BOUGHT, "w1") < 0.45
    assert liked(Role.FALLING, "w2") > 0.5 > liked(Role.FALLING, "w3")
    answers = said(PERCEPTIONS)
    assert {one["wave"] for one in answers} == {"w1", "w2", "w3"}
    assert all(one.get("user_id", "u-000000") < f"u-{USERS:06}" for one in answers)


def test_a_day_s_spending_grows_while_you_watch_and_former_days_are_whole() -> None:
    days: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for one in said(SPEND):
        cents = sum(one["spend_cents"].values())
        days[one["kol_id"], one["day"]].append((one["ts"], cents))
    kols = {kol for kol, _ in days}

    assert {part.kol_id for part in EVERYONE} <= kols
    assert len(days) == 15 * len(kols)
    for (_, day), spent in days.items():
        is_today = day == "2025-10-09"
        assert len(spent) == (4 if is_today else 1)  # every half minute of two minutes
        assert spent == sorted(spent)
        assert (spent[-1][1] > spent[0][1]) is is_today


def test_policies_are_announced_before_and_hold_from_a_moment() -> None:
    policies = said(POLICIES)

    assert all(one["ts"] < LIVE for one in policies)
    assert any(one["effective_from"] < LIVE for one in policies)
    assert any(one["effective_from"] > LIVE for one in policies)


def test_texts_are_chinese_and_who_buys_traffic_says_the_same_again_and_again() -> None:
    texts = defaultdict(list)
    for content in said(CONTENTS):
        texts[content["kol_id"]].append(content["text"])

    assert all(
        any("一" <= letter <= "鿿" for letter in text) for one in texts.values() for text in one
    )
    bought, expert = (texts[kol_of(role)] for role in (Role.BOUGHT, Role.EXPERT))
    assert Counter(bought).most_common(1)[0][1] > len(bought) / 2
    assert Counter(expert).most_common(1)[0][1] < len(expert) / 4
