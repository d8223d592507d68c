"""The rows of what could not be read or written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Rejected
from schemas.letters import INPUT, NEW, Letter, decoded, encoded, keys, letter_rows
from schemas.rows import TABLES

NOON = 1_716_206_400_000  # 2024-05-20 12:00 UTC
LETTER = Letter("purchases", 3, 17, INPUT, NOON, "invalid", "why", NEW)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_come_back_from_a_payload(raw: bytes) -> None:
    assert decoded(*encoded(raw)) == raw


@pytest.mark.parametrize(
    ("raw", "payload"),
    [(b"", ("utf8", "")), ("é".encode(), ("utf8", "é")), (b"\xff\x00", ("base64", "/wA="))],
)
def test_what_is_text_stays_readable(raw: bytes, payload: tuple[str, str]) -> None:
    assert encoded(raw) == payload


def test_a_rejected_message_is_a_whole_row() -> None:
    rows = letter_rows([Rejected("purchases", 3, 17, NOON, "invalid", "why", None)], 7)

    rows.validate()
    assert list(rows.row(0).values()) == [
        *("purchases", 3, 17, "input", NOON, "invalid", "why", "utf8", "", "new", 7)
    ]


def test_a_refused_row_names_its_table() -> None:
    rows = letter_rows([Rejected("", 0, 17, NOON, "refused", "why", b"{}")], 0, "kol_score")

    assert rows.columns["target"] == ["kol_score"]


def test_a_letter_is_named_by_its_place_or_its_table() -> None:
    row = Letter("", 0, 5, "kol_score", NOON, "refused", "why", NEW)

    assert (LETTER.id, row.id) == ("purchases/3/17", "kol_score/0/5")


def test_a_letter_is_read_as_the_engine_writes_it() -> None:
    row = {name: getattr(LETTER, name) for name in ("topic", "partition", "target")}
    row |= {"offset": "17", "ms": str(NOON), "reason": "invalid", "error": "why", "state": "new"}

    assert Letter.read(row) == LETTER


def test_a_letter_shows_its_time_as_the_engine_does() -> None:
    assert LETTER.time == "2024-05-20 12:00:00.000"
    assert LETTER.as_dict() == {
        "id": "purchases/3/17",
        "topic": "purchases",
        "partition": 3,
        "offset": 17,
        "target": "input",
        "time": "2024-05-20 12:00:00.000",
        "reason": "invalid",
        "error": "why",
        "state": "new",
    }


def test_the_key_of_a_letter_is_that_of_its_table() -> None:
    names = TABLES["dead_letter"].key

    assert keys([LETTER]) == {"keys": [tuple(getattr(LETTER, name) for name in names)]}
