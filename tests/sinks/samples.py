"""Rows of each kind with only what matters to a test spelled out, and an insert with a script."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from schemas.cells import NAMES
from schemas.rows import MODELS, TABLES, Rows
from sinks.memory import Memory

MAY = 1_714_521_600  # 2024-05-01 00:00:00 UTC, seconds
MONTH = 31 * 86_400

Row = Mapping[str, Any]


def rows(table: str, given: Sequence[Row]) -> Rows:
    """Rows as columns; every column a row leaves out is as empty as its type allows."""
    kinds = TABLES[table].columns
    return Rows(table, {n: [row.get(n, _empty(k)) for row in given] for n, k in kinds.items()})


def doors(*counts: int, version: int = 1) -> Rows:
    """Counts of the doors d0, d1, ... of one partition."""
    return rows(
        "door_count",
        [
            {"topic": "t", "door": f"d{i}", "kind": "door", "n": n, "version": version}
            for i, n in enumerate(counts)
        ],
    )


def cells(*minutes: int, kol: str = "k1", version: int = 1, **fields: int) -> Rows:
    """Cells of one KOL in these minutes (since the beginning of May), as arrays."""
    n = len(minutes)
    columns: dict[str, Any] = {
        "kol_id": [kol] * n,
        "minute": MAY + 60 * np.array(minutes, np.int64),
        "source_partition": np.zeros(n, np.uint16),
        **{name: np.full(n, fields.get(name, 0), np.int64) for name in NAMES},
        "version": np.full(n, version, np.uint64),
    }
    return Rows("minute_cell", columns)


def order(
    order_id: str = "o1",
    touches: Sequence[str] = (),
    credits_: Mapping[str, Mapping[str, int]] | None = None,
    **fields: Any,  # noqa: ANN401  # columns of any type
) -> Row:
    """An order touched by these KOLs, newest last; cents by model and KOL."""
    kols = sorted(set(touches)) or ["organic"]
    told = credits_ or {}
    touched = [MAY * 1000 - 1000 * i for i in range(len(touches), 0, -1)]
    return {
        "order_id": order_id,
        "ordered_at": MAY * 1000,
        "user_hash": "h1",
        "currency": "CNY",
        "touch_kol": list(touches),
        "touch_at": touched,
        "touch_begin": touched,
        "touch_class": ["click"] * len(touches),
        "touch_via": ["direct"] * len(touches),
        "kols": kols,
        "kol_via": ["direct" if touches else "none"] * len(kols),
        **{f"credit_{m}": [told.get(m, {}).get(k, 0) for k in kols] for m in MODELS},
        **{f"refunded_{m}": [0] * len(kols) for m in MODELS},
        "version": 1,
        **fields,
    }


def orders(*given: Row) -> Rows:
    """Some orders, as `order` makes them."""
    return rows("order_credit", given)


class Scripted:
    """An insert that does what its script says, then works; it remembers every call.

    A step of the script is None (works), an error (raised, nothing is written), or a pair
    of "written" and an error (written, but the answer is lost). Rows of a door in `poison`
    can never be written.
    """

    def __init__(
        self, *script: object, poison: Iterable[str] = (), error: Exception | None = None
    ) -> None:
        self.memory = Memory()
        self.calls: list[tuple[Rows, str]] = []
        self.going_on = 0
        self.at_once = 0  # the most inserts that were under way together
        self.gate: threading.Event | None = None  # when set, inserts wait for it
        self._script = list(script)
        self._poison = set(poison)
        self._error = error or ValueError("cannot be encoded")
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, given: Rows, token: str) -> None:
        """Insert as the script says."""
        with self._lock:
            self.calls.append((given, token))
            self.going_on += 1
            self.at_once = max(self.at_once, self.going_on)
            step = self._script.pop(0) if self._script else None
        try:
            if self.gate is not None:
                self.gate.wait()
            self._do(given, token, step)
        finally:
            with self._lock:
                self.going_on -= 1

    def _do(self, given: Rows, token: str, step: object) -> None:
        if isinstance(step, BaseException):
            raise step
        if self._poison.intersection(given.columns.get("door", ())):
            raise self._error
        if token not in self._tokens:  # as a server does: the token wins over the content
            self._tokens.add(token)
            self._written(given)
        if isinstance(step, tuple):
            raise step[1]

    def _written(self, given: Rows) -> None:
        coroutine = self.memory.write(given)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise AssertionError("memory never waits")

    @property
    def tokens(self) -> list[str]:
        """The token of each call."""
        return [token for _, token in self.calls]

    @property
    def sizes(self) -> list[int]:
        """The number of rows of each call."""
        return [len(given) for given, _ in self.calls]


def _empty(kind: str) -> object:
    if kind.startswith("Array"):
        return []
    if kind.startswith("Nullable"):
        return None
    if kind == "UUID":
        return "00000000-0000-0000-0000-000000000000"
    return "" if "String" in kind else 0
