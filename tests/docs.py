"""The tables of streams/README.md and sinks/tables.md, made from the code.

python -m tests.docs        # writes them between their marks
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Final

import typer.main
from pydantic import BaseModel, SecretStr
from typer.core import TyperArgument, TyperCommand, TyperGroup

from schemas.doors import OF_KEYS, Door, RejectReason
from schemas.events import INPUTS
from schemas.queries import QUERIES
from schemas.rows import TABLES, VIEWS, Table
from schemas.topics import CELLS
from schemas.views import COLUMNS
from streams.cli import app
from streams.core.kol import memory as kol_memory
from streams.core.user import door_counts
from streams.settings import PREFIX, Settings, descriptions
from streams.trainer import telemetry as trainer
from streams.worker.telemetry import METRICS

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = (ROOT / "streams" / "README.md", ROOT / "sinks" / "tables.md")

Row = Sequence[str]


@cache
def commands() -> dict[str, TyperCommand]:
    """Every command by its words; a subcommand has two."""
    return dict(_commands(typer.main.get_command(app), ""))


def _commands(command: object, words: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperCommand):
        yield words, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _commands(inner, f"{words} {name}".strip())


def commands_table() -> str:
    """Every command with its arguments, what it is for and its options."""
    rows = [
        (
            f"`kol {' '.join([words, *_arguments(command)])}`",
            _first_paragraph(command.help or ""),
            " ".join(f"`{option}`" for option in options(command)),
        )
        for words, command in commands().items()
    ]
    return table_of(("command", "what it is for", "options"), rows)


def options(command: TyperCommand) -> list[str]:
    """The long options of a command."""
    return [
        name
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    ]


def _arguments(command: TyperCommand) -> list[str]:
    found = [param for param in command.params if isinstance(param, TyperArgument)]
    words = [(param.metavar or (param.name or "").upper(), param.required) for param in found]
    return [word if is_required else f"[{word}]" for word, is_required in words]


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def settings_table() -> str:
    """Every setting with its default and what it is for."""
    default = dict(_defaults(Settings, PREFIX))
    rows = [(f"`{name}`", default[name], meaning) for name, meaning in descriptions().items()]
    return table_of(("variable", "default", "what it is for"), rows)


def _defaults(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        path, part = prefix + name.upper(), field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from _defaults(part, f"{path}__")
        else:
            yield path, _default(field.default)


def _default(value: object) -> str:
    """A default as it would be written in the environment.

    >>> _default(False), _default(None), _default(5.0), _default(SecretStr(""))
    ('`false`', '', '`5.0`', '')
    """
    if isinstance(value, SecretStr):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if value is not None and text else ""


def metrics_table() -> str:
    """Every metric with its kind, its labels and its meaning."""
    rows = [
        (f"`{name}`", m.kind, " ".join(f"`{label}`" for label in m.labels), m.meaning)
        for name, m in (METRICS | trainer.METRICS).items()
    ]
    return table_of(("metric", "kind", "labels", "meaning"), rows)


def doors_table() -> str:
    """Every door, reason to refuse and counter, as in `door_count` and `v_door`."""
    each, keyed = "each input topic", {reason.label for reason in OF_KEYS}
    rows = [
        *((f"`{label}`", "door", each, text) for label, text in meanings(Door).items()),
        *(
            (f"`{label}`", "rejected", "each reference topic" if label in keyed else each, text)
            for label, text in meanings(RejectReason).items()
        ),
        *((f"`{name}`", "counter", topic, text) for name, (topic, text) in _counters().items()),
    ]
    return table_of(("door", "kind", "topic", "where a message left, or what was counted"), rows)


def meanings(doors: type[IntEnum]) -> dict[str, str]:
    """Label -> the comment beside it, which is its definition."""
    found = re.findall(r"^ +(\w+) = \d+  # (.+)$", inspect.getsource(doors), re.MULTILINE)
    return {name.lower(): text for name, text in found}


def _counters() -> dict[str, tuple[str, str]]:
    """Counter -> the topic it stands under, and its meaning."""
    topics: dict[str, list[str]] = {}
    for topic, name in door_counts.COUNTERS:
        topics.setdefault(name, []).append(f"`{topic}`")
    everywhere = [f"`{topic}`" for topic in INPUTS]
    user_side = {
        name: ("each input topic" if topics[name] == everywhere else " ".join(topics[name]), text)
        for (_, name), text in door_counts.COUNTERS.items()
    }
    return user_side | {name: (f"`{CELLS}`", text) for name, text in kol_memory.COUNTERS.items()}


def tables_table() -> str:
    """Every table of ClickHouse with its key."""
    rows = [
        (f"`{name}`", ", ".join(f"`{column}`" for column in table.key), table.description)
        for name, table in TABLES.items()
    ]
    return table_of(("table", "key", "what a row says"), rows)


def views_table() -> str:
    """Every view of record."""
    rows = [(f"`{name}`", meaning) for name, meaning in VIEWS.items()]
    return table_of(("view", "what it says"), rows)


def sections_of_views() -> str:
    """Every view with a question that it answers, and its columns with unit and meaning."""
    head = ("column", "unit", "meaning")
    return "\n\n".join(
        f"### {view}\n\n{_prose(VIEWS[view])}\n\n{QUERIES[view].question}\n\n"
        f"```sql\n{QUERIES[view].sql}\n```\n\n"
        + table_of(head, [(f"`{name}`", one.unit, one.meaning) for name, one in columns.items()])
        for view, columns in COLUMNS.items()
    )


def sections_of_tables() -> str:
    """Every table with its key, age and author, and its columns with type, unit and meaning."""
    head = ("column", "type", "unit", "meaning")
    return "\n\n".join(
        f"### {table.name}\n\n{_prose(table.description)} {_about(table)}\n\n"
        + table_of(
            head,
            [
                (f"`{name}`", f"`{one.type}`", table.unit(name), table.meaning(name))
                for name, one in table.all_columns.items()
            ],
        )
        for table in TABLES.values()
    )


def _about(table: Table) -> str:
    key = ", ".join(f"`{column}`" for column in table.key)
    count, unit = table.keep.lower().split() if table.keep else ("", "")
    kept = f"for {count} {unit}s after `stated_at`" if count else "for ever"
    author = "; only the trainer writes it" if table.derived else ""
    return f"Key: {key}. Kept {kept}{author}."


def _prose(text: str) -> str:
    return text.replace("<", r"\<")


SECTIONS: Final[dict[str, Callable[[], str]]] = {
    "views": sections_of_views,
    "tables": sections_of_tables,
}


GENERATED: Final[dict[str, Callable[[], str]]] = {
    "commands": commands_table,
    "settings": settings_table,
    "metrics": metrics_table,
    "doors": doors_table,
    "tables": tables_table,
    "views": views_table,
}


def with_tables(page: str) -> str:
    """A page with all of its tables generated anew."""
    for name, generate in GENERATED.items():
        begin, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
        both = re.compile(f"{begin}.*?{end}", re.DOTALL)
        page = both.sub(f"{begin}\n{generate()}\n{end}".replace("\\", "\\\\"), page)
    for name, generate in SECTIONS.items():
        begin, end = f"<!-- sections: {name} -->", f"<!-- end: {name} in sections -->"
        both = re.compile(f"{begin}.*?{end}", re.DOTALL)
        page = both.sub(f"{begin}\n\n{generate()}\n\n{end}".replace("\\", "\\\\"), page)
    return page


def table_of(head: Row, rows: Iterable[Row]) -> str:
    r"""A table as Markdown writes it.

    >>> print(table_of(("name", "means"), [("x", ""), ("y", "a<b")]))
    | name | means |
    | --- | --- |
    | x | |
    | y | a\<b |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in lines).replace(
        "<", r"\<"
    )


def write() -> None:
    """Generate the tables of all pages."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
