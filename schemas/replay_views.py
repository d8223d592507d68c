"""Names and comments of views while they read a replay."""

import re


def kept_name(view: str) -> str:
    """The name of a view while another one has its place.

    >>> kept_name("v_order")
    'v_order__kept'
    """
    return f"{view}__kept"


def replay_comment(database: str) -> str:
    """The comment of a view that reads a replay's database.

    >>> replay_comment("kol_2")
    'read from kol_2'
    """
    return f"read from {database}"


def replay_read_by(comment: str) -> str | None:
    """Which replay's database a view reads, by its comment; None for a view of the migrations.

    >>> replay_read_by("read from kol_2"), replay_read_by("Who a KOL is.")
    ('kol_2', None)
    """
    found = re.fullmatch(r"read from (\w+)", comment)
    return found[1] if found else None
