"""The tables of README.md, made from the code.

`python -m schemas.tables` writes them between their marks.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from schemas.topics import PLANNED, TOPICS, Topic
from schemas.wire import FOLDER, SENT, Schema, wire_schema

Row = Sequence[str]

README: Final = FOLDER / "README.md"


def fields_table(topic: str) -> str:
    """The fields of one input or reference topic, the required ones in bold."""
    schema = wire_schema(topic)
    rows = [
        (f"**{name}**" if name in schema["required"] else name, _type(field), field["description"])
        for name, field in schema["properties"].items()
    ]
    return _table(("field", "what may stand there", "meaning"), rows)


def topics_table() -> str:
    """Every topic in use with its partitions and its verified configuration."""
    used = [topic for topic in TOPICS.values() if topic.name not in PLANNED]
    rows = [(t.name, t.key, t.partitions, t.about, _configs(t)) for t in used]
    return _table(("topic", "key", "partitions", "carries", "must be set"), rows)


def filled(page: str) -> str:
    """The page with every table as it is now."""
    tables = {topic: fields_table(topic) for topic in SENT} | {"topics": topics_table()}
    for name, table in tables.items():
        begin, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
        both = re.compile(f"{begin}.*?{end}", re.DOTALL)
        page = both.sub(f"{begin}\n{table}\n{end}".replace("\\", "\\\\"), page)
    return page


def write(path: Path = README) -> None:
    """Write the tables of a page anew."""
    path.write_text(filled(path.read_text("utf-8")), "utf-8")


def _table(head: Row, rows: Iterable[Row]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _configs(topic: Topic) -> str:
    return "<br>".join(f"`{name}={value}`" for name, value in topic.required.items())


def _type(field: Schema) -> str:
    if "enum" in field:
        return " ".join(f"`{word}`" for word in field["enum"])
    ways = [_one_type(way) for way in field.get("anyOf", [field])]
    return " or ".join(way for way in ways if way not in ("null", "integer"))  # a number, too


def _one_type(way: Schema) -> str:
    match way:
        case {"type": "string", "minLength": least, "maxLength": most} if least == most:
            return f"text, {most} characters"
        case {"type": "string", "minLength": least, "maxLength": most}:
            return f"text, {least} to {most} characters"
        case {"type": "string", "maxLength": most}:
            return f"text, up to {most} characters"
        case {"type": "string"}:
            return "text"
        case {"type": "array", "maxItems": most}:
            return f"list of up to {most}"
        case {"type": "object", "properties": fields}:
            return f"object of {' '.join(f'`{name}`' for name in fields)}"
        case {"type": "object", "maxProperties": most, "additionalProperties": member}:
            return f"object of up to {most}: {_one_type(member)} each"
        case {"type": "boolean"}:
            return "true or false"
        case {"minimum": least, "maximum": most}:
            return f"{way['type']}, {_number(least)} to {_number(most)}"
        case {"minimum": least}:
            return f"{way['type']}, at least {least}"
    return str(way["type"])


def _number(value: int) -> str:
    """As people write it.

    >>> _number(-(10**12)), _number(-(2**63)), _number(2**63 - 1), _number(5)
    ('-10^12', '-2^63', '2^63 - 1', '5')
    """
    known = {10**12: "10^12", -(10**12): "-10^12", -(2**63): "-2^63", 2**63 - 1: "2^63 - 1"}
    return known.get(value, str(value))


if __name__ == "__main__":
    write()
