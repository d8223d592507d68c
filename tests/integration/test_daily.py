"""What the trainer says of trust once a day, by its statements on the real engine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.cells import DIMENSIONS
from schemas.entries import Entries, strings
from schemas.keyed_names import KeyedNames
from schemas.numbered import AUDIT, RATER, TRUST
from streams.core.kol.population import Evidence, populations
from streams.core.kol.priors import FAST_HALF_LIFE, TRUST_HALF_LIFE
from streams.trainer.daily import daily_states
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
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
                content(2, NOW - 4 * DAY, text="宝宝\u3000爱吃\n"),
                content(3, NOW - 3 * DAY, text="另一个"),
                content(4, NOW - 2 * DAY, text=" \u3000\n"),  # no words: nothing
            ],
            [("A", 1.0, 0.0, 1.0, 5), ("A", 0.0, 1.0, 1.0, 4), ("A", 1.0, 0.0, 1.0, 3)],
        ),
        (
            [
                notice("violation", "a", NOW - 2 * DAY),
                notice("violation", "b", NOW - DAY),
                notice("retraction", "c", NOW - 7 * DAY),
                notice("appeal_upheld", "b", NOW),
                notice("appeal_upheld", "c", NOW + DAY),  # to come
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


NAMES_OF_SUMS: Final = [f"{word}_{d}" for word in ("for", "against", "square") for d in DIMENSIONS]


def cells(client: Client, *said: tuple[str, int, dict[str, int]]) -> None:
    """Cells of minutes at noon, some days ago, added up: KOL, days, fields."""
    rows = [
        [kol, NOW // 1000 - days * 86_400 - 43_200, 0, 1, *map(fields.get, NAMES_OF_SUMS)]
        for kol, days, fields in said
    ]
    rows = [[0 if value is None else value for value in row] for row in rows]
    names = ["kol_id", "minute", "source_partition", "version", *NAMES_OF_SUMS]
    client.insert("minute_cell", rows, names)
    RollUps(client, DATABASE, "UTC").turn(Version(1, 1), now_ms=NOW, at_once=True)


def test_a_population_is_of_the_last_days_of_cells_and_audits(client: Client) -> None:
    """Four half-lives are 56 days; reserved names and what is older do not count."""
    rng = np.random.default_rng(5)
    kols = [f"k{n:02}" for n in range(40)]
    good, bad = rng.integers(1, 9, (2, 40, 2)) * 100_000
    fields = [
        {
            "for_E": int(good[n, 0]),
            "against_E": int(bad[n, 0]),
            "square_E": 10**10 * (n + 1),
            "for_B": int(good[n, 1]),
            "against_B": int(bad[n, 1]),
            "square_B": 10**10,
        }
        for n in range(40)
    ]
    cells(
        client,
        *((kol, 3, said) for kol, said in zip(kols, fields, strict=True)),
        *((kol, 80, {"for_E": 10**9, "square_E": 10**15}) for kol in kols),
        ("~brand:b", 3, {"for_E": 10**9, "square_E": 10**15}),
    )
    told(
        client,
        *(
            (
                "perception",
                {"kol_id": kol, "respondent": "p", "wave": "w", "ts": NOW - DAY}
                | {"authenticity": 1.0 + n % 5},
            )
            for n, kol in enumerate(kols)
        ),
        *(("kol-profile", {"kol_id": kol, "tier": "koc", "vertical": "care"}) for kol in kols[:35]),
    )
    all_good, all_bad, square = np.zeros((3, 40, 5))
    all_good[:, [0, 3]], all_bad[:, [0, 3]] = good, bad
    square[:, 0], square[:, 3] = 1e10 * np.arange(1, 41), 1e10
    stars = 1.0 + np.arange(40) % 5
    all_good[:, 1], all_bad[:, 1], square[:, 1] = 1e6 * (stars - 1), 1e6 * (5 - stars), 4e12
    group = ["koc/care"] * 35 + [""] * 5
    expected = populations(Evidence(all_good, all_bad, square.sum(axis=0), group))
    found = states(client)[TRUST]

    assert strings(found.ids) == ["all", "koc/care"]
    for name, prior in expected.items():
        for part, field in (("odds", "odds"), ("weight", "weight"), ("source", "has_source")):
            said = of(found, name)
            for place, d in enumerate(DIMENSIONS):
                wanted = getattr(prior, field)[place]
                assert said.get(f"{part}_{d}", 0.0) == pytest.approx(wanted)


def event(user: str, kol: str, kind: str, days: int) -> list[Any]:
    moment = NOW - days * DAY
    return [moment, moment, "content-interactions", kind, user, kol, days * 97 + len(kol)]


def test_who_saves_what_an_expert_says_speaks_of_expertise_once_a_fortnight(
    client: Client,
) -> None:
    told(
        client,
        content(1, NOW - 50 * DAY, genre="lab_review"),
        content(2, NOW - 50 * DAY, genre="narrative"),
    )
    fortnight = 14 * DAY
    begun = NOW // fortnight * fortnight - fortnight  # a whole one before now
    columns = ["moment", "received_at", "topic", "kind", "user_hash", "kol_id", "identity"]
    saves = [
        ("a", "c1", begun, 250_000),
        ("a", "c1", begun + DAY, 250_000),  # again
        ("b", "c1", begun, 500_000),
        ("c", "c2", begun, 500_000),  # no expert's
        ("d", "", begun, 500_000),
    ]
    client.insert(
        "event",
        [
            [at, at, "content-interactions", "save", user * 32, "k1", n, content_id, c]
            for n, (user, content_id, at, c) in enumerate(saves)
        ],
        [*columns, "content_id", "credibility_ppm"],
    )
    days = (NOW - begun) / DAY

    found = of(states(client)[AUDIT], "k1")
    assert found["for_E"] == pytest.approx(750_000 * 2 ** (-days / 14))
    assert found["square_E"] == pytest.approx((0.25**2 + 0.5**2) * 1e12 * 4 ** (-days / 14))
    assert "against_E" not in found


def scored(kol: str, days: int, trust: float, n: float) -> list[Any]:
    """What was believed of expertise at a midnight."""
    return [kol, NOW // 1000 - days * 86_400, "2", 1, trust, n]


def test_raters_are_judged_by_what_was_believed_a_week_later(client: Client) -> None:
    """Of a word 20 days old by the midnight 12 days ago; of one KOL and sign once."""
    columns = ["moment", "received_at", "topic", "kind", "user_hash", "kol_id", "identity"]
    client.insert(
        "event",
        [
            event("a" * 32, "good", "mark_correct", 20),
            event("a" * 32, "good", "mark_correct", 19),  # said again
            event("a" * 32, "bad", "expert_correction", 20),
            event("b" * 32, "good", "expert_correction", 20),
            event("c" * 32, "good", "mark_correct", 5),  # too early to say
            event("d" * 32, "unknown", "mark_correct", 20),  # who is not judged often enough
            event("e" * 32, "good", "like", 20),  # no evidence
            event("f" * 32, "good", "kol_reply", 20),  # of the KOL
        ],
        columns,
    )
    scores = ["kol_id", "minute", "model_version", "version", "trust_E", "n_E"]
    client.insert(
        "kol_score",
        [
            scored("good", 12, 0.9, 50.0),
            scored("bad", 12, 0.5, 50.0),
            scored("unknown", 12, 0.9, 4.0),
            scored("good", 20, 0.1, 50.0),  # that day: does not count
        ],
        scores,
    )
    order = ["ordered_at", "order_id", "user_hash", "paid_cents", "refunded_cents", "kols"]
    client.insert(
        "order_credit",
        [
            [NOW - 30 * DAY, "o1", "c" * 32, 100, 0, ["good"]],
            [NOW - 30 * DAY, "o2", "a" * 32, 100, 100, ["good"]],  # given back
            [NOW - 400 * DAY, "o3", "b" * 32, 100, 0, ["good"]],  # long ago
        ],
        order,
    )
    found = states(client)[RATER]

    assert {one: of(found, one) for one in strings(found.ids)} == {
        "a" * 32: {"agreement": 3 / 4},
        "b" * 32: {"agreement": 1 / 3},
        "c" * 32: {"agreement": 1 / 2, "bought": 1.0},
    }
