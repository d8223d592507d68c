"""Text that a terminal would obey or that rich would read as markup."""

import re
from typing import Final

HOSTILE: Final = (
    "[/vip]",
    "[bold]o[/bold]",
    "[link=http://x]o[/link]",
    ":smile:",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "nul\x00",
    "two\nlines\r",
    "tab\tbell\x07\x7f",
    "\x9b31m",
    "rtl\u202e\u2066\u200f\u061c",
    "separators\u2028\u2029",
    "lone\udcff\ud800",
    "hidden\u200b\ufeff\U000e0041",
)
# what no output may hold; a line feed ends lines
CONTROL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
