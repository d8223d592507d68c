r"""Whose a rejected message is: by the ids of persons in it, or by its words.

A JSON object with a `user_id` string belongs to that user, and to whom the `anon_id` or
`respondent` of a reference record names; one that has only these, to them. Of other bytes nobody
can tell; so they belong to every user whose id occurs in them between bytes that are part of no
word. Words are runs of ASCII letters, digits, `_` and bytes above 127; an id may span up to eight
of them (`a-b@c.d` has four). Not found: an id that begins or ends with another byte, one of more
than eight words, one behind the first 4 096 words.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from schemas.surrogates import substituted

WORDS: Final = 4_096  # of a message
SPAN: Final = 8  # words of an id

_WORD = re.compile(rb"[0-9A-Za-z_\x80-\xff]+")


class _User(msgspec.Struct):
    user_id: Any = None


class _UserAndTime(_User):
    ts: Any = None


class _Persons(_User):
    anon_id: Any = None
    respondent: Any = None


_AUser = TypeVar("_AUser", bound=_User)

_user = msgspec.json.Decoder(_User).decode
_persons = msgspec.json.Decoder(_Persons).decode
_user_and_time = msgspec.json.Decoder(_UserAndTime).decode


def user_of(raw: bytes) -> str | None:
    """The user_id of a JSON object; None if the bytes have none that can be read.

    >>> user_of(b'{"user_id": "u1"}'), user_of(b'{"user_id": "u1"'), user_of(b'{"user_id": 1}')
    ('u1', None, None)
    """
    read = _read(raw, _user)
    return None if read is None else _named(read)


def user_and_time(raw: bytes) -> tuple[str | None, int]:
    """As `user_of`, and the event time in milliseconds, 0 where none can be read.

    >>> user_and_time(b'{"user_id": "u1", "ts": 5}'), user_and_time(b'{"user_id": "u1", "ts": "x"}')
    (('u1', 5), ('u1', 0))
    """
    read = _read(raw, _user_and_time)
    if read is None:
        return user_of(raw), 0
    return _named(read), read.ts if isinstance(read.ts, int) and abs(read.ts) < 1 << 62 else 0


def _read(raw: bytes, decode: Callable[[bytes], _AUser]) -> _AUser | None:
    """The fields, also beside lone surrogates; None if they cannot be read or one has any."""
    try:
        return decode(raw)
    except (ValueError, RecursionError):
        both = substituted(raw)
    if both is None:
        return None
    try:
        one, other = map(decode, both)
    except (ValueError, RecursionError):
        return None
    return one if one == other else None


def _named(read: _User) -> str | None:
    return _text(read.user_id)


def _text(word: object) -> str | None:
    return word if isinstance(word, str) and word else None


def users(raw: bytes) -> list[bytes]:
    """The ids of all users to whom a message may belong, as UTF-8, each once.

    >>> users(b'{"user_id": "u1", "kol_id": "k"}'), users(b"u1;k")
    ([b'u1'], [b'u1', b'u1;k', b'k'])
    >>> users(b'{"user_id": "u1", "anon_id": "a1"}'), users(b'{"respondent": "r1"}')
    ([b'u1', b'a1'], [b'r1'])
    """
    read = _read(raw, _persons)
    if read is None:  # perhaps only because of other ids than the user's
        user_id = user_of(raw)
        named = [] if user_id is None else [user_id.encode()]
        return list(dict.fromkeys([*named, *_spans(raw)]))
    words = map(_text, (read.user_id, read.anon_id, read.respondent))
    ids = list(dict.fromkeys(word.encode() for word in words if word is not None))
    is_told = bool(ids) and (read.user_id is None or _named(read) is not None)
    return ids if is_told else list(dict.fromkeys([*ids, *_spans(raw)]))


def _spans(raw: bytes) -> Iterator[bytes]:
    words = [word.span() for word in islice(_WORD.finditer(raw), WORDS)]
    for at, (begin, _) in enumerate(words):
        yield from (raw[begin:end] for _, end in words[at : at + SPAN])


def is_of(raw: bytes, user_id: str) -> bool:
    """Whether a message belongs, or may belong, to this user.

    >>> is_of(b"u1;k", "u1"), is_of(b"u11;k", "u1"), is_of(b'{"user_id": "k", "x": "u1"}', "u1")
    (True, False, False)
    """
    return user_id.encode() in users(raw)
