"""Rows as the data frames that Grafana's components draw: as the ClickHouse data source makes them.

A table keeps its columns. A time series is long, with a column of text or truth beside its values:
then it becomes wide, one field for each value column and each combination of texts, which are its
labels; where a field has nothing at a time it is null. Without such a column it is wide already.

    {"refId": "A", "name": "A", "fields": [{"name": "time", "type": "time", "values": [...]}, ...]}

Times are milliseconds since the epoch.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from tests.grafana.boards import SERIES

TYPES: Final = (  # of ClickHouse, without Nullable and LowCardinality -> of a field
    (re.compile(r"Date"), "time"),
    (re.compile(r"U?Int|Float|Decimal|BFloat"), "number"),
    (re.compile(r"Bool"), "boolean"),
    (re.compile(r"String|FixedString|Enum|UUID|IPv"), "string"),
)
Frame = dict[str, Any]


class FrameError(ValueError):
    """Rows that the data source makes no frame of, in a sentence."""


def kind_of(column_type: str) -> str:
    """What a field of a ClickHouse type is; `other` for lists, tuples and maps.

    >>> kind_of("LowCardinality(Nullable(String))"), kind_of("Array(String)")
    ('string', 'other')
    """
    inner = column_type
    while (match := re.fullmatch(r"(?:Nullable|LowCardinality)\((.*)\)", inner)) is not None:
        inner = match[1]
    return next((kind for form, kind in TYPES if form.match(inner)), "other")


def framed(
    names: Sequence[str],
    types: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    form: int = SERIES,
    ref: str = "A",
) -> list[Frame]:
    """The frames of an answer: one, or none of a series without rows.

    Raises:
        FrameError: a series is not in the order of time, or a time is missing.

    """
    kinds = [kind_of(one) for one in types]
    columns = [[_plain(row[at], kind) for row in rows] for at, kind in enumerate(kinds)]
    if form != SERIES:
        return [_frame(ref, zip(names, kinds, columns, strict=True))]
    if not rows:
        return []
    labels = [at for at, kind in enumerate(kinds) if kind in {"string", "boolean"}]
    times = [at for at, kind in enumerate(kinds) if kind == "time"]
    values = [at for at in range(len(names)) if at not in labels and at not in times[:1]]
    if not times or not values or not labels:
        return [_frame(ref, zip(names, kinds, columns, strict=True))]
    return [_wide(ref, names, kinds, columns, times[0], labels, values)]


def _wide(  # the columns and the parts they play
    ref: str,
    names: Sequence[str],
    kinds: Sequence[str],
    columns: Sequence[Sequence[Any]],
    at: int,
    labels: Sequence[int],
    values: Sequence[int],
) -> Frame:
    """Long rows side by side, as the plugin's SDK does it."""
    moments: list[int] = []
    found: dict[tuple[str, tuple[str, ...]], dict[int, Any]] = {}
    for row, moment in enumerate(columns[at]):
        if moment is None:
            raise FrameError("a time series has a row without a time")
        if moments and moment < moments[-1]:
            raise FrameError("a time series must be in the order of time: ORDER BY time")
        if not moments or moment > moments[-1]:
            moments.append(moment)
        words = tuple(_label(columns[label][row]) for label in labels)
        for value in values:
            found.setdefault((names[value], words), {})[len(moments) - 1] = columns[value][row]
    kind_by_name = {names[value]: kinds[value] for value in values}
    fields: list[Mapping[str, Any]] = [{"name": names[at], "type": "time", "values": moments}]
    for name, words in sorted(found):
        by_place = found[name, words]
        fields.append(
            {
                "name": name,
                "type": kind_by_name[name],
                "labels": {names[at]: word for at, word in zip(labels, words, strict=True)},
                "values": [by_place.get(place) for place in range(len(moments))],
            }
        )
    return {"refId": ref, "name": ref, "fields": fields}


def _frame(ref: str, columns: Any) -> Frame:  # noqa: ANN401  # names, kinds and values
    return {
        "refId": ref,
        "name": ref,
        "fields": [
            {"name": name, "type": kind, "values": list(values)} for name, kind, values in columns
        ],
    }


def _label(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any, kind: str) -> Any:  # noqa: ANN401  # any value of a column
    """A value as JSON has it."""
    if value is None:
        return None
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(zoned.timestamp() * 1_000)
    if isinstance(value, date):
        return round(datetime.combine(value, time(), UTC).timestamp() * 1_000)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if kind in {"string", "other"}:
        return value if isinstance(value, str) else str(value)
    return value


def display_names(frames: Sequence[Frame]) -> list[list[str]]:
    """What Grafana calls the fields of a panel's frames, before any override.

    A field is called as its column (but `Value`), with its label behind it, or all its labels in
    brackets where there are several; and the letter of its query before it where there are some.
    """
    keys = {key for frame in frames for one in frame["fields"] for key in one.get("labels") or {}}
    differ = len({frame["refId"] for frame in frames}) > 1
    return [
        [_called(one, frame["refId"] if differ else "", keys) for one in frame["fields"]]
        for frame in frames
    ]


def _called(field: Mapping[str, Any], letter: str, keys: set[str]) -> str:
    if field["type"] == "time" and not field.get("labels"):
        return str(field["name"])
    labels = field.get("labels") or {}
    if len(keys) == 1:
        words = "".join(labels.values())
    else:
        inner = ", ".join(f'{name}="{word}"' for name, word in sorted(labels.items()))
        words = f"{{{inner}}}" if inner else ""
    name = "" if field["name"] == "Value" else field["name"]
    return " ".join(part for part in (letter, name, words) if part) or "Value"
