"""ClickHouse SQL cut into tokens, as far as the gateway needs to understand it.

It follows the engine's lexer for ASCII text: four kinds of comment, strings with backslashes and
doubled quotes, two kinds of quoted names, heredocs. Bytes above 127 count as letters. What a
restricted user may say is never judged on raw text, but on the engine's own rewriting of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>    [\s\0]+ | (?:--|//|\#[ !])[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<literal>  '(?:[^'\\]|\\.|'')*(?:'|\Z) | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
  | (?P<quoted>   `(?:[^`\\]|\\.|``)*(?:`|\Z) | "(?:[^"\\]|\\.|"")*(?:"|\Z) )
  | (?P<word>     [\w$\x80-\U0010ffff]+ )
  | (?P<mark>     . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token that means something; comments and blanks are left out."""

    kind: str  # "word", "quoted", "literal" or "mark"
    text: str  # as written, quotes included
    start: int  # characters from the beginning
    end: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these unquoted words, given in upper case, or marks."""
        return self.kind in {"word", "mark"} and self.text.upper() in words

    @property
    def is_name(self) -> bool:
        """Whether this can name a table, a column or a function."""
        return self.kind in {"word", "quoted"}

    @property
    def name(self) -> str:
        r"""The name without its quotes; escapes stay as written.

        >>> [token.name for token in tokens('a `b` "c"')]
        ['a', 'b', 'c']
        """
        return self.text[1:-1] if self.kind == "quoted" else self.text


def tokens(text: str) -> Iterator[Token]:
    r"""The tokens of a text, in order, found only as far as they are asked for.

    >>> [token.text for token in tokens("SELECT 'it''s' -- why\n, file ( /* ( */ x)")]
    ['SELECT', "'it''s'", ',', 'file', '(', 'x', ')']
    """
    for found in _TOKEN.finditer(text):
        if found.lastgroup is not None and found.lastgroup != "space":
            yield Token(found.lastgroup, found[0], found.start(), found.end())
