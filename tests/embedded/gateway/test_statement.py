"""Where a statement ends and its rows begin, told without the engine."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded.gateway.errors import Refusal
from deploy.embedded.gateway.statement import Insert, formatted, is_stop, opening, utf8
from deploy.embedded.gateway.tokens import tokens

FILLER = st.sampled_from(
    [" ", "\n", "\t", " /* FORMAT x ' */ ", " -- ( `\n", "\r\n", " # FORMAT\n"]
)
NAMES = st.sampled_from(
    ["t", "kol.t", "`a b`", '"q"."r"', "format", "`FORMAT`", "db.format", "`a``b`", "`a\\`b`"]
)
WITHS = st.sampled_from(["", "WITH 1 AS x", "WITH insert AS (SELECT 1 AS `INSERT`)"])
COLUMNS = st.sampled_from(["", "(a)", "(a, `FORMAT`)", "(* EXCEPT(c))", "(a,(b))"])
SETTINGS = st.sampled_from(["", "SETTINGS a = 1, b = 'FORMAT TSV', c = '\\' FORMAT'"])
ENDS = st.sampled_from([" ", "\n", "\r\n", " \n", "\t\r\n"])


@given(FILLER, WITHS, NAMES, COLUMNS, SETTINGS, ENDS, st.binary())
def test_rows_begin_behind_the_name_of_their_format(
    fill: str, before: str, name: str, columns: str, settings: str, end: str, rows: bytes
) -> None:
    rows = rows.lstrip(b" \t\f\r\n;")
    head = fill.join(["", before, "INSERT", "INTO", name, columns, ""])
    text = f"{head}{settings}{fill}FORMAT{fill}RowBinary{end}".encode()

    found = opening(text + rows)

    assert found.word == "INSERT"
    assert found.insert is not None
    assert found.insert.format == "RowBinary"
    assert found.insert.start == len(text)
    assert found.insert.head == (head if settings else f"{head}{fill}").strip().encode()
    assert found.insert.settings == (f"{settings}{fill}".strip().encode() if settings else b"")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"INSERT INTO t FORMAT TSV\n\n1", b"\n1"),
        (b"INSERT INTO t FORMAT TSV\r\n\r\n1", b"\r\n1"),
        (b"INSERT INTO t FORMAT TSV  \t1", b"1"),
        (b"INSERT INTO t FORMAT TSV", b""),
        (b"INSERT INTO t FORMAT RowBinary\n;", b";"),
        (b"INSERT INTO FUNCTION null('a Int8') (a) FORMAT TSV\n1", b"1"),
        (b"INSERT INTO TABLE t FORMAT TSV\n1", b"1"),
        (b"INSERT t FORMAT TSV\n1", b"1"),
    ],
)
def test_one_line_end_belongs_to_the_opening(text: bytes, rows: bytes) -> None:
    found = opening(text).insert

    assert found is not None
    assert text[found.start :] == rows


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1, 'FORMAT TSV')",
        b"INSERT INTO t SELECT 1 FORMAT TSV",
        b"INSERT INTO t (a) SELECT 1",
        b"INSERT INTO t (SELECT 1)",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x FORMAT TSV",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t (a",
        b"INSERT INTO t FORMAT",
        b"INSERT INTO t FORMAT 'x'",
        b"INSERT INTO t",
        b"INSERT INTO",
        b"INSERT",
        b"SELECT 1 FORMAT TSV",
        b"",
        b"-- INSERT INTO t FORMAT TSV",
        b"'INSERT' INTO t FORMAT TSV",
    ],
)
def test_what_has_no_rows_behind_it_is_left_to_the_engine(text: bytes) -> None:
    assert opening(text).insert is None


def test_a_semicolon_before_the_rows_is_refused_as_a_server_does() -> None:
    with pytest.raises(Refusal, match="SYNTAX_ERROR"):
        opening(b"INSERT INTO t FORMAT TSV;\n1")


def test_the_head_of_an_insert_may_have_any_bytes() -> None:
    found = opening(b"INSERT INTO `\xff` FORMAT TSV\nx").insert

    assert found == Insert(b"INSERT INTO `\xff`", b"", "TSV", 27)


@pytest.mark.parametrize(
    "text",
    [
        "WITH insert AS (SELECT 13 AS n) SELECT * FROM insert",
        "WITH 13 AS insert SELECT insert",
        "WITH (SELECT 1) AS x INSERT INTO t SELECT x",
    ],
)
def test_a_with_clause_is_for_what_comes_behind_it(text: str) -> None:
    assert opening(text.encode()).insert is None


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(Refusal, match="UTF-8"):
        utf8(b"\xff")


@pytest.mark.parametrize(
    ("text", "form", "bare"),
    [
        ("SELECT 1", None, "SELECT 1"),
        ("SELECT 1 FORMAT CSV", "CSV", "SELECT 1 "),
        ("select 1 format CSV;", "CSV", "select 1 ;"),
        ("SELECT 1 FORMAT /* x */ CSV -- end", "CSV", "SELECT 1  -- end"),
        ("SELECT 1 FORMAT CSV SETTINGS a = 1", "CSV", "SELECT 1  SETTINGS a = 1"),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV", "CSV", "SELECT 1 SETTINGS a = 1 "),
        ("SELECT 'FORMAT CSV'", None, "SELECT 'FORMAT CSV'"),
        ("SELECT 1 // it's\n FORMAT CSV", "CSV", "SELECT 1 // it's\n "),
        ("SELECT 1 -- FORMAT CSV", None, "SELECT 1 -- FORMAT CSV"),
        ("SELECT 1 AS format", None, "SELECT 1 AS format"),
        ("SELECT format FROM t", None, "SELECT format FROM t"),
        ("SELECT format('{}', x)", None, "SELECT format('{}', x)"),
        ("SELECT * FROM (SELECT 1 FORMAT CSV)", None, "SELECT * FROM (SELECT 1 FORMAT CSV)"),
        ("SHOW TABLES FORMAT JSON", "JSON", "SHOW TABLES "),
    ],
)
def test_the_format_of_an_answer_stands_at_the_end(text: str, form: str | None, bare: str) -> None:
    assert formatted(text.encode()) == (form, bare.encode())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT 1", "SELECT"),
        ("  /* x */ -- y\n with 1 AS x SELECT x", "WITH"),
        ("((SELECT 1))", "SELECT"),
        ("", ""),
        (";", ""),
    ],
)
def test_the_first_word_tells_what_it_is(text: str, word: str) -> None:
    assert opening(text.encode()).word == word


@given(st.text())
def test_any_text_is_cut_into_tokens_that_do_not_overlap(text: str) -> None:
    found = list(tokens(text))

    assert all(text[token.start : token.end] == token.text for token in found)
    assert all(one.end <= two.start for one, two in pairwise(found))


@given(st.binary(max_size=200))
def test_any_bytes_are_looked_at_without_a_fault(text: bytes) -> None:
    for head in (b"", b"INSERT INTO t ", b"SELECT ", b"INSERT INTO t FORMAT "):
        formatted(head + text)
        try:
            found = opening(head + text)
        except Refusal:
            continue
        assert found.insert is None or found.insert.start <= len(head + text)


@pytest.mark.parametrize("text", ["SYSTEM KILL", "system shutdown;", "SYSTEM -- x\n SHUTDOWN"])
def test_a_stop_is_recognized(text: str) -> None:
    assert is_stop(text.encode())


@pytest.mark.parametrize("text", ["SYSTEM", "SYSTEM FLUSH LOGS", "KILL QUERY WHERE 1", ""])
def test_what_stops_nothing_is_let_through(text: str) -> None:
    assert not is_stop(text.encode())
