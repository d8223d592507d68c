"""Keys of reference records: they name what a record is about, so that compaction loses nothing.

    kol-profile  kol_id                          content      content_id
    policy       policy_id                       kol-consents user_id
    identity     anon_id / ts                    perception   kol_id / respondent / wave
    kol-notice   kol_id / kind / ref             campaign-spend  kol_id / campaign / day

A key of one field is the id itself. Of several each is written with `%` as `%25` and `/` as
`%2F`, joined by `/`: no other record has the same bytes. All keys are UTF-8.

Compaction keeps the newest record of a key. With `identity` by anon_id alone an earlier owner of
the id would be lost, with `kol-notice` by kol_id all notices but one. A record whose key is not
the one that its value says would replace another record, or never be replaced: it is refused.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from schemas.events import YEAR_2000
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
    Reference,
)

KEYS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(  # topic -> the fields of its key
    {
        PROFILES: ("kol_id",),
        CONTENTS: ("content_id",),
        SPEND: ("kol_id", "campaign", "day"),
        PERCEPTIONS: ("kol_id", "respondent", "wave"),
        IDENTITIES: ("anon_id", "ts"),
        POLICIES: ("policy_id",),
        NOTICES: ("kol_id", "kind", "ref"),
        CONSENTS: ("user_id",),
    }
)

LAST_MS: Final = 10_413_791_999_999  # the end of DateTime64; no record has a later record time

_SEPARATOR: Final = "/"
_TYPES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(  # topic -> field -> its type
    {
        topic: {field.name: field.type for field in msgspec.structs.fields(record)}
        for topic, record in REFERENCES.items()
    }
)


def key_of(topic: str, record: Reference) -> bytes:
    """The key that a record must have."""
    return key_from(topic, [getattr(record, name) for name in KEYS[topic]])


def key_from(topic: str, parts: Sequence[str | int]) -> bytes:
    """The key of what these fields name, in the order of `KEYS`.

    >>> key_from("kol-notice", ["k/1", "violation", "100%"])
    b'k%2F1/violation/100%25'
    >>> key_from("content", ["c/1"])
    b'c/1'
    """
    words = [str(part) for part in parts]
    if len(KEYS[topic]) == 1:
        return words[0].encode()
    return _SEPARATOR.join(map(_escaped, words)).encode()


def key_parts(topic: str, key: bytes) -> tuple[str | int, ...] | None:
    """The fields that a key names; None if no record of the topic can have this key.

    >>> key_parts("kol-notice", b"k%2F1/violation/100%25")
    ('k/1', 'violation', '100%')
    >>> key_parts("identity", b"a/1767225600000")
    ('a', 1767225600000)
    >>> key_parts("identity", b"a"), key_parts("identity", b"a/x")
    (None, None)
    >>> key_parts("identity", b"a/01767225600000"), key_parts("identity", b"a/-9223372036854775808")
    (None, None)
    """
    names = KEYS[topic]
    try:
        text = key.decode()
        words = [text] if len(names) == 1 else list(map(_plain, text.split(_SEPARATOR)))
        parts = tuple(
            msgspec.convert(word, _TYPES[topic][name], strict=False)
            for name, word in zip(names, words, strict=True)
        )
    except ValueError:  # not UTF-8, too many or too few, or what no field can hold
        return None
    if topic == IDENTITIES and not YEAR_2000 <= cast("int", parts[1]) <= LAST_MS:
        return None
    return parts if key_from(topic, parts) == key else None


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace(_SEPARATOR, "%2F")


def _plain(part: str) -> str:
    return part.replace("%2F", _SEPARATOR).replace("%25", "%")
