"""What the trainer says of trust once a day, by its statements on the real engine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.entries import Entries, strings
from schemas.keyed_names import KeyedNames
from schemas.numbered import AUDIT
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE
from streams.trainer.daily import daily_states
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import empty, fresh
from tests.told import Dimensions

pytestmark = pytest.mark.integration

DAY: Final = 86_400_000
NOW: Final = 1_767_225_600_000  # 2026-01-01
NAMES: Final = KeyedNames(b"a key of this test")
DATABASE: Final = "daily"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(Path(tmp_path_factory.mktemp("engine"))) as server:
        yield server


@pytest.fixture(scope="module")
def database(engine: Server) -> Client:
    client = fresh(engine, DATABASE)
    client.command("ALTER TABLE event REMOVE TTL")
    return client


@pytest.fixture
def client(database: Client) -> Client:
    empty(database)
    return database


def told(client: Client, *records: tuple[str, dict[str, Any]]) -> None:
    Dimensions(client, NAMES).tell(records, NOW)


def states(client: Client, now_ms: int = NOW) -> dict[str, Entries]:
    return daily_states(client, DATABASE, now_ms)


def of(entries: Entries, one: str) -> dict[str, float]:
    """What is said of an id; what is nothing is left out."""
    place = strings(entries.ids).index(one)
    found = {name: float(np.asarray(column)[place]) for name, column in entries.columns.items()}
    return {name: value for name, value in found.items() if value}


def content(number: int, at: int, **fields: object) -> tuple[str, dict[str, Any]]:
    return "content", {"content_id": f"c{number}", "ts": at, "kol_id": "k1", **fields}


def notice(kind: str, ref: str, at: int) -> tuple[str, dict[str, Any]]:
    return "kol-notice", {"kol_id": "k1", "kind": kind, "ref": ref, "ts": at}


def answer(number: int, stars: float | None, at: int) -> tuple[str, dict[str, Any]]:
    fields = {"kol_id": "k1", "respondent": f"p{number}", "wave": "w", "ts": at}
    return "perception", fields | ({} if stars is None else {"authenticity": stars})


def test_nothing_is_said_where_nothing_is_known(client: Client) -> None:
    assert states(client) == {}


def audited(*said: tuple[str, float, float, float, int]) -> dict[str, float]:
    """The sums by definition: dimension, good, bad, square and days ago of each."""
    sums = {"minute": NOW / 60_000}
    for d, good, bad, square, days in said:
        for line, half_life in (("", TRUST_HALF_LIFE[d]), ("fast_", FAST_HALF_LIFE)):
            left = 2 ** (-days * 1_440 / half_life)
            for word, value in (("for", good * left), ("against", bad * left)):
                sums[f"{line}{word}_{d}"] = sums.get(f"{line}{word}_{d}", 0) + 1e6 * value
            name = f"{line}square_{d}"
            sums[name] = sums.get(name, 0) + 1e12 * square * left**2
    return {name: value for name, value in sums.items() if value}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([answer(1, 4.0, NOW - 14 * DAY)], [("A", 3.0, 1.0, 4.0, 14)]),
        ([answer(1, None, NOW - DAY), answer(2, 1.0, NOW)], [("A", 0.0, 4.0, 4.0, 0)]),
        (
            [content(1, NOW - 3 * DAY, sponsored=True, disclosed=True)],
            [("I", 1.0, 0.0, 1.0, 3)],
        ),
        (
            [content(1, NOW - 3 * DAY, sponsored=True, disclosed=False)],
            [("I", 0.0, 1.0, 1.0, 3)],
        ),
        (
            [
                content(1, NOW - 5 * DAY, text="宝宝 爱吃"),
                content(2, NOW - 4 * DAY, text="宝宝爱吃\n"),
                content(3, NOW - 3 * DAY, text="另一个"),
            ],
            [("A", 1.0, 0.0, 1.0, 5), ("A", 0.0, 1.0, 1.0, 4), ("A", 1.0, 0.0, 1.0, 3)],
        ),
        (
            [
                notice("violation", "a", NOW - 2 * DAY),
                notice("violation", "b", NOW - DAY),
                notice("retraction", "c", NOW - 7 * DAY),
                notice("appeal_upheld", "b", NOW),
            ],
            [("I", 0.0, 2.0, 4.0, 2), ("E", 0.0, 2.0, 4.0, 7)],
        ),
        (
            [("kol-profile", {"kol_id": "k1", "credentials": ["paediatrician"]})],
            [("E", 2.0, 0.0, 4.0, 0)],
        ),
    ],
)
def test_audits_are_what_references_say_faded(
    client: Client,
    records: Sequence[tuple[str, dict[str, Any]]],
    said: Sequence[tuple[str, float, float, float, int]],
) -> None:
    told(client, *records, content(99, NOW + DAY, sponsored=True, disclosed=True))  # to come

    assert of(states(client)[AUDIT], "k1") == pytest.approx(audited(*said))


def test_what_is_known_today_is_less_tomorrow(client: Client) -> None:
    told(client, answer(1, 3.0, NOW - DAY))
    today, tomorrow = (of(states(client, at)[AUDIT], "k1") for at in (NOW, NOW + DAY))

    assert tomorrow["for_A"] == pytest.approx(today["for_A"] * 2 ** (-1 / 14))
    assert tomorrow["minute"] - today["minute"] == 1_440


def cells(client: Client, *said: tuple[str, int, dict[str, int]]) -> None:
    """Cells of days before now: KOL, days, fields."""
    names = [f"{word}_{d}" for word in ("for", "against", "square") for d in DIMENSIONS]
    rows = [
        [kol, NOW // 1000 - days * 86_400, 1, *(fields.get(name, 0) for name in names)]
        for kol, days, fields in said
    ]
    client.insert("cell_1d", rows, ["kol_id", "day", "version", *names])


def test_a_population_is_of_the_last_days_of_cells_and_audits() -> None:
    """In the next test; the days of a dimension are four half-lives, of outcomes two."""
    assert DAYS == {"E": 56, "A": 56, "I": 56, "B": 56, "O": 120}
