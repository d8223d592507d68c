"""What stands of reference topics against what must stand: dimensions, letters, what events say.

The trainer reads reference topics by itself, and empties what is not allowed any more. No drain
waits for it: a verdict looks until it agrees, or until the trainer has had the time it needs.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.dimensions import OF_TOPIC, Dimension
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, KOL
from schemas.reference_types import REFERENCES
from streams.clients.clickhouse import connect, query
from streams.operations.numbers import read_numbers
from streams.settings import Settings
from tests.chaos.references import References
from tests.chaos.verdict import SHOWN, Row, compare_sets, told_events
from tests.event_oracle import UNASKED, Flags, event_rows, flag_rows
from tests.oracle import Expected
from tests.reference_oracle import Known

PATIENCE: Final = 90.0  # seconds until the trainer has read, published and emptied everything
LOOK: Final = 1.0
SEALED_MS: Final = 10_000  # since the record time of its seal a number holds
_FLAGS: Final = """
SELECT identity, toUnixTimestamp64Milli(moment) AS at, ifNull(toInt8(sponsored), -1) AS sponsored,
    ifNull(toInt8(disclosed), -1) AS disclosed, snapshot
FROM v_event
"""


@dataclass(slots=True)
class Stands:
    """What the engine says of reference topics."""

    dimensions: dict[str, Counter[Row]]
    letters: Counter[Row]  # topic, partition, offset, reason
    events: Counter[Row]
    flags: Counter[tuple[int, int, Flags]]


@dataclass(slots=True)
class Wanted:
    """What it must say."""

    dimensions: dict[str, Counter[Row]]
    letters: Counter[Row]
    events: Counter[Row]
    flags: Counter[tuple[int, int, Flags]]
    contents: dict[str, tuple[int, int]] = field(default_factory=dict)  # flags of their dimension
    published: dict[str, tuple[int, int]] = field(default_factory=dict)  # of the newest number


def wanted(expected: Expected, found: Known, numbers: NumberLog, key: bytes) -> Wanted:
    """What must stand, by an oracle, records and the numbers of a topic."""
    asked = FlagsOf(numbers)
    return Wanted(
        found.rows(key),
        found.letters,
        event_rows(expected, key, found.consents),
        flag_rows(expected, key, asked),
        {
            value["content_id"]: (_flag(value.get("sponsored")), _flag(value.get("disclosed")))
            for (topic, _), (_, value) in found.newest.items()
            if topic == CONTENT and value is not None
        },
        asked.newest(),
    )


def _flag(value: bool | None) -> int:  # noqa: FBT001  # as the contract has it
    return -1 if value is None else int(value)


class FlagsOf:
    """What numbers say of contents at a record time; each number is unfolded once.

    Which of them holds is chosen here: the greatest that was sealed ten seconds before.
    """

    def __init__(self, numbers: NumberLog) -> None:
        self._numbers = numbers.numbers(CONTENT)
        self._said: dict[int, dict[str, tuple[int, int]]] = {}

    def __call__(self, content: str, at: int) -> Flags:
        holding = {
            one.manifest.number: one for one in self._numbers if one.sealed_at + SEALED_MS <= at
        }
        if not holding:
            return UNASKED
        number = max(holding)
        if number not in self._said:
            values = holding[number].values
            rows = values.all_rows()
            flags = (values.flags(name, rows).tolist() for name in ("sponsored", "disclosed"))
            self._said[number] = dict(zip(values.ids(rows), zip(*flags, strict=True), strict=True))
        return (*self._said[number].get(content, UNASKED[:2]), number)

    def newest(self) -> dict[str, tuple[int, int]]:
        """What the newest number says of all contents."""
        *_, number = self("", 2**61)
        return self._said.get(number, {})


def stands(settings: Settings) -> Stands:
    """What the engine says now."""
    client = connect(settings.clickhouse)
    letters = query(
        client,
        "SELECT topic, partition, offset, reason FROM v_dead_letter"
        " WHERE topic IN {topics:Array(String)}",
        {"topics": list(REFERENCES)},
    )
    flags = (tuple(map(int, row.values())) for row in query(client, _FLAGS))
    found = Stands(
        {topic: _rows(client, one) for topic, one in OF_TOPIC.items()},
        Counter(tuple(row.values()) for row in letters),
        told_events(client),
        Counter((identity, at, (yes, says, number)) for identity, at, yes, says, number in flags),
    )
    client.close()
    return found


def _rows(client: Client, dimension: Dimension) -> Counter[Row]:
    types = {name: dimension.target.all_columns[name].type for name in dimension.shown}
    asked = (f"{_as_sent(name, kind)} AS x_{name}" for name, kind in types.items())
    rows = query(client, dimension.select(", ".join(asked)))
    return Counter(
        tuple(_cell(value, kind) for value, kind in zip(row.values(), types.values(), strict=True))
        for row in rows
    )


def _as_sent(name: str, kind: str) -> str:
    """A column as records have it: moments as milliseconds, days as texts."""
    if "Array(DateTime64" in kind:
        return f"arrayMap(at -> toUnixTimestamp64Milli(at), {name})"
    if "DateTime64" in kind:
        return f"toUnixTimestamp64Milli({name})"
    return f"toString({name})" if kind == "Date" else name


def _cell(value: Any, kind: str) -> Any:  # noqa: ANN401  # any column
    if value is not None and "DateTime64" in kind:
        return tuple(map(int, value)) if kind.startswith("Array") else int(value)
    if isinstance(value, dict):
        return tuple(sorted((key, float(of)) for key, of in value.items()))
    return tuple(value) if isinstance(value, list) else value


# ---------------------------------------------------------------- comparing


def against_references(stands: Stands, wanted: Wanted) -> list[str]:
    """Where the engine and the definitions differ, in words; [] where nowhere."""
    said, published = wanted.contents, wanted.published
    unknown = UNASKED[:2]
    other = {
        name: (published.get(name), said.get(name))
        for name in published.keys() | said.keys()
        if published.get(name, unknown) != said.get(name, unknown)
    }
    return [
        *(
            line
            for topic, rows in wanted.dimensions.items()
            for line in compare_sets(f"dimension {topic}", stands.dimensions[topic], rows)
        ),
        *compare_sets("letters of references", stands.letters, wanted.letters),
        *compare_sets("events and consents", stands.events, wanted.events),
        *compare_sets("flags of contents", stands.flags, wanted.flags),
        *(
            [f"newest number: {len(other)} contents differ: {sorted(other.items())[:SHOWN]}"]
            if other
            else []
        ),
    ]


def judged(
    settings: Settings, expected: Expected, found: Known, seconds: float = PATIENCE
) -> tuple[list[str], Stands]:
    """What is wrong once the trainer had the time it needs, and what stands then."""
    key = settings.hmac_key.get_secret_value().encode()
    deadline = time.monotonic() + seconds
    while True:
        numbers = asyncio.run(read_numbers(settings))
        now = stands(settings)
        wrong = against_references(now, wanted(expected, found, numbers, key))
        if not wrong or time.monotonic() > deadline:
            return wrong, now
        time.sleep(LOOK)


def hold(settings: Settings, references: References, contents: Sequence[str]) -> bool:
    """Whether numbers hold by now that know all KOLs with accounts, and these contents."""
    numbers, now = asyncio.run(read_numbers(settings)), time.time_ns() // 1_000_000
    for kind, ids in ((KOL, list(references.accounts)), (CONTENT, contents)):
        values = numbers.holding(kind, now)
        if values is None or (values.rows(ids) < 0).any():
            return False
    return True
