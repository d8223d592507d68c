"""What a request says: its first word, the format of its answer, and where its rows begin.

    INSERT [INTO] [TABLE] name [(columns)] [SETTINGS ...] FORMAT name [newline] rows

The rule for the first byte of the rows is the engine's own parser's (ParserInsertQuery): blanks
after the format's name, then at most one line end, belong to the statement.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from deploy.embedded.gateway.errors import Code, refusal
from deploy.embedded.gateway.tokens import Token, tokens

LONGEST = 256 * 1024  # bytes of a statement before its rows; the engine's own max_query_size
_BLANKS = b" \t\f"
_NOT_DATA = ("VALUES", "SELECT", "WITH", "FROM", "WATCH", "(")


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows follow it."""

    head: bytes  # the statement up to SETTINGS or FORMAT
    settings: bytes  # from SETTINGS to FORMAT, often nothing
    format: str
    start: int  # bytes before the first row


@dataclass(frozen=True, slots=True)
class Opening:
    """How a request begins, which is all that is needed to send it the right way."""

    word: str  # the first word, upper case; "" when there is none
    insert: Insert | None  # when rows follow the statement


def opening(text: bytes) -> Opening:
    r"""Look at a statement, or at the first LONGEST bytes of one with its rows.

    >>> opening(b"INSERT INTO t (a) FORMAT TSV\n1\n").insert
    Insert(head=b'INSERT INTO t (a)', settings=b'', format='TSV', start=29)

    Raises:
        Refusal: a semicolon between the format's name and the rows.

    """
    found = _tokens(text)
    first = next((token for token in found if not token.says("(")), None)
    if first is None or not first.is_name:
        return Opening("", None)
    if first.says("INSERT"):
        return Opening("INSERT", _insert(text, found))
    if first.says("WITH"):
        rest = list(found)
        into = _behind_with(rest)
        if into is not None:
            return Opening("INSERT", _insert(text, iter(rest[into:])))
    return Opening(first.text.upper(), None)


def formatted(text: bytes) -> tuple[str | None, bytes]:
    """The format a query names for its answer, and the query without that clause.

    >>> formatted(b"SELECT 1 FORMAT CSV SETTINGS a = 1")
    ('CSV', b'SELECT 1  SETTINGS a = 1')
    """
    clause = _format(list(_tokens(text)))
    if clause is None:
        return None, text
    word, name = clause
    return name.name, text[: word.start] + text[name.end :]


def is_stop(text: bytes) -> bool:
    """Whether this would stop the engine, which sends a signal to all processes around it.

    >>> is_stop(b"/* now */ system shutdown")
    True
    """
    words = list(islice(_tokens(text), 2))
    return len(words) > 1 and words[0].says("SYSTEM") and words[1].says("SHUTDOWN", "KILL")


def _tokens(text: bytes) -> Iterator[Token]:
    """Tokens of bytes: one character per byte, so that places are bytes."""
    return tokens(text.decode("latin-1"))


def _behind_with(found: list[Token]) -> int | None:
    """The place after INSERT, when that is what a WITH clause is for."""
    depth = 0
    for at, token in enumerate(found[:-1]):
        depth += token.says("(") - token.says(")")
        if depth == 0 and token.says("INSERT") and found[at + 1].says("INTO"):
            return at + 1
    return None


def _format(found: list[Token]) -> tuple[Token, Token] | None:
    """The two words of the FORMAT clause at the end of a query, if it has one."""
    depth = 0
    for at in range(len(found) - 1, 0, -1):
        depth += found[at].says(")") - found[at].says("(")
        ends = at + 1 == len(found) or found[at + 1].says(";", "SETTINGS", "INTO")
        if depth == 0 and ends and found[at].is_name and found[at - 1].says("FORMAT"):
            return found[at - 1], found[at]
    return None


def _insert(text: bytes, found: Iterator[Token]) -> Insert | None:
    """Split an INSERT at FORMAT; None when what follows is not rows in a format."""
    settings = None
    for token in _after_name(found):
        if token.says("FORMAT"):
            return _rows(text, settings or token, token, next(found, None))
        if token.says(*_NOT_DATA):
            return None
        if token.says("SETTINGS"):
            settings = token
    return None


def _after_name(found: Iterator[Token]) -> Iterator[Token]:
    """What follows the table's name and its columns; a table may be called `format`."""
    token = next(found, None)
    while token is not None and token.says("INTO", "TABLE", "FUNCTION"):
        token = next(found, None)
    token = next(found, None)  # the name is behind us
    while token is not None and token.says("."):
        next(found, None)
        token = next(found, None)
    while token is not None and token.says("("):  # columns; arguments of a table function
        token = _after_closing(found)
    return chain([] if token is None else [token], found)


def _after_closing(found: Iterator[Token]) -> Token | None:
    """The token after the bracket that closes the one just opened."""
    depth = 1
    for token in found:
        depth += token.says("(") - token.says(")")
        if depth == 0:
            return next(found, None)
    return None


def _rows(text: bytes, settings: Token, clause: Token, name: Token | None) -> Insert | None:
    if name is None or not name.is_name:
        return None
    start = name.end
    if text[start : start + 1] == b";":
        why = "a semicolon between FORMAT and the rows: put the rows right after the format's name"
        raise refusal(Code.SYNTAX_ERROR, why)
    while start < len(text) and text[start] in _BLANKS:
        start += 1
    start += text[start : start + 1] == b"\r"
    start += text[start : start + 1] == b"\n"
    head, between = text[: settings.start], text[settings.start : clause.start]
    return Insert(head.strip(), between.strip(), name.name, start)


def utf8(text: bytes) -> str:
    """The text of a statement.

    Raises:
        Refusal: it is not UTF-8.

    """
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise refusal(Code.BAD_ARGUMENTS, "the statement is not UTF-8") from error
