"""Dashboards on the real engine: what they ask is answered, and planted faults are found."""

import re
import time
from collections.abc import Iterator
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from deploy.grafana.queries import choices, chosen, literal
from tests.embedded.gateway.running import Server, gateway
from tests.grafana import sql, world
from tests.grafana.boards import TABLE, Board, read
from tests.grafana.macros import Range, expand
from tests.grafana.samples import (
    CREDIT,
    TRUST,
    Plant,
    asking,
    being,
    clickhouse,
    planted,
    sound,
)
from tests.grafana.sql import DAY, Engine, options_of, range_of
from tests.grafana.variables import ALL, AS_IN_ADDRESSES, HARD, STRICT, Choice, interpolate
from tests.integration.engine import fresh

pytestmark = pytest.mark.integration

SOLD: Final = "SELECT count() FROM sold WHERE $__%s(ordered_at)"
END: Final = world.evening_before(time.time_ns() // 1_000_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("grafana")) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Client]:
    """A reader of the demo's shop."""
    with world.shop(server, END, paces=world.SHORT) as reader:
        yield reader


@pytest.fixture(scope="module")
def nothing(server: Server) -> Iterator[Client]:
    """A reader of a shop where nothing has happened."""
    with world.nothing(server) as reader:
        yield reader


def test_the_dashboards_of_the_product_are_answered(shop: Client, nothing: Client) -> None:
    """As they open; `make check-grafana` chooses all there is to choose."""
    checked = sql.check(read(), shop, END, nothing=nothing, varied=())

    assert checked.statements
    assert not checked.findings, "\n".join(map(str, checked.findings))


def test_they_are_answered_where_nothing_has_happened(nothing: Client) -> None:
    checked = sql.check(read(), nothing, END, has_data=False, varied=())

    assert not checked.findings, "\n".join(map(str, checked.findings))


def test_every_panel_has_frames(shop: Client) -> None:
    boards = read()

    frames = sql.frames_of(boards, shop, END)

    for board in boards:
        for panel in board.panels:
            shown = frames[board.uid][str(panel.id)]
            assert shown["range"] == {"from": END - sql.span_of(board), "to": END}
            assert shown["frames"] or panel.kind == "text", panel.where
            kinds = {field["type"] for frame in shown["frames"] for field in frame["fields"]}
            assert kinds <= {"time", "number", "string", "boolean"}


@pytest.mark.parametrize("spared", [STRICT, AS_IN_ADDRESSES], ids=["strict", "address"])
def test_a_condition_of_a_variable_takes_every_name_as_it_is(shop: Client, spared: str) -> None:
    names = ", ".join(map(literal, HARD))
    listed = f"SELECT arrayJoin([{names}]) AS name"
    asked = f"WITH {choices('kol')} SELECT name FROM ({listed}) WHERE {chosen('name', 'kol')}"  # noqa: S608  # values of ours

    def found(*values: str) -> list[str]:
        kol = Choice(values, is_multi=True, spared=spared)
        text = interpolate(asked, {"kol": kol})
        return [row[0] for row in shop.query(text).result_rows]

    for name in HARD:
        assert found(name) == [name]
    assert found(*HARD[3:7]) == list(HARD[3:7])
    assert found(*HARD) == list(HARD)
    assert found(ALL) == list(HARD)
    assert found("nobody") == []


def test_hard_names_choose_their_own_orders(shop: Client) -> None:
    board = Board(sound())
    options, _ = options_of(board, Engine(shop), range_of(90 * DAY, END))
    assert set(HARD) <= set(options.values["brand"])
    for name in HARD:
        given = {**options.opened(), "brand": Choice((name,), is_multi=True)}
        answer = sql.run(board.panels[0].targets[0], given, Engine(shop), range_of(DAY, END))
        assert {row[1] for row in answer.rows} == {name}, answer.error


# ---------------------------------------------------------------- planted faults


def _override(name: str) -> Plant:
    one = {"matcher": {"id": "byName", "options": name}, "properties": []}
    return being(1, fieldConfig={"defaults": {"unit": "none"}, "overrides": [one]})


FAULTS: Final[dict[str, tuple[Plant, str]]] = {
    "a wrong column": (
        asking(1, "sum(credit_cents)", "sum(credit_cent)"),
        "the engine refuses: .*credit_cent",
    ),
    "a column that is another's": (
        _override("creditt"),
        "it sets how creditt is shown, and no answer has that column",
    ),
    "a series out of order": (
        asking(1, "ORDER BY time", "ORDER BY time DESC"),
        "must be in the order of time: ORDER BY time",
    ),
    "a column after which time comes": (
        asking(
            1,
            "$__timeInterval_ms(ordered_at) AS time, kol_id",
            "kol_id, $__timeInterval_ms(ordered_at) AS time",
        ),
        "column time must come first, not kol_id",
    ),
    "a day at its midnight": (
        asking(
            1,
            "$__timeInterval_ms(ordered_at) AS time",
            "toStartOfDay(ordered_at, 'Asia/Shanghai') AS time",
        ),
        "rows lie outside of the range, where nothing is drawn",
    ),
    "a list": (
        asking(2, "argMax(trust, minute) AS trust", "groupArray(trust) AS trust"),
        "column trust is Array",
    ),
    "two rows of one series": (
        asking(1, "kol_id, sum(credit_cents) / 100 AS credit", "sum(credit_cents) / 100 AS credit"),
        "two rows of a time series have one time",
    ),
    "a table as a series": (
        being(1, targets=[clickhouse(CREDIT, TABLE)]),
        "a time series is asked with format 0",
    ),
    "cents as a share": (
        being(1, fieldConfig={"defaults": {"unit": "percentunit"}, "overrides": []}),
        "column credit is shown as a share, and is up to",
    ),
    "no time filter": (
        asking(1, "AND $__timeFilter_ms(ordered_at)", ""),
        "query A shows rows of other times in a range without any",
    ),
    "a question that has no answer": (
        asking(2, "WHERE $__timeFilter(minute)", "WHERE $__timeFilter(minute) AND kol_id = '-'"),
        "query A never gave a row",
    ),
    "no number in a big number": (
        being(
            2,
            type="stat",
            targets=[
                clickhouse(
                    TRUST.replace(", argMax(trust, minute) AS trust", "").replace(
                        "trust DESC", "1"
                    ),
                    TABLE,
                )
            ],
        ),
        "it shows numbers, and no column is one",
    ),
    "series named by a column that is not there": (
        being(
            1,
            fieldConfig={"defaults": {"displayName": "${__field.labels.kol}"}, "overrides": []},
        ),
        "its series are named by column kol, which no answer has",
    ),
}


def test_a_sound_dashboard_is_answered(shop: Client) -> None:
    assert sql.check([Board(sound())], shop, END).findings == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_on_the_engine(fault: str, shop: Client) -> None:
    plant, sentence = FAULTS[fault]
    varied = sql.VARIED if fault == "a question that has no answer" else ()
    checked = sql.check([Board(planted(plant))], shop, END, varied=varied)

    found = [str(one) for one in checked.findings]

    assert any(re.search(sentence, one) for one in found), found


def test_the_macro_of_seconds_loses_the_last_second(server: Server) -> None:
    """What the `_ms` forms are for: an order in the second in which the range ends."""
    client = fresh(server, "seconds")
    client.command(
        "CREATE TABLE sold (ordered_at DateTime64(3, 'UTC')) ENGINE = Memory AS"
        " SELECT fromUnixTimestamp64Milli(1767225600900, 'UTC')"
    )
    span = Range(1_767_225_600_000, 1_767_225_600_950)

    counted = {
        form: client.query(expand(SOLD % form, span)).result_rows[0][0]
        for form in ("timeFilter", "timeFilter_ms")
    }

    client.close()
    assert counted == {"timeFilter": 0, "timeFilter_ms": 1}
