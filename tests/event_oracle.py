"""What rows of `event` must say of a log, computed again in plain Python from what was sent.

As `tests.oracle`: an independent reading of the definitions, slow and easy to check by eye.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from xxhash import xxh3_128_digest

from tests import keyed
from tests.oracle import MILLION, Expected, Fields, credibility, readable, tag

TEXTS: Final[Mapping[str, str]] = MappingProxyType(  # column -> field, of either topic
    {
        "kol_id": "kol_id",
        "content_id": "content_id",
        "root_kol_id": "root_kol_id",
        "live_id": "live_id",
        "brand_id": "brand_id",
        "category": "category",
        "platform": "platform",
        "channel": "channel_type",
        "slot_id": "slot_id",
        "reco_id": "reco_id",
        "reco_version": "reco_version",
        "exp_id": "exp_id",
        "arm": "arm",
    }
)
NAMED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(  # column -> field, what it names
    {
        "share": ("share_id", "share"),
        "parent_share": ("parent_share_id", "share"),
        "session": ("session_id", "session"),
        "device": ("device_hash", "device"),
        "ip": ("ip_hash", "ip"),
    }
)
OF_TOPIC: Final[Mapping[str, frozenset[str]]] = MappingProxyType(  # fields that it has
    {
        "clickstream": frozenset({*TEXTS.values(), "share_id", "session_id"})
        - {"root_kol_id", "live_id"}
        | {"share_depth", "visible_ms", "first_screen", "device_hash", "ip_hash"},
        "content-interactions": frozenset(
            {"kol_id", "content_id", "root_kol_id", "live_id", "share_id", "parent_share_id"}
            | {"share_depth", "dwell_ms", "completion", "account_age_d", "device_hash", "ip_hash"}
        ),
    }
)
COLUMNS: Final = (
    *("moment", "topic", "kind", "user_hash", *TEXTS, *NAMED, "share_depth"),
    *("stage", "geo", "age_band", "dwell_ms", "completion_ppm", "visible_ms", "account_age_d"),
    *("credibility_ppm", "first_screen", "identity"),
)

ALLOWED: Final[Mapping[str, str]] = MappingProxyType(  # column -> field of a click
    {"stage": "baby_stage", "geo": "geo", "age_band": "age_band"}
)
CONSENT_MS: Final = 5_000  # from the record time of a consent to the first that it holds for

Row = tuple[Any, ...]
Consents = Mapping[str, tuple[int, frozenset[str]]]  # user -> record time of the newest, columns
NO_CONSENTS: Final[Consents] = MappingProxyType({})
Flags = tuple[int, int, int]  # sponsored, disclosed, number
UNASKED: Final[Flags] = (-1, -1, 0)


def event_rows(expected: Expected, key: bytes, consents: Consents = NO_CONSENTS) -> Counter[Row]:
    """The rows of all accepted events, `COLUMNS` of each, once what was allowed is settled.

    A consent begins anew: of what was appended before it holds nothing stays.
    """
    found: Counter[Row] = Counter()
    for topic, event, received_at in expected.stated:
        row = _row(topic, event, key) | _allowed(topic, event, received_at, consents)
        found[tuple(row[name] for name in COLUMNS)] += 1
    return found


def _allowed(topic: str, event: Fields, received_at: int, consents: Consents) -> dict[str, str]:
    at, columns = consents.get(event["user_id"], (0, frozenset()))
    if topic != "clickstream" or received_at < at + CONSENT_MS:
        return {}
    return {name: tag(event.get(ALLOWED[name])) for name in columns}


def flag_rows(
    expected: Expected, key: bytes, said: Callable[[str, int], Flags]
) -> Counter[tuple[int, int, Flags]]:
    """Identity and moment of each accepted event, and what was known of its content.

    Args:
        expected: of the log.
        key: of keyed names.
        said: what the number that holds at a record time says of a content.

    """
    return Counter(
        (
            identity_of(key, topic, event),
            event["ts"],
            said(event["content_id"], received_at) if event.get("content_id") else UNASKED,
        )
        for topic, event, received_at in expected.stated
    )


def record_times(expected: Expected, key: bytes) -> Counter[Row]:
    """The identity of each accepted event, and when the broker had it."""
    return Counter(
        (identity_of(key, topic, event), received_at)
        for topic, event, received_at in expected.stated
    )


def identity_of(key: bytes, topic: str, event: Fields) -> int:
    """The keyed name of an event, its low word."""
    return name_of(key, "identity", f"{topic}\0{event['user_id']}\0{event['event_id']}") % 2**64


def _row(topic: str, sent: Fields, key: bytes) -> dict[str, Any]:
    known = OF_TOPIC[topic]
    event = {name: value for name, value in sent.items() if name in known and value is not None}
    user, is_click = sent["user_id"], topic == "clickstream"
    return {
        "moment": sent["ts"],
        "topic": topic,
        "kind": sent["event"],
        "user_hash": f"{name_of(key, 'user', user):032x}",
        **{column: tag(event.get(field)) for column, field in TEXTS.items()},
        **{
            column: name_of(key, what, readable(event[field])) % 2**64 if event.get(field) else 0
            for column, (field, what) in NAMED.items()
        },
        "share_depth": event.get("share_depth", 0),
        **dict.fromkeys(("stage", "geo", "age_band"), ""),
        "dwell_ms": event.get("dwell_ms", -1),
        "completion_ppm": round(MILLION * event["completion"]) if "completion" in event else -1,
        "visible_ms": event.get("visible_ms", -1),
        "account_age_d": float(event["account_age_d"]) if "account_age_d" in event else None,
        "credibility_ppm": 0 if is_click else credibility(event.get("account_age_d")),
        "first_screen": int(event.get("first_screen", -1)),
        "identity": identity_of(key, topic, sent),
    }


def name_of(key: bytes, what: str, text: str) -> int:
    """The keyed name of a text, all 128 bits of it."""
    return int.from_bytes(keyed.name(key, what, xxh3_128_digest(text.encode())))
