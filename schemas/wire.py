"""The wire schemas: what producers may send, as JSON Schema, generated from the types.

`python -m schemas.wire` writes them to `schemas/wire/`. It refuses a change that would break a
producer who follows the present schema: such a change needs a new version beside the old one.
"""

from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from schemas.events import EVENTS, PRICED, PURCHASES
from schemas.reference_types import REFERENCES

Schema = dict[str, Any]

VERSION: Final = 1
FOLDER: Final = Path(__file__).parent
SENT: Final[Mapping[str, Any]] = MappingProxyType({**EVENTS, **REFERENCES})  # topic -> its type

_EXTRA: Final[Mapping[str, Schema]] = MappingProxyType(
    {  # rules that a type cannot express
        PURCHASES: {
            "if": {"properties": {"kind": {"enum": [kind.label for kind in PRICED]}}},
            "then": {
                "required": ["pay_cents"],
                "properties": {"pay_cents": {"type": "integer"}},
            },
        }
    }
)
_LOWER: Final = ("minimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_INSIDE: Final = {"items": "[]", "additionalProperties": ".*", "propertyNames": ".name"}
_KNOWN: Final = {
    *("type", "anyOf", "enum", "properties", "required", *_INSIDE, *_LOWER, *_UPPER),
    *("$schema", "title", "description", "default"),  # they restrict nothing
}


def wire_schema(topic: str) -> Schema:
    """The JSON Schema of one event of an input topic, or of one record of a reference topic."""
    whole = msgspec.json.schema(SENT[topic])
    body: Schema = _inlined({"$ref": whole["$ref"]}, whole["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        "title": f"{topic} v{VERSION}",
        "description": " ".join(body["description"].split()),
        **_EXTRA.get(topic, {}),
    }


def _inlined(schema: Any, parts: Schema) -> Any:  # noqa: ANN401  # any part of a schema
    """The schema with every part in the place that refers to it."""
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {word: _inlined(one, parts) for word, one in schema.items() if word != "$ref"}
    if "$ref" not in schema:
        return rest
    return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts) | rest


def as_text(schema: Schema) -> bytes:
    """The bytes of the file: indented, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def path_of(topic: str, folder: Path = FOLDER) -> Path:
    """Where the schema of a topic is kept."""
    return folder / "wire" / f"{topic}.v{VERSION}.schema.json"


def breaking(old: Schema, new: Schema, at: str = "$") -> list[str]:
    """What a producer who follows `old` may send and `new` rejects, one line each.

    A keyword that is not known here counts as breaking unless it is unchanged or removed.
    """
    found = [f"{at}: {word} is new or other" for word in _unknown_keywords(old, new)]
    found += [f"{at}: no longer {word}" for word in _missing(old, new, "enum") if "enum" in new]
    if "anyOf" in old or "anyOf" in new:
        ways = new.get("anyOf", [new])
        lost = [w for w in old.get("anyOf", [old]) if all(breaking(w, way) for way in ways)]
        return found + [f"{at}: no longer takes {was}" for was in lost]
    found += [f"{at}: {word} is narrower" for word in _narrower(old, new)]
    found += [f"{at}.{name}: has become required" for name in _missing(new, old, "required")]
    now = new.get("properties", {})
    for name, was in old.get("properties", {}).items():
        inside = f"{at}.{name}"
        found += breaking(was, now[name], inside) if name in now else [f"{inside}: has vanished"]
    for word, mark in _INSIDE.items():
        if word in new:
            found += breaking(old.get(word, {}), new[word], f"{at}{mark}")
    return found


def _unknown_keywords(old: Schema, new: Schema) -> list[str]:
    """The new or changed keywords of `new` whose effect is not known here."""
    known = _KNOWN if "enum" in old else _KNOWN - {"enum"}
    return [word for word in new if word not in known and new[word] != old.get(word)]


def _missing(old: Schema, new: Schema, word: str) -> list[str]:
    """The entries of the list `word` of `old` that are not in that of `new`."""
    return [name for name in old.get(word, []) if name not in new.get(word, [])]


def _narrower(old: Schema, new: Schema) -> list[str]:
    """The keywords of type and range by which `new` accepts less than `old`."""
    now, was = new.get("type"), old.get("type")
    same = now in (None, was) or (was, now) == ("integer", "number")
    lower = [word for word in _LOWER if new.get(word, -inf) > old.get(word, -inf)]
    upper = [word for word in _UPPER if new.get(word, inf) < old.get(word, inf)]
    return [*([] if same else ["type"]), *lower, *upper]


def write(folder: Path = FOLDER) -> None:
    """Write every wire schema.

    Raises:
        ValueError: one of them would break a producer that follows the present one.

    """
    for topic in SENT:
        path, new = path_of(topic, folder), wire_schema(topic)
        if path.exists() and (broken := breaking(msgspec.json.decode(path.read_bytes()), new)):
            raise ValueError("\n".join([f"{path.name} needs a new version beside it", *broken]))
        path.write_bytes(as_text(new))


if __name__ == "__main__":
    write()
