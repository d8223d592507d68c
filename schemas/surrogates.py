r"""Lone surrogates in JSON: escapes such as `\ud83d` that stand for half a character.

A string that was cut inside an emoji has one. JSON allows them, UTF-8 and the decoder do not.
"""

import re
from typing import Final

_LONE: Final = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # where no pair begins
_PAIR: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# a run of everything else in one piece, or the one: a message full of escapes is not much slower
_PIECE: Final = re.compile(rb"(?:[^\\]++|%b|(?!%b)\\.)++|(%b)" % (_PAIR, _LONE, _LONE), re.DOTALL)
_SUBSTITUTES: Final = (rb"\ufffd", rb"\ufffc")  # two of them: values that differ had a surrogate


def substituted(raw: bytes) -> tuple[bytes, bytes] | None:
    r"""JSON twice, its lone surrogates replaced by U+FFFD and by U+FFFC; None if it has none.

    >>> substituted(rb'{"a":"\ud83d","b":"\ud83d\udc76"}')[0]
    b'{"a":"\\ufffd","b":"\\ud83d\\udc76"}'
    """
    if not any(match[1] for match in _PIECE.finditer(raw)):
        return None
    first, second = (
        _PIECE.sub(lambda match: by if match[1] else match[0], raw)  # noqa: B023  # called at once
        for by in _SUBSTITUTES
    )
    return first, second
