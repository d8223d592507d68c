"""A KOL as a person reads it: the id, and beside it the display name where one is known."""

from rich.text import Text

from streams.cli.screen import styled


def named(kol_id: str, display_name: str = "", style: str = "") -> Text:
    """An id, then its display name.

    >>> named("kol-xia", "小夏").plain, named("kol-xia").plain, named("小夏", "小夏").plain
    ('kol-xia 小夏', 'kol-xia', '小夏')
    """
    shown = styled(kol_id, style)
    if display_name and display_name != kol_id:
        shown = Text.assemble(shown, " ", styled(display_name, "italic"))
    return shown
