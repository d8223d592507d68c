r"""Lone surrogates are found where a lenient reader of JSON finds them."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from schemas.surrogates import substituted

ESCAPES = (
    r"\ud83d",
    r"\uDC76",
    r"\udfff",
    r"\uD800",
    r"\u0041",
    r"\n",
    r"\\",
    r"\"",
    "ud83d",
    "好",
)


@given(st.lists(st.sampled_from(ESCAPES), max_size=9).map("".join))
def test_what_is_replaced_is_what_half_a_character_is(escapes: str) -> None:
    read = json.loads(f'"{escapes}"')  # joins pairs, keeps halves
    both = substituted(f'"{escapes}"'.encode())
    wanted = [re.sub("[\ud800-\udfff]", by, read) for by in "\ufffd\ufffc"]

    if wanted[0] == read:
        assert both is None
    else:
        assert both is not None
        assert [json.loads(one) for one in both] == wanted
