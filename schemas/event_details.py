"""What rows of `event` say of an event beyond what rules read, column by column.

Nothing else looks at it, so it is only read where such rows are written. What a person could be
known by becomes a keyed name of 64 bits, the low word of `keyed_names`: 0 where absent. The texts
of labels are those of the batch alone: however many a producer makes up, none of them stays.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What
from schemas.messages import Messages
from schemas.tags import tag_text
from schemas.values import Coded, Values

LABELS: Final = MappingProxyType(  # column -> field
    {
        **{name: name for name in ("content_id", "root_kol_id", "live_id", "brand_id", "category")},
        **{name: name for name in ("platform", "slot_id", "reco_id", "reco_version", "exp_id")},
        **{name: name for name in ("arm", "geo", "age_band")},
        "channel": "channel_type",
        "stage": "baby_stage",
    }
)
NAMED: Final = MappingProxyType(  # column -> field, what it is a name of
    {
        "session": ("session_id", What.SESSION),
        "device": ("device_hash", What.DEVICE),
        "ip": ("ip_hash", What.IP),
        "share": ("share_id", What.SHARE),
        "parent_share": ("parent_share_id", What.SHARE),
    }
)
UNKNOWN: Final = -1  # of first_screen, beside 0 and 1


def event_details(messages: Messages, names: KeyedNames) -> Mapping[str, Values]:
    """The columns of messages that were read in full, in their order; absent texts are empty.

    A column of which no message says anything may be left out.
    """
    found: dict[str, Values] = {
        **{
            column: _label(messages, field)
            for column, field in LABELS.items()
            if _is_there(messages, field)
        },
        **{
            column: _named(messages, field, what, names)
            for column, (field, what) in NAMED.items()
            if field in messages.named or _is_there(messages, field)
        },
    }
    if _is_there(messages, "first_screen"):
        found["first_screen"] = _first_screen(messages)
    return found


def _label(messages: Messages, field: str) -> Coded:
    tags = messages.rows.values[field]
    texts = [tag if type(tag) is str else tag_text(tag) for tag in tags]
    return Coded(messages.rows.numbers[field], texts)


def _is_there(messages: Messages, field: str) -> bool:
    """Whether any message may have a text in a field that comes as numbers."""
    return any(value is not None for value in messages.rows.values.get(field, ()))


def _named(messages: Messages, field: str, what: What, names: KeyedNames) -> NDArray[np.uint64]:
    """The names of the texts of a field; few of those that come as numbers are distinct."""
    if field in messages.named:
        return messages.named[field]
    texts = [(text or "").encode() for text in messages.rows.values[field]]
    return names.low_words(what, hashed(texts))[messages.rows.numbers[field]]


def _first_screen(messages: Messages) -> NDArray[np.int8]:
    rows = messages.rows
    values = [UNKNOWN if value is None else value for value in rows.values["first_screen"]]
    return np.array(values, np.int8)[rows.numbers["first_screen"]]
