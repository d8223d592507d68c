"""Text without control characters, for terminals, logs and JSON.

Ids, file names and errors come from outside. A control character in them can move a terminal's
cursor or rename its window, a bidirectional mark reverses what a person reads.
"""

import json
import re
from typing import Final

_CONTROL: Final = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # bidirectional marks
    r"\u2028\u2029"  # separators of lines and paragraphs
    r"\xad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible
    r"\ud800-\udfff"  # lone surrogates: no UTF-8
)
_ESCAPED: Final = re.compile(f"[{_CONTROL}]")
_ESCAPED_IN_LINES: Final = re.compile(rf"(?!\n)[{_CONTROL}]")


def escaped(text: str) -> str:
    r"""The text on one line; what is a control character or invisible, as its escape in Python.

    >>> escaped("kol-\x1b[31m\n\u202e1\ud800 小李")
    'kol-\\x1b[31m\\n\\u202e1\\ud800 小李'
    """
    return _ESCAPED.sub(_escape, text)


def escaped_lines(text: str) -> str:
    r"""As `escaped`, with its line feeds as they are.

    >>> escaped_lines("a\nb\r")
    'a\nb\\r'
    """
    return _ESCAPED_IN_LINES.sub(_escape, text)


def escaped_json(document: str) -> str:
    r"""The same JSON value, with the characters that `escaped` escapes as JSON's escapes.

    >>> escaped_json('{"id": "\x9b\u202e\U000e0041"}')
    '{"id": "\\u009b\\u202e\\udb40\\udc41"}'
    """
    return _ESCAPED_IN_LINES.sub(lambda found: json.dumps(found[0])[1:-1], document)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
