"""A second reader of messages, written without the first: the standard library and the schema."""

import json
import re
import unicodedata

import jsonschema

from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.wire import SENT, wire_schema

ACCEPTED = "accepted"
NAMES = {  # with half a character in one of these nobody can say what is meant
    CLICKSTREAM: ("event_id", "user_id", "kol_id", "event"),
    INTERACTIONS: ("event_id", "user_id", "kol_id", "event"),
    PURCHASES: (
        *("event_id", "user_id", "order_id", "ref_order_id", "kind"),
        *("brand_id", "platform", "channel_type", "currency"),
    ),
}

_strict = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer",
        lambda _, value: type(value) is int,  # to JSON Schema 1.0 is an integer, too
    ),
)
VALIDATORS = {topic: _strict(wire_schema(topic)) for topic in SENT}


INVISIBLE = re.compile(  # Default_Ignorable_Code_Point of Unicode
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
NOBODY = {  # what languages print for no value, the zero UUID, blanks
    *("", "undefined", "null", "nan", "false", "0", "[object object]", "none", "nil"),
    *("(null)", "<null>", "<nil>", "(none)", "(not set)", "n/a", "unknown", "-1"),
    *("00000000-0000-0000-0000-000000000000", "0" * 32),
}


def plain_fold(name: str) -> str:
    """What is compared of an id, a definition without short cuts: three times is enough."""
    for _ in range(3):
        seen = INVISIBLE.sub("", name)
        name = " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
    return name


def plain_reason(topic: str, raw: bytes | None, received_at: int) -> str:
    """Why a message is rejected, or `accepted`; its partition is not checked."""
    if raw is None:
        return "null_value"
    if len(raw) > 256 * 1024:
        return "too_large"
    try:
        fields = json.loads(raw.decode(), parse_int=_huge_or_not, parse_constant=_refuse)
        if not isinstance(fields, dict):
            return "not_json"
        names = [fields.get(name) for name in NAMES[topic]]
        json.dumps(names, ensure_ascii=False).encode()  # fails on lone surrogates
    except (ValueError, RecursionError):
        return "not_json"
    return _reason(topic, fields, received_at)


def _huge_or_not(digits: str) -> int:
    return int(digits[:400])  # Python refuses to read more than 4300; huge it is anyway


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _reason(topic: str, fields: dict[str, object], received_at: int) -> str:
    wrong = {_wrong(error) for error in VALIDATORS[topic].iter_errors(fields)}
    wrong |= _wrong_ids(topic, fields)
    for reason in ("invalid", "unknown_kind", "reserved_id", "placeholder_id"):
        if reason in wrong:
            return reason
    ts = fields["ts"]
    assert isinstance(ts, int)
    if ts < 946_684_800_000:
        return "bad_time"
    return "from_the_future" if ts > received_at + 10 * 60 * 1_000 else ACCEPTED


def _wrong_ids(topic: str, fields: dict[str, object]) -> set[str]:
    """The reasons that ids of behaviour give, by what they fold to."""
    if topic == PURCHASES:
        return set()
    user, kol = (
        plain_fold(name) if isinstance(name, str) and name else None
        for name in (fields.get("user_id"), fields.get("kol_id"))
    )
    is_reserved = kol is not None and (kol == "organic" or kol.startswith("~"))
    is_nobody = user in NOBODY or (topic == INTERACTIONS and kol in NOBODY)
    reasons = {"reserved_id": is_reserved, "placeholder_id": is_nobody}
    return {reason for reason, holds in reasons.items() if holds}


def _wrong(error: jsonschema.ValidationError) -> str:
    """Which reason a violation of the schema stands for."""
    if error.validator == "enum" and isinstance(error.instance, str):
        return "unknown_kind"
    if error.validator == "pattern":
        return "reserved_id"
    return "invalid"
