"""Panels in one hand: each has a description, a unit and a text for when there is nothing.

Only what the public components of `@grafana/ui` draw: time series, stat, table, bar gauge, text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, table, text, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.text import TextMode

COUNT: Final = "locale"  # 12,345
MONEY: Final = "locale"  # with two decimals; the currency stands in the title
SHARE: Final = "percentunit"  # of a number from 0 to 1
SCORE: Final = "none"  # from 0 to 1, two decimals
PER_MINUTE: Final = "cpm"  # counts per minute

LEAST_STEP: Final = "1m"  # between points: counts and scores are of minutes
WIDTH: Final = 24  # columns of the grid
NOTHING: Final = "–"  # in a cell without a value
FADED: Final = "#8e8e8e"  # what only compares

Target = Builder[Dataquery]
AnyPanel = timeseries.Panel | stat.Panel | table.Panel | bargauge.Panel | text.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, bargauge.Panel)


class Step(NamedTuple):
    """A colour from a value on."""

    color: str
    value: float | None = None  # None: the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every panel has."""

    title: str
    about: str  # what the number means, its view, how sure it is
    empty: str  # what to do where nothing is shown
    unit: str = COUNT
    decimals: int | None = None
    span: int = 12  # columns of 24
    height: int = 8
    steps: Sequence[Step] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # column -> what is shown
    links: Sequence[tuple[str, str]] = ()  # title and uid of dashboards that say more
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a column of a table, or one of several numbers, is shown."""

    title: str
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    empty: str = NOTHING  # where the cell has no value
    steps: Sequence[Step] = ()  # colours of the text
    words: Mapping[str, str] = field(default_factory=dict)  # value -> what is shown
    link: tuple[str, str] | None = None  # title and address
    hidden: bool = False
    wraps: bool = False  # a long text stands in several lines; one column of a table


def _headed(panel: P, head: Head, targets: Iterable[Target]) -> P:
    panel.title(head.title).description(head.about).no_value(head.empty)
    panel.unit(head.unit).span(head.span).height(head.height).targets(list(targets))
    if head.decimals is not None:
        panel.decimals(head.decimals)
    if head.low is not None:
        panel.min(head.low)
    if head.high is not None:
        panel.max(head.high)
    if head.steps:
        panel.thresholds(_thresholds(head.steps))
    if head.links:
        panel.links([link(title, uid) for title, uid in head.links])
    for name, shown in head.names.items():
        panel.override_by_name(name, [DynamicConfigValue("displayName", shown)])
    return panel


def _thresholds(steps: Sequence[Step]) -> build.ThresholdsConfig:
    places = [Threshold(step.value, step.color) for step in steps]
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(places)


def _fixed(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


# ---------------------------------------------------------------- series


def series(
    head: Head,
    *targets: Target,
    by: str = "",
    bars: bool = False,
    stacked: bool = False,
    dashed: Sequence[str] = (),
) -> timeseries.Panel:
    """Values over time.

    Args:
        head: title and the rest.
        targets: rows with `time` first.
        by: the text column whose values name the series; empty: they are named by column.
        bars: whether each value is a bar, as that of a day is.
        stacked: whether the series add up.
        dashed: columns that only compare, such as those of a period before.

    """
    panel = _headed(timeseries.Panel(), head, targets)
    panel.legend(_legend()).tooltip(_tooltip())
    panel.color_scheme(build.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    panel.line_width(1 if bars else 2).show_points(shapes.VisibilityMode.AUTO)
    panel.point_size(4).axis_soft_min(0).interval(LEAST_STEP)
    panel.fill_opacity(70 if bars else 30 if stacked else 0)
    if bars:
        panel.draw_style(shapes.GraphDrawStyle.BARS).bar_width_factor(0.8)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    if by:
        panel.display_name(f"${{__field.labels.{by}}}")
    for name in dashed:
        panel.override_by_name(name, _dashes())
    return panel


def _dashes() -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
        DynamicConfigValue("custom.lineWidth", 1),
        DynamicConfigValue("custom.fillOpacity", 0),
        _fixed(FADED),
    ]


class Band(NamedTuple):
    """Columns of a value and of the ends of its interval."""

    value: str
    low: str
    high: str


def band(head: Head, target: Target, columns: Band, color: str = "blue") -> timeseries.Panel:
    """A value over time within its interval; `head.names` has the name of each column."""
    panel = series(head, target)
    low, high = head.names[columns.low], head.names[columns.high]
    edge = [
        DynamicConfigValue("custom.lineWidth", 0),
        DynamicConfigValue("custom.showPoints", "never"),
        _fixed(color),
    ]
    hidden = DynamicConfigValue(
        "custom.hideFrom", {"legend": False, "tooltip": False, "viz": False}
    )
    panel.override_by_name(columns.value, [_fixed(color)])
    for name in dict.fromkeys((columns.low, low)):
        panel.override_by_name(name, [*edge, DynamicConfigValue("custom.fillOpacity", 0), hidden])
    for name in dict.fromkeys((columns.high, high)):
        fill = DynamicConfigValue("custom.fillBelowTo", low)
        opacity = DynamicConfigValue("custom.fillOpacity", 20)
        panel.override_by_name(name, [*edge, fill, opacity, hidden])
    return panel


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(shapes.LegendDisplayMode.LIST)
        .placement(shapes.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> common.VizTooltipOptions:
    many, order = shapes.TooltipDisplayMode.MULTI, shapes.SortOrder.DESCENDING
    return common.VizTooltipOptions().mode(many).sort(order)


# ---------------------------------------------------------------- numbers


def number(head: Head, *targets: Target) -> stat.Panel:
    """The last value of each target, large."""
    panel = _headed(stat.Panel(), head, targets)
    panel.reduce_options(_reduced(each_row=False, fields=""))
    panel.graph_mode(shapes.BigValueGraphMode.NONE).wide_layout(True)
    panel.text_mode(
        shapes.BigValueTextMode.VALUE_AND_NAME if head.names else shapes.BigValueTextMode.AUTO
    )
    return panel.color_mode(
        shapes.BigValueColorMode.VALUE if head.steps else shapes.BigValueColorMode.NONE
    )


def numbers(head: Head, target: Target, columns: Mapping[str, Column]) -> stat.Panel:
    """The columns of one row as big numbers beside each other."""
    panel = _headed(stat.Panel(), head, [target])
    panel.reduce_options(_reduced(each_row=False, fields=""))
    panel.graph_mode(shapes.BigValueGraphMode.NONE).wide_layout(False)
    panel.orientation(shapes.VizOrientation.VERTICAL)
    panel.text_mode(shapes.BigValueTextMode.VALUE_AND_NAME)
    panel.color_mode(shapes.BigValueColorMode.VALUE)
    panel.color_scheme(build.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("text"))
    for name, column in columns.items():
        panel.override_by_name(name, list(_of_number(column)))
    return panel


def _of_number(column: Column) -> Iterable[DynamicConfigValue]:
    yield DynamicConfigValue("displayName", column.title)
    yield DynamicConfigValue("noValue", column.empty)
    if column.unit:
        yield DynamicConfigValue("unit", column.unit)
    if column.decimals is not None:
        yield DynamicConfigValue("decimals", column.decimals)
    if column.steps:
        yield DynamicConfigValue("color", {"mode": "thresholds"})
        yield DynamicConfigValue("thresholds", _thresholds(column.steps).build())
    if column.words:
        yield DynamicConfigValue("mappings", [_mapped(column.words)])


def words(head: Head, target: Target, columns: Mapping[str, Column]) -> stat.Panel:
    """The same of texts."""
    panel = numbers(head, target, columns)
    return panel.reduce_options(_reduced(each_row=False, fields="/.*/"))


def bars(head: Head, *targets: Target) -> bargauge.Panel:
    """Rows as bars beside each other, from 0 on: the text of a row names its bar."""
    panel = _headed(bargauge.Panel(), head, targets).min(0)
    panel.reduce_options(_reduced(each_row=True, fields=""))
    panel.orientation(shapes.VizOrientation.HORIZONTAL)
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    panel.value_mode(shapes.BarGaugeValueMode.TEXT)
    if not head.steps:
        panel.color_scheme(
            build.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("semi-dark-blue")
        )
    return panel


def _reduced(*, each_row: bool, fields: str) -> common.ReduceDataOptions:
    options = common.ReduceDataOptions().calcs(["lastNotNull"]).fields(fields).values(each_row)
    return options.limit(30) if each_row else options


# ---------------------------------------------------------------- tables


def listing(head: Head, target: Target, columns: Mapping[str, Column]) -> table.Panel:
    """A table; its columns in the order of the query."""
    panel = _headed(table.Panel(), head, [target])
    panel.show_header(True).cell_height(shapes.TableCellHeight.SM).filterable(False)
    for name, column in columns.items():
        panel.override_by_name(name, list(_of_column(column)))
    return panel


def _of_column(column: Column) -> Iterable[DynamicConfigValue]:
    yield DynamicConfigValue("displayName", column.title)
    yield DynamicConfigValue("noValue", column.empty)
    given: dict[str, Any] = {
        "unit": column.unit or None,
        "decimals": column.decimals,
        "custom.width": column.width,
        "custom.hidden": column.hidden or None,
    }
    yield from (DynamicConfigValue(name, value) for name, value in given.items() if value)
    if column.decimals == 0:
        yield DynamicConfigValue("decimals", 0)
    if column.wraps:
        yield DynamicConfigValue("custom.cellOptions", {"type": "auto", "wrapText": True})
    if column.steps:
        yield DynamicConfigValue("thresholds", _thresholds(column.steps).build())
        yield DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
    if column.words:
        yield DynamicConfigValue("mappings", [_mapped(column.words)])
    if column.link:
        title, url = column.link
        yield DynamicConfigValue("links", [{"title": title, "url": url}])


def _mapped(words: Mapping[str, str]) -> ValueMap:
    return ValueMap({value: ValueMappingResult(text=word) for value, word in words.items()})


# ---------------------------------------------------------------- text and links


def note(title: str, content: str, span: int = WIDTH, height: int = 3) -> text.Panel:
    """A text of the dashboard itself, Markdown."""
    panel = text.Panel().title(title).mode(TextMode.MARKDOWN).content(content)
    return panel.description(title).span(span).height(height)


def link(title: str, uid: str) -> build.DashboardLink:
    """A link to another dashboard, which keeps period and variables."""
    return (
        build.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .include_vars(True)
        .keep_time(True)
    )
