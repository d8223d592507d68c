"""Which ids are nobody's, however they are written.

    folded(id)   NFKC, casefold, invisible characters removed, white space runs to one space,
                 stripped; again until nothing changes

*Invisible* is what Unicode lets screens ignore (Default_Ignorable_Code_Point): zero-width spaces
and joiners, marks of the writing direction, variation selectors, fillers, tags.

A *placeholder* is an id whose fold is empty or that of a listed one: what a program sends when it
has no id. A KOL is *reserved* whose fold is `organic` or begins with `~`. Ids are compared this
way and never changed.

A batch is searched at once. An ASCII character that is no white space, and an ideograph, is in
the fold of its id, too (in small, or as part of a composed letter). So an id that has one
beyond the letters of all listed ids is none of them, and nearly every id has.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from schemas.cells import ORGANIC

INVISIBLE: Final = (  # first and last of each range
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
PLACEHOLDER_IDS: Final = (
    # what languages print for "no value"; an id of JavaScript's falsy values is one of the first
    *("undefined", "null", "NaN", "false", "0", "[object Object]", "None", "nil"),
    # the same, as Objective-C, Swift, Go and analytics tools print it; no id has such brackets
    *("(null)", "<null>", "<nil>", "(none)", "(not set)"),
    # what people and phones write: Android's serial number is `unknown` without permission
    *("n/a", "unknown"),
    "-1",  # "not found" of databases and lists; ids count up from 1
    # the zero UUID: what an iPhone gives to all apps that may not track
    *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
)

_SPACES: Final = b" \t\r\v\f\x1c\x1d\x1e\x1f"  # ASCII white space but the line feed
_IDEOGRAPHS: Final = range(0x4000, 0xA000)  # no fold changes one of these
_IDEOGRAPH_LEADS: Final = range(0xE4, 0xEA)  # their first bytes in UTF-8, and nobody else's
_TILDES: Final = (b"~", "\uff5e".encode())  # all that fold to one
_VISIBLE: Final = dict.fromkeys(
    code for first, last in INVISIBLE for code in range(first, last + 1)
)


@lru_cache(1 << 12)  # names come again and again
def folded(text: str) -> str:
    r"""What is compared of an id; ids that look alike have the same.

    >>> folded("  Ｏｒ\u200bganic "), folded("[object\tObject]")
    ('organic', '[object object]')
    """
    if text.isascii():
        return " ".join(text.lower().split())
    once = _folded_once(text)
    while once != text:
        text, once = once, _folded_once(once)
    return text


def _folded_once(text: str) -> str:
    visible = unicodedata.normalize("NFKC", text.translate(_VISIBLE))
    return " ".join(visible.casefold().split())


def is_reserved(kol_id: str) -> bool:
    """Whether nobody may have this name.

    >>> is_reserved("Organic "), is_reserved("~others"), is_reserved("organic-mum")
    (True, True, False)
    """
    fold = folded(kol_id)
    return fold == ORGANIC or fold.startswith("~")


class Placeholders:
    """The ids that mean nobody: a list of them, and whatever is blank."""

    def __init__(self, ids: Iterable[str] = PLACEHOLDER_IDS) -> None:
        self._folds: Final = frozenset(map(folded, ids)) | {""}
        self.letters: Final = b"\n" + _letters(self._folds)  # of UTF-8, all that they consist of
        self._users: Final = _Search(self._folds)
        self._kols: Final = _Search(self._folds | {ORGANIC})

    def __contains__(self, one: str) -> bool:
        """Whether this id is a placeholder."""
        return folded(one) in self._folds

    def among(self, ids: Collection[str]) -> frozenset[str]:
        """Those of these ids that are placeholders; none of them, nearly always."""
        return frozenset(one for one in self._users.near(_lines(ids), ids) if one in self)

    def among_kols(self, ids: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Those of these KOLs that are placeholders, and those that are reserved."""
        lines = _lines(ids)
        has_tilde = any(tilde in lines for tilde in _TILDES)
        odd = ids if has_tilde else self._kols.near(lines, ids)
        if not odd:
            return frozenset(), frozenset()
        return (
            frozenset(one for one in odd if one in self),
            frozenset(one for one in odd if is_reserved(one)),
        )


class _Search:
    """Finds what may be a spelling of one of some folds, in many ids at once."""

    def __init__(self, folds: Collection[str]) -> None:
        letters = b"".join(re.escape(bytes([one])) for one in _letters(folds))
        self._line: Final = re.compile(b"\n([%b]*+)(?=\n)" % letters)  # one without other letters

    def near(self, lines: bytes, ids: Collection[str]) -> Collection[str]:
        """All spellings among these ids, and seldom another; `lines` as `_lines` gives them."""
        found = self._line.findall(lines)
        if found and lines.count(b"\n") != len(ids) + 1:  # an id has a line feed
            return ids
        return [line.decode() for line in found]


def _lines(ids: Collection[str]) -> bytes:
    """The ids as UTF-8, each between two line feeds."""
    return "\n{}\n".format("\n".join(ids)).encode()


def _letters(folds: Collection[str]) -> bytes:
    """All bytes of UTF-8, but the line feed, that a spelling of one of these may consist of."""
    decomposed = unicodedata.normalize("NFKD", "".join(folds))
    ascii_bytes = decomposed.encode("ascii", "ignore")
    beyond = set(range(0x80, 0x100))
    if not any(ord(letter) in _IDEOGRAPHS for letter in decomposed):
        beyond.difference_update(_IDEOGRAPH_LEADS)
    return bytes({*_SPACES, *ascii_bytes, *ascii_bytes.upper(), *beyond})


DEFAULT: Final = Placeholders()
