"""The leaderboard on a terminal; a score is shown as a bar as wide as its interval."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from streams.cli.money import as_yuan
from streams.cli.screen import Shown, panel, stacked, styled

if TYPE_CHECKING:
    from streams.settings import Settings


WIDTH = 28  # of an interval on the screen


def board(settings: "Settings", note: str, limit: int = 18) -> Shown:
    """The leaderboard as a panel, with the doors of all messages below it."""
    from streams.operations.leaderboard import leaders
    from streams.operations.status import door_counts

    table = _table()
    for leader in leaders(settings, limit):
        table.add_row(*_cells(leader))
    by_door = door_counts(settings)
    counts = {**by_door.get("doors", {}), **by_door.get("rejected", {})}
    foot = "  ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "nothing yet"
    return stacked(
        panel(table, f"kol-streams · who is trusted · {note}"),
        styled(f" every message left by one door: {foot}", "dim"),
    )


def _table() -> Table:
    table = Table(expand=True, box=None, pad_edge=False, header_style="bold")
    table.add_column("KOL", no_wrap=True)
    table.add_column("trust 0 ─ 100", width=WIDTH + 2)
    table.add_column("", justify="right")
    table.add_column("Δ", justify="right")
    table.add_column("resonance", width=WIDTH // 2 + 2)
    for name in ("n", "credited", "given back"):
        table.add_column(name, justify="right")
    return table


def _cells(leader: Mapping[str, Any]) -> tuple[str | Text, ...]:
    lo, trust, hi = (100 * leader[name] for name in ("trust_lo", "trust", "trust_hi"))
    change = trust - 100 * leader["before"]
    res_lo, res, res_hi = (
        None if leader[name] is None else 100 * leader[name]
        for name in ("resonance_lo", "resonance", "resonance_hi")
    )
    return (
        leader["kol_id"],
        interval(lo, trust, hi, WIDTH),
        f"{trust:.0f} ({lo:.0f}–{hi:.0f})",
        Text(f"{change:+.1f}", style="green" if change > 0 else "red" if change < 0 else "dim"),
        interval(res_lo, res, res_hi, WIDTH // 2),
        f"{leader['n_eff']:.0f}",
        as_yuan(int(leader["credit_cents"])),
        as_yuan(int(leader["refunded_cents"])),
    )


def interval(lo: float | None, at: float | None, hi: float | None, width: int) -> Text:
    """A 90 % interval on a scale from 0 to 100.

    >>> interval(0, 50, 100, 5).plain
    '━━●━━'
    """
    if lo is None or at is None or hi is None:
        return Text("—", style="dim")
    first, point, last = (min(width - 1, int(value * width / 100)) for value in (lo, at, hi))
    style = "green" if lo >= 70 else "red" if hi < 40 else "yellow"  # noqa: PLR2004  # the gates
    text = Text(" " * first + "━" * (last - first + 1), style=style)
    return Text.assemble(
        text[:point] if point else "", ("●", f"bold {style}"), text[point + 1 : last + 1]
    )
