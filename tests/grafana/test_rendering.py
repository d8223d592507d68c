"""Grafana's components show what a panel promises; a fault of a panel is seen on its picture."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.grafana import rendering
from tests.grafana.boards import Board
from tests.grafana.looks import findings
from tests.grafana.rendering import Looks

MINUTE_MS: Final = 60_000
BEGIN: Final = 1_767_225_600_000  # 2026-01-01 08:00 in Shanghai
TIMES: Final = [BEGIN + i * MINUTE_MS for i in range(31)]
RANGE: Final = {"from": BEGIN, "to": TIMES[-1]}
STEPS: Final = [{"value": None, "color": "#112233"}, {"value": 0.5, "color": "#aa5500"}]
NOTHING_YET: Final = "No scores in this period. Choose a longer one."
HIDDEN: Final = {"legend": True, "viz": False, "tooltip": False}

Panel = dict[str, Any]


def panel(number: int, kind: str, title: str, **defaults: object) -> Panel:
    return {
        "id": number,
        "type": kind,
        "title": title,
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": "percentunit", "noValue": NOTHING_YET, **defaults},
            "overrides": [],
        },
        "options": {},
    }


def column(name: str, kind: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "type": kind, "values": values}


def override(name: str, **properties: object) -> dict[str, Any]:
    given = [{"id": f"custom.{one}", "value": value} for one, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": given}


def trust() -> Panel:
    made = panel(
        0,
        "timeseries",
        "Trust of $kol",
        thresholds={"mode": "absolute", "steps": STEPS},
        custom={"thresholdsStyle": {"mode": "dashed"}},
    )
    made["fieldConfig"]["overrides"] = [
        override("low", hideFrom=HIDDEN, lineWidth=0),
        override("high", hideFrom=HIDDEN, lineWidth=0, fillBelowTo="low"),
    ]
    return made


def organic() -> Panel:
    return panel(1, "stat", "Organic", thresholds={"mode": "absolute", "steps": STEPS})


def people() -> Panel:
    return panel(2, "table", "Who is trusted")


def channels() -> Panel:
    return panel(3, "bargauge", "Channels") | {"options": {"orientation": "horizontal"}}


def guide() -> Panel:
    text = {"mode": "markdown", "content": "See **the guide** of $kol"}
    return panel(6, "text", "") | {"options": text}


WHY: Final = " ".join(["kol explain order"] * 12)


def reasons(*, wraps: bool) -> Panel:
    made = panel(7, "table", "Reasons")
    options = {"type": "auto", "wrapText": wraps}
    made["fieldConfig"]["overrides"] = [override("why", cellOptions=options, width=300)]
    return made


def many(*, width: int) -> Panel:
    made = panel(8, "timeseries", "Many")
    return made | {"gridPos": {"x": 0, "y": 40, "w": width, "h": 6}}


def board(uid: str, *panels: Panel) -> dict[str, Any]:
    kol = {"name": "kol", "type": "query", "current": {"text": "Lü, 小明", "value": "k"}}
    return {
        "uid": uid,
        "title": "Sample",
        "timezone": "Asia/Shanghai",
        "templating": {"list": [kol]},
        "panels": panels,
    }


def frames() -> dict[str, Any]:
    times = column("time", "time", TIMES)
    names, shares = column("KOL", "string", ["小明"]), column("share", "number", [0.834])
    band = [
        times,
        column("trust", "number", [0.5 + i / 100 for i in range(31)]),
        column("low", "number", [0.4] * 31),
        column("high", "number", [0.9] * 31),
    ]
    by_panel: dict[str, list[list[dict[str, Any]]]] = {
        "0": [band],
        "1": [[times, column("organic", "number", [0.3] * 30 + [0.625])]],
        "2": [[names, shares]],
        "3": [[column("live", "number", [0.41]), column("search", "number", [0.125])]],
        "4": [],
        "5": [[column("KOL", "string", []), column("share", "number", [])]],
        "7": [[column("why", "string", [WHY]), column("share", "number", [0.5])]],
        "8": [[times, *(column(f"a long name {i}", "number", [0.1 * i] * 31) for i in range(9))]],
    }
    return {
        number: {"range": RANGE, "frames": [{"refId": "A", "fields": one} for one in found]}
        for number, found in by_panel.items()
    }


SAMPLE: Final = board(
    "kol-sample",
    trust(),
    organic(),
    people(),
    channels(),
    panel(4, "timeseries", "Nothing yet"),
    panel(5, "table", "Nobody yet"),
    guide(),
    reasons(wraps=True),
    many(width=24),
)


def wrong_unit() -> Panel:
    made = people()
    made["fieldConfig"]["defaults"]["unit"] = "percent"
    return made


def column_that_is_not_there() -> Panel:
    made = organic()
    return made | {"options": {"reduceOptions": {"fields": "/^share$/", "calcs": ["last"]}}}


def no_word_of_help() -> Panel:
    made = panel(4, "timeseries", "Nothing yet")
    del made["fieldConfig"]["defaults"]["noValue"]
    return made


def unknown_variable() -> Panel:
    return trust() | {"title": "Trust of $blogger"}


FAULTY: Final = board(
    "kol-faulty",
    unknown_variable(),
    column_that_is_not_there(),
    wrong_unit(),
    no_word_of_help(),
    reasons(wraps=False),
    many(width=6),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Looks:
    if why := rendering.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("dashboards")
    boards = {one["uid"]: one for one in (SAMPLE, FAULTY)}
    for uid, one in boards.items():
        (folder / f"{uid}.json").write_text(json.dumps(one))
    return rendering.render(folder, dict.fromkeys(boards, frames()), pictures)


def test_a_chart_names_its_series_shows_its_unit_and_its_threshold(looks: Looks) -> None:
    seen = looks["kol-sample"]["0"]

    assert seen.title == "Trust of Lü, 小明"
    assert seen.legend == ("trust",)
    assert {"40%", "08:00"} <= set(seen.texts)
    assert "#aa5500" in seen.colours


def test_a_stat_is_the_last_value_in_the_colour_of_its_step(looks: Looks) -> None:
    seen = looks["kol-sample"]["1"]

    assert {"62.5", "%"} <= set(seen.texts)
    assert "#aa5500" in seen.colours
    assert "#112233" not in seen.colours


def test_a_table_shows_its_columns_and_rows(looks: Looks) -> None:
    assert {"KOL", "share", "小明", "83.4%"} <= set(looks["kol-sample"]["2"].texts)


def test_bars_are_named_by_their_columns(looks: Looks) -> None:
    assert {"live", "search", "41", "12.5", "%"} <= set(looks["kol-sample"]["3"].texts)


def test_a_text_is_markdown_in_which_variables_are_replaced(looks: Looks) -> None:
    assert {"the guide", "of k"} <= set(looks["kol-sample"]["6"].texts)


@pytest.mark.parametrize("number", ["4", "5"])
def test_without_rows_a_panel_says_what_to_do(looks: Looks, number: str) -> None:
    assert looks["kol-sample"][number].no_data == NOTHING_YET


def test_a_picture_is_as_wide_as_a_screen(looks: Looks, pictures: Path) -> None:
    assert looks
    assert int.from_bytes((pictures / "kol-sample.png").read_bytes()[16:20]) == 1280


def test_nothing_is_found_on_a_dashboard_without_faults(looks: Looks) -> None:
    assert not findings(Board(SAMPLE), frames(), looks["kol-sample"])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("Who is trusted", "at most 0.834 with the unit 'percent': is it a share of one"),
        ("Organic", "has rows and shows 'No scores in this period. Choose a longer one.'"),
        ("Nothing yet", "without rows it says 'No data', not what to do"),
        ("Trust of $blogger", "$blogger stands in its title as it is"),
        ("Reasons", "hides a part of 1 texts, such as 'kol explain order kol"),
        ("Many", "hides a part of "),
    ],
)
def test_a_fault_of_a_panel_is_said_in_a_sentence(looks: Looks, where: str, said: str) -> None:
    found = findings(Board(FAULTY), frames(), looks["kol-faulty"])

    assert [said in one.what for one in found if one.where.endswith(where)] == [True]
