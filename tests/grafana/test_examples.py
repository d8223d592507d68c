"""What is made up for pictures has the labels and names that Prometheus would give."""

import pytest

from tests.grafana.boards import Panel, read
from tests.grafana.examples import examples
from tests.grafana.macros import Range
from tests.grafana.samples import panel, prometheus

SPAN = Range(1_767_225_600_000, 1_767_312_000_000)


def drawn(expr: str, **more: object) -> list[dict[str, object]]:
    target = {**prometheus(expr), **more}
    asked = Panel(panel(1, "timeseries", target, unit="eps"), "kol-x")
    return [dict(one["fields"][1]) for one in examples(asked, asked.targets[0], SPAN)]


def test_series_have_labels_of_their_metric_and_the_name_of_the_query() -> None:
    fields = drawn("sum by (topic) (rate(kol_read_messages_total[5m]))", legendFormat="{{topic}}")

    assert fields[0]["labels"] == {"topic": "clickstream"}
    assert fields[0]["config"] == {"displayNameFromDS": "clickstream"}
    assert len(fields) > 1


def test_a_sum_is_one_series_and_always_the_same() -> None:
    once = drawn("sum(rate(kol_read_messages_total[5m]))", legendFormat="all")
    again = drawn("sum(rate(kol_read_messages_total[5m]))", legendFormat="all")

    assert once == again
    assert [one["config"] for one in once] == [{"displayNameFromDS": "all"}]
    assert len(once[0]["values"]) > 200  # type: ignore[arg-type]  # a list


def shown(title: str) -> dict[str, list[float]]:
    """Legend -> values of a panel of the pipeline."""
    (board,) = [one for one in read() if one.uid == "kol-pipeline"]
    (found,) = [one for one in board.panels if one.title == title]
    frames = [frame for target in found.targets for frame in examples(found, target, SPAN)]
    return {str(one["name"]): one["fields"][1]["values"] for one in frames}


def test_examples_do_not_contradict_each_other() -> None:
    latency, lag = shown("End-to-end latency"), shown("Lag by topic")
    states = shown("State of the sinks")

    assert all(p50 < p99 for p50, p99 in zip(latency["p50"], latency["p99"], strict=True))
    assert set(latency["objective"]) == {1.0}
    assert max(latency["p99"]) < 1
    assert sum(values[-1] for values in lag.values()) == pytest.approx(shown("Lag")["A"][-1], abs=2)
    assert shown("Workers") == {"A": [2.0]}
    assert len(shown("Folded, not yet acknowledged")) == 2 * 2
    assert shown("Sinks not ok")["A"] == [states["retrying"][-1] + states["stopped"][-1]]
    assert max(shown("Share rejected")["1 day"]) < shown("Share rejected")["objective"][0]
    assert shown("Error budget used")["A"][0] < 1


def test_what_never_happens_on_a_calm_day_has_no_series() -> None:
    assert shown("Inserts tried again") == {"A": []}


def test_every_series_has_values_of_its_labels() -> None:
    board = next(one for one in read() if one.uid == "kol-pipeline")
    names = {name for panel in board.panels for name in shown(panel.title)}

    assert not names & {"x", "turn", "topic", "side", "kind", "table", "door", "step", "state"}
