"""What is made up for pictures has the labels and names that Prometheus would give."""

from tests.grafana.boards import Panel
from tests.grafana.examples import examples
from tests.grafana.macros import Range
from tests.grafana.samples import panel, prometheus

SPAN = Range(1_767_225_600_000, 1_767_312_000_000)


def drawn(expr: str, **more: object) -> list[dict[str, object]]:
    target = {**prometheus(expr), **more}
    shown = Panel(panel(1, "timeseries", target, unit="eps"), "kol-x")
    return [dict(one["fields"][1]) for one in examples(shown, shown.targets[0], SPAN)]


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
