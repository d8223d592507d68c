"""The leaderboard on a terminal: numbers and money always, bars where there is room.

A bar shows a score's 90 % interval on a scale from 0 to 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from streams.cli.money import as_money
from streams.cli.screen import Shown, out, panel, stacked, styled

if TYPE_CHECKING:
    from streams.settings import Settings

TRUSTED, DISTRUSTED = 70, 40  # the gates: an interval wholly from, or wholly below
WIDEST_BAR, NARROWEST_BAR = 28, 12
WIDEST_ID: Final = 24  # a longer one is folded for the sake of resonance and bars
GAP: Final = 2  # between two columns
FRAME: Final = 4  # of the panel, both sides
LEGEND: Final = (
    f"trust and resonance: score (90 % interval), 0 to 100; green: all of it from {TRUSTED}, "
    f"red: all below {DISTRUSTED}; Δ: change of trust since the first score; "
    "n: observations behind it; money: time_decay"
)

Leader = Mapping[str, Any]  # a row of `leaders`


@dataclass(frozen=True, slots=True)
class Column:
    """A header and one cell for each KOL."""

    header: str
    cells: Sequence[Text]
    is_number: bool = True

    @property
    def width(self) -> int:
        """Of its widest cell."""
        return max(Text(self.header).cell_len, *(cell.cell_len for cell in self.cells), 0)


def board(settings: "Settings", note: str, limit: int = 18) -> Shown:
    """The leaderboard as a panel as wide as the terminal, a legend, the doors of all messages."""
    from streams.operations.leaderboard import leaders, paid_in_other_currencies
    from streams.operations.status import door_counts

    by_door = door_counts(settings)
    counts = {**by_door.get("doors", {}), **by_door.get("rejected", {})}
    foot = "  ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "nothing yet"
    table = leader_table(leaders(settings, limit), out.width - FRAME)
    others = [as_money(cents, one) for one, cents in paid_in_other_currencies(settings).items()]
    elsewhere = f"; orders not shown, in other currencies: {', '.join(others)}" if others else ""
    return stacked(
        panel(table, f"kol-streams · who is trusted · {note}"),
        styled(f" {LEGEND}, {settings.currency}{elsewhere}", "dim"),
        styled(f" every message left by one door: {foot}", "dim"),
    )


def leader_table(leaders: Sequence[Leader], width: int) -> Table:
    """The columns for which there is room; an id that is too long is folded, a number never."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = fitting_columns(leaders, width)
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.is_number else "left",
            no_wrap=column is not columns[0],
            overflow="fold",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def fitting_columns(leaders: Sequence[Leader], width: int) -> list[Column]:
    """Ids, trust, change, evidence and money; then resonance and the bars as far as they fit."""
    before, after = [_ids(leaders), _scores(leaders, "trust")], _amounts(leaders)
    numbers = [before[1], _changes(leaders), *after]
    spare = width - min(before[0].width, WIDEST_ID) - sum(GAP + one.width for one in numbers)
    resonance = _scores(leaders, "resonance")
    second = [resonance] if resonance.width + GAP <= spare else []
    spare -= sum(GAP + column.width for column in second)
    bars = []
    for name in ("trust", "resonance"):
        wide = min(WIDEST_BAR, spare - GAP)
        bars.append([_bars(leaders, name, wide)] if wide >= NARROWEST_BAR else [])
        spare -= sum(GAP + column.width for column in bars[-1])
    return [*before, *bars[0], _changes(leaders), *second, *bars[1], *after]


def _ids(leaders: Sequence[Leader]) -> Column:
    return Column("KOL", [styled(leader["kol_id"]) for leader in leaders], is_number=False)


def _changes(leaders: Sequence[Leader]) -> Column:
    changes = [100 * (leader["trust"] - leader["before"]) for leader in leaders]
    cells = [
        styled(f"{change:+.1f}", "green" if change > 0 else "red" if change < 0 else "dim")
        for change in changes
    ]
    return Column("Δ", cells)


def _amounts(leaders: Sequence[Leader]) -> list[Column]:
    """Evidence and money."""
    return [
        Column("n", [styled(f"{leader['n_eff']:.0f}") for leader in leaders]),
        *(
            Column(
                header,
                [styled(as_money(int(leader[name]), leader["currency"])) for leader in leaders],
            )
            for header, name in (("credited", "credit_cents"), ("given back", "refunded_cents"))
        ),
    ]


def _scores(leaders: Sequence[Leader], name: str) -> Column:
    return Column(name, [score(*_percent(leader, name)) for leader in leaders])


def _bars(leaders: Sequence[Leader], name: str, width: int) -> Column:
    bars = [interval(*_percent(leader, name), width) for leader in leaders]
    return Column(axis(width), bars, is_number=False)


def _percent(leader: Leader, name: str) -> tuple[float | None, float | None, float | None]:
    """Lower end, value and upper end of a score, 0 to 100; None where there is none."""
    lo, at, hi = (
        None if leader[key] is None else 100 * leader[key]
        for key in (f"{name}_lo", name, f"{name}_hi")
    )
    return lo, at, hi


def score(lo: float | None, at: float | None, hi: float | None) -> Text:
    """A score and its 90 % interval.

    >>> score(55, 62, 70).plain
    '62 (55–70)'
    """
    if lo is None or at is None or hi is None:
        return styled("—", "dim")
    return styled(f"{at:.0f} ({lo:.0f}–{hi:.0f})", _colour(lo, hi))


def axis(width: int) -> str:
    """The scale of a bar.

    >>> axis(13)
    '0────50───100'
    """
    left = (width - 2) // 2
    return "0".ljust(left, "─") + "50" + "100".rjust(width - left - 2, "─")


def interval(lo: float | None, at: float | None, hi: float | None, width: int) -> Text:
    """A 90 % interval on a scale from 0 to 100.

    >>> interval(0, 50, 100, 5).plain
    '━━●━━'
    """
    if lo is None or at is None or hi is None:
        return styled("—", "dim")
    first, point, last = (min(width - 1, int(value * width / 100)) for value in (lo, at, hi))
    colour = _colour(lo, hi)
    text = Text(" " * first + "━" * (last - first + 1), style=colour)
    return Text.assemble(
        text[:point] if point else "", ("●", f"bold {colour}"), text[point + 1 : last + 1]
    )


def _colour(lo: float, hi: float) -> str:
    return "green" if lo >= TRUSTED else "red" if hi < DISTRUSTED else "yellow"
