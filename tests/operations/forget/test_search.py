"""What the search of `kol forget` finds in a memory, and which words it looks for in tables."""

import re

from hypothesis import given
from hypothesis import strategies as st

from schemas.erasures import erasure_record, read_erasures
from streams.core.user.memory import UserMemory
from streams.operations.forget.search import in_arrays, word_pattern
from tests.builders import KEY, NAMES, NOON, click, copied, decoded, paid
from tests.core.user.test_memory_laws import user_hash


def memory(*user_ids: str, order_id: str = "o1", raw: bytes = b"{") -> UserMemory:
    """Somebody clicked and bought, and somebody's message could not be read."""
    found = UserMemory(0, hmac_key=KEY)
    for user in user_ids:
        found.fold(decoded("clickstream", [click(user_id=user)]))
        found.fold(decoded("purchases", [paid(order_id, user_id=user)]))
    found.fold(decoded("clickstream", [raw]))
    return found


def found_in(found: UserMemory, user_id: str = "u1") -> dict[str, bool]:
    return dict(in_arrays(copied(found.arrays()), user_id, [user_hash(user_id)]))


def test_a_user_is_found_by_key_and_hash() -> None:
    assert found_in(memory("u1")) == {"users.lo": True, "orders.order.user_hash": True}


def test_who_was_never_here_is_not_found() -> None:
    assert found_in(memory("u2")) == {}


def test_a_letter_that_waits_is_the_users() -> None:
    assert found_in(memory("u2", raw=b"{u1")) == {"letters": True}


def test_an_order_of_the_same_name_is_not_the_users() -> None:
    assert found_in(memory("u2", order_id="u1")) == {"orders.text.end": False}


def test_the_list_of_the_forgotten_is_left_out() -> None:
    found = memory("u2")
    found.fold_erasures(read_erasures([erasure_record("u1", NOON, NAMES)[1]], [0], NAMES), 1)

    assert found_in(found) == {}


@given(st.text("a.\\EQ[*", min_size=1, max_size=6))
def test_a_pattern_quotes_what_an_id_holds(user_id: str) -> None:
    """RE2's quotes; Python has none, so they are taken apart by hand."""
    begin, end = "(^|[^0-9A-Za-z_])", "([^0-9A-Za-z_]|$)"
    inner = word_pattern(user_id).removeprefix(begin).removesuffix(end)
    matched = ""
    while inner:
        if inner.startswith("\\Q"):
            quoted, inner = re.split(r"\\E", inner[2:], maxsplit=1)
            matched += quoted
        else:
            assert inner.startswith("\\\\")
            matched, inner = matched + "\\", inner[2:]
            taken = inner[: inner.index("\\Q")] if "\\Q" in inner else inner
            matched, inner = matched + taken, inner[len(taken) :]

    assert matched == user_id
