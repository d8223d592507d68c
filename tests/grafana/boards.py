"""Dashboards as their JSON says, piece by piece, and what is provisioned beside them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.grafana.variables import references

ROOT: Final = Path(__file__).parents[2]
GRAFANA: Final = ROOT / "deploy" / "grafana"
FOLDER: Final = GRAFANA / "dashboards"
CLICKHOUSE: Final = "grafana-clickhouse-datasource"
PROMETHEUS: Final = "prometheus"
SERIES, TABLE = 0, 1  # of a target: how rows become frames

Json = Mapping[str, Any]


class Finding(NamedTuple):
    """Something that is wrong: where, and a sentence that says what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a panel or a variable asks a data source."""

    json: Json
    kind: str  # of the data source
    source: str  # its uid

    @property
    def ref(self) -> str:
        """Its letter."""
        return str(self.json.get("refId", "A"))

    @property
    def sql(self) -> str:
        """The statement, empty where it is none."""
        return str(self.json.get("rawSql", "")) if self.kind == CLICKHOUSE else ""

    @property
    def promql(self) -> str:
        """The expression, empty where it is none."""
        return str(self.json.get("expr", "")) if self.kind == PROMETHEUS else ""

    @property
    def format(self) -> int:
        """`SERIES` or `TABLE`."""
        return int(self.json.get("format", SERIES)) if self.kind == CLICKHOUSE else SERIES


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel, and the dashboard it stands on."""

    json: Json
    uid: str

    @property
    def id(self) -> int | None:
        """Its number on the dashboard."""
        return self.json.get("id")

    @property
    def kind(self) -> str:
        """What draws it."""
        return str(self.json.get("type", ""))

    @property
    def title(self) -> str:
        """What stands above it."""
        return str(self.json.get("title", ""))

    @property
    def where(self) -> str:
        """How findings name it."""
        return f"{self.uid} / {self.title or self.id}"

    @property
    def defaults(self) -> Json:
        """What holds for all of its fields."""
        config = self.json.get("fieldConfig") or {}
        return dict(config.get("defaults") or {})

    @property
    def overrides(self) -> list[Json]:
        """What holds for some of its fields."""
        config = self.json.get("fieldConfig") or {}
        return list(config.get("overrides") or [])

    def unit_of(self, column: str) -> str:
        """The unit that a column is shown in, empty where none is set."""
        unit = str(self.defaults.get("unit", ""))
        for override in self.overrides:
            matcher = override.get("matcher", {})
            if matcher.get("id") == "byName" and matcher.get("options") == column:
                found = [p["value"] for p in override["properties"] if p["id"] == "unit"]
                unit = str(found[-1]) if found else unit
        return unit

    @property
    def targets(self) -> list[Target]:
        """What it asks."""
        own = self.json.get("datasource")
        return [_target(one, own) for one in self.json.get("targets") or []]


def _target(target: Json, default: Json | None) -> Target:
    source = target.get("datasource") or default or {}
    return Target(target, str(source.get("type", "")), str(source.get("uid", "")))


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a dashboard."""

    json: Json

    @property
    def name(self) -> str:
        """As statements name it."""
        return str(self.json["name"])

    @property
    def kind(self) -> str:
        """query, custom, constant, ..."""
        return str(self.json["type"])

    @property
    def is_multi(self) -> bool:
        """Whether several values may be chosen."""
        return bool(self.json.get("multi"))

    @property
    def has_all(self) -> bool:
        """Whether All may be chosen."""
        return bool(self.json.get("includeAll"))

    @property
    def target(self) -> Target | None:
        """What it asks for its values, if it asks."""
        if self.kind != "query":
            return None
        query = self.json.get("query") or ""
        asked = query if isinstance(query, Mapping) else {"rawSql": query, "expr": query}
        return _target({"refId": self.name, "format": TABLE, **asked}, self.json.get("datasource"))

    @property
    def given(self) -> list[tuple[str, str]]:
        """Values and texts that it has without asking."""
        if self.kind == "constant":
            value = str(self.json.get("query", ""))
            return [(value, value)]
        return [
            (str(one["value"]), str(one["text"]))
            for one in self.json.get("options") or []
            if one["value"] != "$__all"
        ]


@dataclass(frozen=True)
class Board:
    """A dashboard and where its JSON lies."""

    json: Json
    path: Path = field(default_factory=Path)

    @property
    def uid(self) -> str:
        """Its name in addresses."""
        return str(self.json.get("uid", ""))

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.json.get("title", ""))

    @cached_property
    def panels(self) -> list[Panel]:
        """All panels, those in folded rows too, rows left out."""
        return [Panel(one, self.uid) for one in self._all() if one.get("type") != "row"]

    @cached_property
    def ids(self) -> list[int | None]:
        """The numbers of panels and rows."""
        return [one.get("id") for one in self._all()]

    @cached_property
    def variables(self) -> list[Variable]:
        """In the order in which they depend on each other."""
        return [Variable(one) for one in (self.json.get("templating") or {}).get("list") or []]

    @property
    def links(self) -> list[str]:
        """Addresses that its links and those of its panels and fields lead to."""
        return [str(link["url"]) for link in _links(self.json) if link.get("url")]

    def variables_of(self, text: str) -> set[str]:
        """The variables that a text names."""
        return {name for name, _ in references(text) if not name[0].isdigit()}

    def _all(self) -> Iterator[Json]:
        for panel in self.json.get("panels") or []:
            yield panel
            yield from panel.get("panels") or []


def _links(value: object) -> Iterator[Json]:
    """What stands below `links` anywhere, also as a property of an override."""
    if isinstance(value, Mapping):
        found = value.get("links") or (value.get("value") if value.get("id") == "links" else None)
        if isinstance(found, Sequence) and not isinstance(found, str):
            yield from (link for link in found if isinstance(link, Mapping))
        for inner in value.values():
            yield from _links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _links(inner)


def read(folder: Path = FOLDER) -> list[Board]:
    """All dashboards of a folder, those of every language."""
    return [
        Board(json.loads(path.read_text("utf-8")), path) for path in sorted(folder.rglob("*.json"))
    ]
