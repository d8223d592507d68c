"""Events of a world as columns, and the messages that say them: no Python object but the bytes.

A `Form` is the text of a message with places for numbers: `<user:07>` is filled up with zeros, as
ids are, `<dwell_ms:6>` with spaces, which JSON ignores before a number. So all messages of a form
are as long as each other, and thousands are written as one array of bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from tests.worlds.draws import Ints

_PLACE: Final = re.compile(rb"<(\w+):(0?)(\d+)>")
_ZERO, _SPACE = ord("0"), ord(" ")


@dataclass(frozen=True)
class Form:
    """What messages of one sort look like.

    >>> made = Form("purchases", '{"user_id":"u<user:03>","pay_cents":<cents:5>}')
    >>> made.written({"user": np.array([7]), "cents": np.array([1990])}, np.array([0]))
    [b'{"user_id":"u007","pay_cents": 1990}']
    """

    topic: str
    text: str

    @cached_property
    def _layout(self) -> tuple[NDArray[np.uint8], list[tuple[str, int, int, int]]]:
        """The text without its numbers; of each its name, where it is, how wide, what fills it."""
        raw, parts, places, end, width = self.text.encode(), [], [], 0, 0
        for place in _PLACE.finditer(raw):
            name, zero, digits = place.groups()
            before = raw[end : place.start()]
            width += len(before)
            places.append((name.decode(), width, int(digits), _ZERO if zero else _SPACE))
            parts += [before, b"?" * int(digits)]
            width += int(digits)
            end = place.end()
        return np.frombuffer(b"".join([*parts, raw[end:]]), np.uint8), places

    def written(self, columns: Mapping[str, Ints], rows: Ints) -> list[bytes]:
        """The messages of these rows.

        Raises:
            ValueError: a number has no room in its place.

        """
        text, places = self._layout
        page = np.tile(text, (len(rows), 1))
        for name, begin, width, fill in places:
            left = columns[name][rows]
            if len(left) and not 0 <= left.min() <= left.max() < 10**width:
                raise ValueError(f"{name} of {self.text} has no room: up to {left.max()}")
            for at in range(begin + width - 1, begin - 1, -1):
                rest = left // 10
                page[:, at] = left - 10 * rest + _ZERO
                if fill == _SPACE and at < begin + width - 1:
                    page[left == 0, at] = _SPACE
                left = rest
        messages: list[bytes] = page.view(f"S{page.shape[1]}").ravel().tolist()
        return messages


def clickstream(kind: str, fields: str = "") -> Form:
    """An event of `clickstream`; `fields` as JSON, each with a comma before it."""
    return Form(CLICKSTREAM, f'{_HEAD},"event":"{kind}"{fields}}}')


def interaction(kind: str, fields: str = "", kol: str = "<kol:04>") -> Form:
    """An event of `content-interactions`."""
    return Form(INTERACTIONS, f'{_HEAD},"event":"{kind}","kol_id":"k{kol}"{fields}}}')


def purchase(kind: str, fields: str = "") -> Form:
    """An event of `purchases`."""
    return Form(PURCHASES, f'{_HEAD},"kind":"{kind}"{fields}}}')


_HEAD: Final = '{"event_id":"e<number:015>","ts":<at:13>,"user_id":"u<user:07>"'


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Some events; row i of every column is one.

    `number` is its identity, `arrives` its record time, `form` its place in `World.forms`.
    Other columns are 0 where a form does not ask for them.
    """

    columns: Mapping[str, Ints] = field(repr=False)

    @classmethod
    def of(cls, number: Ints, at: Ints, form: Any, user: Any, **others: Any) -> "Events":  # noqa: ANN401  # one value or a column
        """Events from columns; what is one value is that of all. They arrive when they happen."""
        given = {"number": number, "at": at, "arrives": at, "form": form, "user": user, **others}
        return cls({name: _column(value, len(at)) for name, value in given.items()})

    def __len__(self) -> int:
        return len(self.columns["at"])

    def __getitem__(self, name: str) -> Ints:
        return self.columns[name]

    def take(self, rows: NDArray[Any]) -> "Events":
        """Some of them: by row, or by a mask."""
        return Events({name: column[rows] for name, column in self.columns.items()})

    def replace(self, **columns: Ints) -> "Events":
        """The same with other columns."""
        return Events({**self.columns, **columns})

    def in_order(self) -> "Events":
        """By record time, then by number."""
        return self.take(np.lexsort((self["number"], self["arrives"])))

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> "Events":
        """All of them, one part after the other."""
        names = dict.fromkeys(name for part in parts for name in part.columns)
        return cls(
            {
                name: np.concatenate(
                    [np.zeros(0, np.int64)]
                    + [part.columns.get(name, np.zeros(len(part), np.int64)) for part in parts]
                )
                for name in (*COMMON, *(name for name in names if name not in COMMON))
            }
        )

    def messages(self, forms: Sequence[Form]) -> NDArray[np.object_]:
        """What each says, as an array of bytes."""
        found = np.empty(len(self), np.object_)
        order = np.argsort(self["form"], kind="stable")
        of = self["form"][order]
        for begin, end in _runs(of):
            rows = order[begin:end]
            found[rows] = forms[int(of[begin])].written(self.columns, rows)
        return found


COMMON: Final = ("number", "at", "arrives", "form", "user")


def _column(value: Any, n: int) -> Ints:  # noqa: ANN401  # one value or a column
    return np.broadcast_to(np.asarray(value, np.int64), (n,))


def _runs(of: Ints) -> list[tuple[int, int]]:
    """Where equal numbers that stand together begin and end."""
    begins = np.flatnonzero(np.diff(of, prepend=-1)).tolist()
    return list(zip(begins, [*begins[1:], len(of)][: len(begins)], strict=True))
