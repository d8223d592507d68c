"""What Grafana makes of `$name` and `${name:format}` in a statement, a title or a link.

Only the formats that our dashboards use. `queryparam` is the one that quotes, backslashes and
commas cannot leave: values come percent-encoded, `$__all` where All is chosen. Grafana knows two
ways to encode, by where the value comes from; the second leaves `@ : $ , ;` as they are.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tests.grafana.macros import Range

ALL: Final = "$__all"
HARD: Final = (  # what ids and names of the world look like
    *("it's", 'the "best"', "back\\slash", "ends with \\", "one,two", "Tom & Jerry", "a=b"),
    *("100 %", "a+b", "妈妈宝典", "Müller", "-- no comment", "/* none */", "{curly}", "a;b@c:d"),
    *("semi') OR 1=1 --", "question?", "tab\there", "line\nbreak", "#hash", "👶"),
)
STRICT: Final = "-_.~"
AS_IN_ADDRESSES: Final = "-_.~@:$,;"
_REFERENCE: Final = re.compile(
    r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen of a variable.

    Args:
        values: one, several or `ALL` alone.
        is_multi: whether several may be chosen; then one value is a list, too.
        options: all there are, which All stands for.
        all_value: what the dashboard says All stands for, instead.
        texts: what a person sees, if not the values.
        spared: characters that `queryparam` leaves as they are.

    """

    values: tuple[str, ...]
    is_multi: bool = False
    options: tuple[str, ...] = ()
    all_value: str = ""
    texts: tuple[str, ...] = ()
    spared: str = STRICT

    @property
    def is_all(self) -> bool:
        """Whether All is chosen."""
        return self.values == (ALL,)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The values, with All written out."""
        return self.options if self.is_all else self.values


Choices = Mapping[str, Choice]


def one(value: str) -> Choice:
    """The value of a variable of which one is chosen."""
    return Choice((value,))


def several(*values: str, options: tuple[str, ...] = ()) -> Choice:
    """Values of a variable of which several may be chosen; none is All."""
    return Choice(values or (ALL,), is_multi=True, options=options)


def interpolate(text: str, choices: Choices, span: Range | None = None) -> str:
    """The text with what is chosen; a name that is no variable stays.

    >>> interpolate("x IN ($kol) AND '${kol:queryparam}'", {"kol": several("a", "b,c")})
    "x IN ('a','b,c') AND 'var-kol=a&var-kol=b%2Cc'"
    >>> interpolate("${brand} $__timeFilter_ms(x)", {"brand": one("it's")})
    "it's $__timeFilter_ms(x)"
    """
    built_in = {} if span is None else _built_in(span)

    def replaced(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[4]
        if name in built_in:
            return built_in[name]
        if name not in choices:
            return match[0]
        return formatted(name, choices[name], match[3] or match[6] or "")

    return _REFERENCE.sub(replaced, text)


def formatted(name: str, choice: Choice, form: str = "") -> str:
    """What is chosen of a variable in a format.

    Raises:
        ValueError: a format that no dashboard of ours uses.

    """
    if form == "queryparam":
        return "&".join(f"var-{name}={quote(v, safe=choice.spared)}" for v in choice.values)
    if form == "text":
        return "All" if choice.is_all else " + ".join(choice.texts or choice.values)
    if choice.is_all and choice.all_value:
        return choice.all_value
    if form not in FORMATS:
        known = ", ".join(sorted({*FORMATS, "queryparam", "text"} - {""}))
        raise ValueError(f"${{{name}:{form}}}: unknown here; our formats are {known}")
    return FORMATS[form](choice)


def _plain(choice: Choice) -> str:
    """As the data source formats it: a list in quotes that protect nothing."""
    values = choice.chosen
    if not (choice.is_multi or choice.is_all):
        return values[0]
    return "'" + "','".join(values) + "'"


def _sql_string(choice: Choice) -> str:
    """In quotes that hold quotes, and fail at backslashes."""
    escaped = (value.replace("'", "''").replace('"', '\\"') for value in choice.chosen)
    return ",".join(f"'{value}'" for value in escaped)


FORMATS: Final[dict[str, Callable[[Choice], str]]] = {
    "": _plain,
    "raw": lambda choice: ",".join(choice.chosen),
    "csv": lambda choice: ",".join(choice.chosen),
    "sqlstring": _sql_string,
    "regex": lambda choice: _pattern([re.escape(value) for value in choice.chosen]),
    "pipe": lambda choice: "|".join(choice.chosen),
}


def _pattern(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"({'|'.join(values)})"


def references(text: str) -> set[tuple[str, str]]:
    """Names and formats of the variables in a text, macros and what Grafana defines left out.

    >>> sorted(references("$a ${b:queryparam} $__timeFilter(x) ${__from}"))
    [('a', ''), ('b', 'queryparam')]
    """
    found = {
        (match[1] or match[2] or match[4], match[3] or match[6] or "")
        for match in _REFERENCE.finditer(text)
    }
    return {(name, form) for name, form in found if not name.startswith("__")}


def _built_in(span: Range) -> dict[str, str]:
    seconds = max(1, (span.to_ms - span.from_ms) // 1_000)
    return {
        "__from": str(span.from_ms),
        "__to": str(span.to_ms),
        "__interval": f"{span.interval_s}s",
        "__interval_ms": str(span.interval_ms),
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__range_ms": str(span.to_ms - span.from_ms),
        "__rate_interval": f"{4 * max(15, span.interval_s)}s",
    }
