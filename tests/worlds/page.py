"""The page of cards, `tests/worlds/README.md`, made from the cards themselves.

python -m tests.worlds.page             # writes it anew
python -m tests.worlds.page --digests   # prints messages and SHA-256 of every card
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.docs import table_of
from tests.worlds import causal, minutes, spiral, trust
from tests.worlds.messages import Form
from tests.worlds.minutes import Lift
from tests.worlds.world import Delivery, World

PAGE: Final = Path(__file__).parent / "README.md"
WORLDS: Final[Mapping[type[World], Mapping[str, Any]]] = {
    causal.Causal: causal.CARDS,
    trust.Trust: trust.CARDS,
    minutes.Crises: minutes.CARDS["crises"],
    spiral.Spiral: spiral.CARDS,
    minutes.Null: minutes.CARDS["null"],
}
LISTED: Final = 40  # characters of a value that stand in a table: lists are in the code

MARK: Final = "<!-- cards -->\n"  # what stands after it is made


def page(former: str) -> str:
    """The whole page, by what stands on it before its mark."""
    before, mark, _ = former.partition(MARK)
    modules, sections = set[str](), []
    for world, cards in WORLDS.items():
        sections.append(_section(world, cards, has_rules=world.__module__ not in modules))
        modules.add(world.__module__)
    return "\n".join([before + mark, _delivery(), *sections])


def _section(world: type[World], cards: Mapping[str, Any], *, has_rules: bool) -> str:
    card, module = next(iter(cards.values())), sys.modules[world.__module__]
    rules = re.sub(r"(?m)((?:^ {4}.*\n)+)", r"```\n\1```\n", f"{inspect.getdoc(module)}\n")
    figures = [
        (f"`{name}`", *(_shown(getattr(one, name)) for one in cards.values()), meaning)
        for name, meaning in meanings(type(card)).items()
        if name != "delivery"
    ]
    own = inspect.getdoc(world) or ""
    return "\n".join(
        [
            f"## {world.__name__}\n",
            *([f"{own}\n"] if own.startswith("World") else []),
            *([rules] if has_rules else []),
            table_of(("figure", *cards, "what it is, and where from"), figures),
            "",
            *_lists(cards),
            table_of(("true of it", "what"), truths(world)),
            "",
        ]
    )


def _lists(cards: Mapping[str, Any]) -> Iterator[str]:
    """The figures that are lists of rows, each as a table; of like ones that of the first form."""
    for field in fields(next(iter(cards.values()))):
        of = {form: getattr(card, field.name) for form, card in cards.items()}
        rows = next(iter(of.values()))
        if not _are_rows(rows):
            continue
        if len(set(of.values())) == 1:
            of = {"all forms": rows}
        for form, listed in of.items():
            if listed is not rows and len(listed) == len(rows):
                continue  # the same with fewer KOLs
            yield f"`{field.name}`, {form}:\n"
            yield table_of(listed[0]._fields, (tuple(map(_shown, row)) for row in listed))
            yield ""


def _delivery() -> str:
    of_all, of_causal = Delivery(), causal.LONG.delivery
    figures = [
        (f"`{name}`", _shown(getattr(of_all, name)), _shown(getattr(of_causal, name)), meaning)
        for name, meaning in meanings(Delivery).items()
    ]
    head = ("figure", "all worlds", "causal", "what it is, and where from")
    return f"## How events come\n\n{table_of(head, figures)}\n"


def meanings(card: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and its bases say of each of its fields."""
    said: dict[str, str] = {}
    for of in card.__mro__:
        _, _, listed = (inspect.cleandoc(of.__doc__ or "")).partition("Attributes:\n")
        for names, meaning in re.findall(r"(?ms)^ {4}(\w[\w, ]*): (.*?)(?=^ {4}\w|\Z)", listed):
            for name in names.split(", "):
                said.setdefault(name, " ".join(meaning.split()))
    return {field.name: said.get(field.name, "") for field in fields(card)}


def truths(world: type[World]) -> Iterator[tuple[str, str]]:
    """The public properties of a world, and what they say of themselves."""
    for name, value in inspect.getmembers_static(world):
        if name.startswith("_") or hasattr(World, name):
            continue
        if isinstance(value, cached_property):
            yield f"`{name}`", _first(value.func.__doc__)
        elif inspect.isfunction(value):
            given = ", ".join([*inspect.signature(value).parameters][1:])
            yield f"`{name}({given})`", _first(value.__doc__)


def _first(doc: str | None) -> str:
    return " ".join((doc or "").split("\n\n")[0].split())


def _shown(value: Any) -> str:  # noqa: ANN401  # of any field
    match value:
        case Form():
            return f"{_kind(value.text)}{_said(value.text)}"
        case Lift():
            return str(value)
        case bool():
            return "yes" if value else ""
        case float():
            return f"{value:.4g}"
        case str() if len(value) > LISTED:
            return f"`{value[:16]}…`"
        case tuple() if _are_rows(value) and not isinstance(value[0], Lift):
            return f"{len(value)}, below"
        case tuple():
            return "; ".join(map(_shown, value))
    return "" if value is None else str(value)


def _are_rows(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and hasattr(value[0], "_fields")


def _kind(text: str) -> str:
    _, _, after = text.replace('"kind":', '"event":').partition('"event":"')
    return after.partition('"')[0]


def _said(text: str) -> str:
    """The text of a comment, in brackets."""
    found = re.findall(r'"text":"([^"]*)"', text)
    return f" ({found[0]})" if found else ""


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
