"""Lines of files that broke us, made anew."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

T0 = 1_767_229_200_000  # 2026-01-01 01:00 UTC
NOW = T0 + 300 * 86_400_000
HOUR = 3_600_000

ODD_CHARACTERS = (
    *(
        "a\0b",
        "ab\u202ecd",
        "\U0001f476" * 512,
        "e\u0301",
        "\u200b",
        " ",
        "\x1b[31mred",
        "[bold]o[/bold]",
    ),
    *(
        "\x1b]0;title\x07",
        "'; DROP TABLE x; --",
        '"quoted"\\',
        "\u2028\u2029",
        "\ufeffbom",
        "a\tb\nc",
    ),
)


def paid(order: str, ts: int = T0, user: str = "u1", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A paid order, as a value."""
    required = {"event_id": order, "ts": ts, "user_id": user, "order_id": order}
    return required | {"kind": "paid", "pay_cents": 100} | more


def click(event_id: str, ts: int = T0, user: str = "u1") -> dict[str, Any]:
    """A click, as a value."""
    return {"event_id": event_id, "ts": ts, "user_id": user, "event": "click", "kol_id": "kol-1"}


def profile(kol: str, ts: int = T0, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A profile of a KOL, as a value."""
    return {"kol_id": kol, "ts": ts, "tier": "head"} | more


def line(value: dict[str, Any]) -> bytes:
    """The line that sends a value to its topic."""
    topic = "kol-profile" if "tier" in value else "clickstream"
    topic = "purchases" if "order_id" in value else topic
    return json.dumps({"topic": topic, "value": value}).encode() + b"\n"


def written(path: Path, values: Iterable[dict[str, Any]]) -> Path:
    """A file that sends these values, in this order."""
    path.write_bytes(b"".join(map(line, values)))
    return path


def export(days: int, user: str = "u1") -> list[dict[str, Any]]:
    """A click and its order on every day, the oldest first."""
    return [
        value
        for day in range(days)
        for value in (
            click(f"c{day}", T0 + 24 * HOUR * day, user),
            paid(f"o{day}", T0 + 24 * HOUR * day + HOUR, user),
        )
    ]


def morning(bad_clock: int | None, begin: int = T0, name: str = "a") -> list[dict[str, Any]]:
    """Forty clicks and orders a second apart, after one click with a clock that is wrong."""
    first = [] if bad_clock is None else [click("bad", bad_clock)]
    return first + [
        value
        for second in range(40)
        for value in (
            click(f"c{name}{second}", begin + 1_000 * second),
            paid(f"o{name}{second}", begin + 1_000 * second + 1),
        )
    ]
