"""The report of a comparison as one HTML file with its plots, which needs nothing else.

A plot of costs has a logarithmic axis: a dot is a run, a bar the median with its interval of 90 %.
The plot below it stacks what the processes beside a system have cost meanwhile.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

LEFT: Final = 210  # pixels of names
WIDTH: Final = 620  # of an axis
ROW: Final = 34
COLORS: Final = ("#3366aa", "#ee8833", "#44aa77", "#aa5599", "#888888")  # of processes
STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}svg text{font:13px system-ui,sans-serif}"
    "pre{overflow:auto;background:#f5f5f5;padding:1em}"
)


def page(report: Mapping[str, Any]) -> str:
    """The HTML of a comparison's report."""
    machine, made = report["machine"], report["input"]
    about = (
        f"{made['events']:,} messages on {made['topics']} topics ({made['codec']}), the first "
        f"{made['warm']:,} to warm up; seed {made['seed']}, SHA-256 {made['sha256']}; "
        f"{machine['cores']} × {machine['cpu']}, Python {machine['python']}; "
        f"{report['rounds']} rounds, {report['repeated']} more were repeated because their ceiling "
        f"moved, {report['disturbed']} count although it did."
    )
    parts = [
        "<h1>kol bench</h1>",
        f"<p>{escape(about)}</p>",
        f"<p>{escape(checked_text(report))}</p>",
        _table(report),
        "<h2>CPU µs an event of the process itself</h2>",
        _costs(report),
        "<h2>CPU µs an event of each process</h2>",
        _stacks(report["cpu_us"]),
        *[f"<p>{escape(line)}</p>" for line in (*peer_lines(report), *not_run_lines(report))],
        "<h2>All figures</h2>",
        f"<pre>{escape(json.dumps(report, ensure_ascii=False, indent=1))}</pre>",
    ]
    head = f'<meta charset="utf-8"><title>kol bench</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def checked_text(report: Mapping[str, Any]) -> str:
    """What is known of the output of our workers, as a sentence."""
    output = report["output"]
    if not output["checked"]:
        return f"The output was not checked: {output['reason']}."
    return (
        "Ours does all of its work. Every row it wrote of the first "
        f"{output['messages']:,} messages is what the oracle says: {output['orders']:,} orders, "
        f"{output['events']:,} events."
    )


def peer_lines(report: Mapping[str, Any]) -> list[str]:
    """What each peer does of the work, and how many of its orders are as they should be."""
    lines = []
    for name, peer in report["peers"].items():
        equal = (
            f"; {peer['equal']:.2%} of its orders are as they should be" if "equal" in peer else ""
        )
        lines.append(f"{name} does a part: {peer['work']}{equal}.")
    return lines


def not_run_lines(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each system that did not run."""
    return [f"{name} did not run: {why}" for name, why in report["not_run"].items()]


def _table(report: Mapping[str, Any]) -> str:
    first = report["first"]
    rows = [("", "CPU µs an event", "90 %", f"CPU ÷ {first}", "90 %", "events/s")]
    for name, cost in report["cpu_us_per_event"].items():
        ratio = report["ratios"].get(name)
        rows.append(
            (
                name,
                f"{cost['median']:.2f}",
                f"{cost['low']:.2f}–{cost['high']:.2f}",
                f"{ratio['median']:.2f}" if ratio else "1",
                f"{ratio['low']:.2f}–{ratio['high']:.2f}" if ratio else "",
                f"{report['events_per_second'][name]:,}",
            )
        )
    return f"<table>{''.join(map(_row, rows))}</table>"


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _costs(report: Mapping[str, Any]) -> str:
    """Runs, median and interval of each system, on one logarithmic axis."""
    runs = {
        name: [run["cpu_us_per_event"] for run in some] for name, some in report["runs"].items()
    }
    axis = _Axis([value for some in runs.values() for value in some])
    drawn = list(axis.lines(len(runs)))
    for place, (name, values) in enumerate(runs.items()):
        y = ROW * place + ROW / 2
        cost = report["cpu_us_per_event"][name]
        low, middle, high = (axis.x(cost[at]) for at in ("low", "median", "high"))
        drawn += [
            _text(LEFT - 10, y + 5, name, "end"),
            _line((low, y), (high, y), f'stroke="{COLORS[0]}" stroke-width="5"'),
            _line((middle, y - 9), (middle, y + 9), f'stroke="{COLORS[0]}" stroke-width="3"'),
            *(
                f'<circle cx="{axis.x(value):.1f}" cy="{y}" r="3" fill="#222" fill-opacity=".6"/>'
                for value in values
            ),
        ]
    return _svg(drawn, ROW * len(runs) + ROW)


class _Axis:
    """A logarithmic axis that holds some values, from one step of 1, 2, 5 to another."""

    def __init__(self, values: Sequence[float]) -> None:
        least, most = min(values), max(values)
        decades = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
        steps = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        self._first = max(step for step in steps if step <= least)
        self._last = min([step for step in steps if step > most] or [steps[-1]])
        self._steps = [step for step in steps if self._first <= step <= self._last]

    def x(self, value: float) -> float:
        """Where a value is, in pixels."""
        return LEFT + WIDTH * math.log(value / self._first) / math.log(self._last / self._first)

    def lines(self, rows: int) -> Iterable[str]:
        """A line and a number at each step."""
        height = ROW * rows
        for step in self._steps:
            at = self.x(step)
            yield _line((at, 0), (at, height), 'stroke="#ddd"')
            yield _text(at, height + 18, f"{step:g}", "middle")


def _stacks(costs: Mapping[str, Mapping[str, float]]) -> str:
    """What each process cost an event, one beside the other; the system itself comes first."""
    beside = sorted({of for parts in costs.values() for of in list(parts)[1:]})
    most = max(sum(parts.values()) for parts in costs.values()) or 1.0
    color = dict(zip(["itself", *beside], COLORS, strict=False))
    drawn = []
    for place, (name, parts) in enumerate(costs.items()):
        y, at = ROW * place + 6, float(LEFT)
        drawn.append(_text(LEFT - 10, y + 17, name, "end"))
        for number, (of, value) in enumerate(parts.items()):
            width = WIDTH * value / most
            fill = color["itself" if number == 0 else of]
            drawn.append(
                f'<rect x="{at:.1f}" y="{y}" width="{width:.1f}" height="22" fill="{fill}">'
                f"<title>{escape(of)}: {value:.2f}</title></rect>"
            )
            at += width
        drawn.append(_text(at + 6, y + 17, f"{sum(parts.values()):.2f}", "start"))
    bottom = ROW * len(costs) + 20
    for place, (of, fill) in enumerate(color.items()):
        x = LEFT + 110 * place
        drawn.append(f'<rect x="{x}" y="{bottom - 11}" width="12" height="12" fill="{fill}"/>')
        drawn.append(_text(x + 18, bottom, of, "start"))
    return _svg(drawn, bottom + 14)


def _line(begin: tuple[float, float], end: tuple[float, float], look: str) -> str:
    (x1, y1), (x2, y2) = begin, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(drawn: Iterable[str], height: float) -> str:
    return (
        f'<svg width="{LEFT + WIDTH + 80}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )
