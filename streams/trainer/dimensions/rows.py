"""Records of a reference topic as rows of its dimension, a JSON object each.

A row takes its key back (`deleted`) where its record has no value, or says something about a
person who was erased. Where the key itself names such a person there is no row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from schemas.consents import ALLOWED
from schemas.dimensions import OF_TOPIC
from schemas.reference import Tombstone
from schemas.reference_keys import KEYS, LAST_MS
from schemas.reference_types import (
    CONSENTS,
    CONTENTS,
    IDENTITIES,
    NOTICES,
    PERCEPTIONS,
    PERSONAL,
    POLICIES,
    PROFILES,
    SPEND,
    CampaignSpend,
    Consent,
    Content,
    Identity,
    KolProfile,
    Notice,
    Perception,
    Policy,
    Reference,
)
from schemas.tags import tag_text
from streams.trainer.dimensions.erased import Persons

Row = dict[str, Any]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MS: Final = -2_208_988_800_000  # 1900, the beginning of DateTime64
LAST_DAY: Final = "2149-06-06"  # of Date


class Stated(NamedTuple):
    """What one record says."""

    offset: int
    received_at: int  # record time, milliseconds
    what: Reference | Tombstone


def rows_of(topic: str, reading: int, stated: Sequence[Stated], persons: Persons) -> list[Row]:
    """The rows of what the records of a partition say, the last one of each key."""
    newest: dict[tuple[str | int, ...], Stated] = {_key(topic, one.what): one for one in stated}
    name = _names(topic, newest, persons)
    found = []
    for key, one in newest.items():
        row = _row(topic, key, one, name)
        if row is not None:
            inner = {"reading": reading, "version": one.offset + 1}
            found.append(row | inner | {"received_at": moment(one.received_at)})
    return found


def _key(topic: str, what: Reference | Tombstone) -> tuple[str | int, ...]:
    if isinstance(what, Tombstone):
        return what.key
    return tuple(getattr(what, name) for name in KEYS[topic])


def _row(
    topic: str, key: tuple[str | int, ...], one: Stated, name: Callable[[str, int], str | None]
) -> Row | None:
    """The row of a record; None where its key names a person who was erased."""
    words: list[str | int | None] = list(key)
    at = PERSON_IN_KEY.get(topic)
    if at is not None:
        words[at] = name(str(key[at]), one.received_at)
        if words[at] is None:
            return None
    if topic == IDENTITIES:
        words[1] = moment(cast("int", words[1]))
    if topic == SPEND:
        words[2] = min(str(words[2]), LAST_DAY)
    row: Row = dict(zip(OF_TOPIC[topic].key, words, strict=True))
    if isinstance(one.what, Tombstone):
        return row | {"deleted": True}
    said = _SAID[topic](one.what)
    if topic in USER_BESIDE and (user_id := getattr(one.what, "user_id", None)):
        user = name(user_id, one.received_at)
        if user is None and topic != PROFILES:
            return row | {"deleted": True}
        said["user_hash"] = user or ""
    return row | said | {"deleted": False}


def _names(
    topic: str, newest: Mapping[tuple[str | int, ...], Stated], persons: Persons
) -> Callable[[str, int], str | None]:
    """Name of the person behind an id at a record time, for all ids in these records."""
    wanted = list(dict.fromkeys(chain.from_iterable(_ids(topic, newest))))
    ids = [user_id.encode() for user_id, _ in wanted]
    found = dict(zip(wanted, persons.of(ids, [at for _, at in wanted]), strict=True))
    return lambda user_id, at: found[user_id, at]


def _ids(
    topic: str, newest: Mapping[tuple[str | int, ...], Stated]
) -> Iterator[Iterator[tuple[str, int]]]:
    place = PERSON_IN_KEY.get(topic)
    if place is not None:
        yield ((str(key[place]), one.received_at) for key, one in newest.items())
    if topic in USER_BESIDE:
        yield (
            (user_id, one.received_at)
            for one in newest.values()
            if (user_id := getattr(one.what, "user_id", None))
        )


def moment(ms: int) -> str:
    """A moment as ClickHouse reads it; one beyond an end of its type is that end.

    >>> moment(1_767_225_600_001)
    '2026-01-01 00:00:00.001'
    """
    at = EPOCH + timedelta(milliseconds=min(max(ms, FIRST_MS), LAST_MS))
    return at.replace(tzinfo=None).isoformat(" ", "milliseconds")


def _moment(ms: int | None) -> str | None:
    return None if ms is None else moment(ms)


# ---------------------------------------------------------------- what each topic says


def _profile(said: KolProfile) -> Row:
    coupons = said.coupon_ids or ()
    return {
        "display_name": said.display_name or "",
        "tier": said.tier or "",
        "vertical": said.vertical or "",
        "credentials": said.credentials or (),
        "verified": said.verified,
        "value_tags": said.value_tags or (),
        "virtual_kol": said.virtual_kol,
        "user_hash": "",
        "coupon_ids": [one.coupon_id for one in coupons],
        "coupons_since": [moment(one.since) for one in coupons],
        "said_at": _moment(said.ts),
    }


def _content(said: Content) -> Row:
    return {
        "kol_id": said.kol_id or "",
        "published_at": moment(said.ts),
        "genre": said.genre or "",
        "sponsored": said.sponsored,
        "disclosed": said.disclosed,
        "evidence_refs": said.evidence_refs or (),
        "claims": said.claims or (),
        "text": said.text or "",
        "ai_generated": said.ai_generated,
        "virtual_kol": said.virtual_kol,
    }


def _spend(said: CampaignSpend) -> Row:
    cents = said.spend_cents
    return {
        "brand_id": said.brand_id or "",
        "currency": said.currency or "",
        "fee_cents": cents.fee or 0,
        "commission_cents": cents.commission or 0,
        "seeding_cents": cents.seeding or 0,
        "coupon_cents": cents.coupon or 0,
        "target_segment": said.target_segment or {},
        "tracked_keywords": said.tracked_keywords or (),
        "said_at": _moment(said.ts),
    }


def _perception(said: Perception) -> Row:
    return {
        "answered_at": moment(said.ts),
        "user_hash": "",
        "brand_id": said.brand_id or "",
        "survey": said.survey or "",
        "nps": said.nps,
        "brand_lift": said.brand_lift,
        "authenticity": said.authenticity,
        "aided_recall": said.aided_recall,
        "unaided_recall": said.unaided_recall,
    }


def _identity(said: Identity) -> Row:
    return {
        "confidence": said.confidence,
        "age_band": said.age_band or "",
        "birth_month": said.birth_month or "",
        "geo": tag_text(said.geo),
        "tags": said.tags or {},
    }


def _policy(said: Policy) -> Row:
    return {
        "announced_at": moment(said.ts),
        "region": said.region or "",
        "type": said.type or "",
        "effective_at": _moment(said.effective_from),
    }


def _notice(said: Notice) -> Row:
    return {"noticed_at": moment(said.ts)}


def _consent(said: Consent) -> Row:
    return dict(zip(ALLOWED, said.allowed, strict=True))


_SAID: Final[Mapping[str, Callable[[Any], Row]]] = MappingProxyType(
    {
        PROFILES: _profile,
        CONTENTS: _content,
        SPEND: _spend,
        PERCEPTIONS: _perception,
        IDENTITIES: _identity,
        POLICIES: _policy,
        NOTICES: _notice,
        CONSENTS: _consent,
    }
)
PERSON_IN_KEY: Final[Mapping[str, int]] = MappingProxyType(
    {
        topic: at
        for topic, names in PERSONAL.items()
        for at, name in enumerate(KEYS[topic])
        if name in names
    }
)
USER_BESIDE: Final = frozenset(  # topics whose records have one that is not in the key
    topic for topic, names in PERSONAL.items() if "user_id" in set(names) - set(KEYS[topic])
)
