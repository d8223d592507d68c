"""The leaderboard on a terminal: numbers and money always, bars where there is room.

A bar shows a score's 90 % interval on a scale from 0 to 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from schemas.cells import ORGANIC
from streams.cli.money import as_money
from streams.cli.names import named
from streams.cli.screen import Shown, out, panel, stacked, styled

if TYPE_CHECKING:
    from streams.operations.leaderboard import Fall, Leader, Leaderboard, Score, Split
    from streams.settings import Settings

TRUSTED, DISTRUSTED = 70, 40  # the gates: an interval wholly from, or wholly below
WIDEST_BAR, NARROWEST_BAR = 28, 12
WIDEST_ID: Final = 30  # a longer one, with its name, is folded for the sake of resonance and bars
GAP: Final = 2  # between two columns
FRAME: Final = 4  # of the panel, both sides
LEGEND: Final = (
    f"━●━ score in its 90 % interval, 0 to 100; green: all ≥ {TRUSTED}, red: all < {DISTRUSTED}",
    "Δ trust since the first score · n evidence, in judgements · money: time_decay",
)
ROWS_AROUND: Final = 13  # of the terminal: frame, legend and the lines below


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
    """The leaderboard of now, as wide as the terminal."""
    from streams.operations.leaderboard import leaderboard

    return drawn(leaderboard(settings, limit), note, out.width)


def live_board(settings: "Settings", note: str, limit: int = 18) -> Shown:
    """As `board`, with no more KOLs than the terminal has room for."""
    from streams.operations.leaderboard import leaderboard

    rows = max(1, out.height - ROWS_AROUND)
    shown = leaderboard(settings, min(limit, rows))
    leaders = fitting_leaders(shown.leaders, out.width - FRAME, rows)
    return drawn(replace(shown, leaders=leaders), note, out.width)


def drawn(shown: "Leaderboard", note: str, width: int) -> Shown:
    """A panel of KOLs, a legend, the largest fall, an order's shares, the doors of all messages."""
    doors = "  ".join(f"{name} {n:,}" for name, n in sorted(shown.doors.items())) or "nothing yet"
    table = leader_table(shown.leaders, width - FRAME)
    return stacked(
        panel(styled(shown.awaited) if shown.awaited else table, f"kol-streams · trust · {note}"),
        *(styled(f" {line}", "dim") for line in LEGEND),
        *([] if shown.fall is None else [fall_line(shown.fall, shown.names)]),
        *([] if shown.split is None else [split_line(shown.split, shown.names)]),
        *([] if not shown.elsewhere else [elsewhere_line(shown.elsewhere)]),
        styled(f" every message left by one door: {doors}", "dim"),
    )


def fall_line(fall: "Fall", names: Mapping[str, str]) -> Text:
    """The largest fall of trust in the last minutes: from which score to which, and when."""
    return Text.assemble(
        (" largest fall lately: ", "dim"),
        named(fall.kol_id, names.get(fall.kol_id, ""), "bold"),
        " trust ",
        _score_at(fall.before),
        " → ",
        _score_at(fall.now),
        " UTC",
    )


def _score_at(one: "Score") -> Text:
    shown = score(100 * one.low, 100 * one.trust, 100 * one.high)
    return shown.append(f" at {one.minute:%H:%M}", "default")


def elsewhere_line(paid: Mapping[str, int]) -> Text:
    """What was paid in other currencies than the shop's: it adds to no KOL's money here."""
    amounts = ", ".join(as_money(cents, currency) for currency, cents in paid.items())
    return styled(f" orders in other currencies, not shown: {amounts}", "dim")


def split_line(split: "Split", names: Mapping[str, str]) -> Text:
    """An order and what each KOL, or nobody, is credited of it."""
    text = Text.assemble(
        (" order ", "dim"),
        styled(split.order_id, "bold"),
        f" {as_money(split.paid_cents, split.currency)} → ",
    )
    for number, (kol, cents) in enumerate(split.shares):
        text.append(" · " if number else "")
        text.append(named(kol, names.get(kol, ""), "dim" if kol == ORGANIC else "bold"))
        text.append(f" {as_money(cents, split.currency)}")
    return text


def leader_table(leaders: Sequence["Leader"], width: int) -> Table:
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


def fitting_leaders(leaders: Sequence["Leader"], width: int, rows: int) -> Sequence["Leader"]:
    """As many of them as these rows have room for: an id that is folded takes several.

    Those that earned least go first, new KOLs last.
    """
    columns = fitting_columns(leaders, width)
    room = max(1, width - _width(columns[1:]))
    taken = [len(cell.wrap(out, room)) for cell in columns[0].cells]
    kept = list(range(len(leaders)))
    while len(kept) > 1 and sum(taken[place] for place in kept) > rows:
        old = [place for place in kept if not leaders[place]["is_new"]]
        kept.remove((old or kept)[-1])
    return [leaders[place] for place in kept]


def fitting_columns(leaders: Sequence["Leader"], width: int) -> list[Column]:
    """KOLs, trust, change, evidence and money; then a bar of trust, resonance and its bar."""
    ids, trust, changes = _ids(leaders), _scores(leaders, "trust"), _changes(leaders)
    amounts, resonance = _amounts(leaders), _scores(leaders, "resonance")
    spare = width - min(ids.width, WIDEST_ID) - _width([trust, changes, *amounts])
    narrow = spare < NARROWEST_BAR + GAP + _width([resonance])
    bar = _bars(leaders, "trust", spare if narrow else spare - _width([resonance]))
    spare -= _width(bar)
    second = [resonance] if _width([resonance]) <= spare else []
    after = _bars(leaders, "resonance", spare - _width(second)) if second else []
    return [ids, trust, *bar, changes, *second, *after, *amounts]


def _width(columns: Sequence[Column]) -> int:
    """Of columns and the gaps before them."""
    return sum(GAP + column.width for column in columns)


def _ids(leaders: Sequence["Leader"]) -> Column:
    """Ids and names, those of new KOLs marked."""
    cells = [
        Text.assemble(
            named(leader["kol_id"], leader["display_name"]),
            (" new", "cyan") if leader["is_new"] else "",
        )
        for leader in leaders
    ]
    return Column("KOL", cells, is_number=False)


def _changes(leaders: Sequence["Leader"]) -> Column:
    changes = [100 * (leader["trust"] - leader["before"]) for leader in leaders]
    cells = [
        styled(f"{change:+.1f}", "green" if change > 0 else "red" if change < 0 else "dim")
        for change in changes
    ]
    return Column("Δ", cells)


def _amounts(leaders: Sequence["Leader"]) -> list[Column]:
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


def _scores(leaders: Sequence["Leader"], name: str) -> Column:
    return Column(name, [score(*_percent(leader, name)) for leader in leaders])


def _bars(leaders: Sequence["Leader"], name: str, room: int) -> list[Column]:
    """The intervals of a score as a picture below its scale; [] where there is too little room."""
    width = min(WIDEST_BAR, room - GAP)
    if width < NARROWEST_BAR:
        return []
    bars = [interval(*_percent(leader, name), width) for leader in leaders]
    return [Column(axis(width), bars, is_number=False)]


def _percent(leader: "Leader", name: str) -> tuple[float | None, float | None, float | None]:
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
