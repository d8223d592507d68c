"""What an error asks for, how long to wait, when to stop refusing."""

import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import (
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
)
from hypothesis import given
from hypothesis import strategies as st

from sinks.base import Fault
from sinks.codes import OF_CODE, RULES, Verdict
from sinks.retry import (
    Backoff,
    Breaker,
    advice,
    by_months,
    code_of,
    fault,
    halves,
    judge,
)
from tests.sinks.samples import MAY, MONTH, cells, doors, order, orders


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(1, 7))
def test_split_by_months_no_row_is_lost_and_no_group_is_too_wide(
    months: list[int], most: int
) -> None:
    given_rows = orders(*(order(ordered_at=(MAY - m * MONTH) * 1000) for m in months))
    groups = by_months(given_rows, most)
    at = np.array(given_rows.columns["ordered_at"], "datetime64[ms]").astype("datetime64[M]")

    assert sorted(np.concatenate(groups).tolist()) == list(range(len(months)))
    assert all(1 <= len(np.unique(at[group])) <= most for group in groups)
    assert len(groups) > 1 or len(np.unique(at)) == 1


@given(st.integers(2, 99))
def test_halves_are_all_rows_and_none_is_empty(n: int) -> None:
    first, second = halves(doors(*range(n)))

    assert [*first, *second] == list(range(n))
    assert abs(len(first) - len(second)) <= 1


def test_a_code_stands_in_one_rule_only_and_each_rule_has_its_reason() -> None:
    codes = [code for rule in RULES for code in rule.numbers()]

    assert len(codes) == len(set(codes)) == len(OF_CODE)
    assert all(rule.reason for rule in RULES)


@pytest.mark.parametrize(
    "code",
    [
        *(3, 159, 198, 201, 202, 203, 209, 210, 236, 242, 252, 254, 279, 285, 286, 289, 319, 373),
        *(425, 439, 999),
        *(225, 244, 290, 394, 473, 499, 733, 735, 745),  # Keeper, replicas, cancelled, S3, load
        *(75, 204, 243, 294, 586),  # a full disk
        *(1000, 1001, 1002),  # a library inside the server, such as its file system
    ],
)
def test_a_server_that_is_away_busy_or_full_is_asked_again(code: int) -> None:
    assert judge(DatabaseError("busy", code=code)) is Verdict.RETRY


@pytest.mark.parametrize("code", [158, 173, 241, 307, 396])
def test_an_insert_beyond_a_limit_of_size_is_tried_with_fewer_rows(code: int) -> None:
    assert judge(DatabaseError("too much", code=code)) is Verdict.RETRY_SMALLER


@pytest.mark.parametrize(
    ("codes", "to_blame"),
    [
        ((6, 26, 27, 33, 38, 41, 72, 117, 376), Fault.PARSING),
        ((53, 70, 349, 469, 691), Fault.TYPE),
        ((69, 131, 321, 407), Fault.RANGE),
    ],
)
def test_values_a_server_cannot_store_are_taken_apart(
    codes: tuple[int, ...], to_blame: Fault
) -> None:
    for code in codes:
        error = DatabaseError("cannot read", code=code)

        assert judge(error) is Verdict.HALVE
        assert fault(error) is to_blame


def test_what_our_client_cannot_encode_is_a_fault_of_encoding() -> None:
    assert fault(DataError("no such number")) is Fault.ENCODING


@pytest.mark.parametrize(
    ("message", "code", "setting"),
    [
        ("Setting async_insert should not be changed", 452, "async_insert"),
        ("Setting max_threads shouldn't be greater than 4", 452, "max_threads"),
        ("Cannot modify 'insert_deduplicate' setting in readonly mode", 472, "insert_deduplicate"),
    ],
)
def test_a_setting_that_the_profile_forbids_is_named(message: str, code: int, setting: str) -> None:
    error = DatabaseError(message, code=code)

    assert judge(error) is Verdict.STOP
    assert f"`{setting}`" in advice(error)
    assert "profile" in advice(error)


def test_a_setting_that_the_client_itself_finds_constrained_is_named() -> None:
    error = ProgrammingError("Setting async_insert is readonly")

    assert judge(error) is Verdict.STOP
    assert "`async_insert`" in advice(error)


def test_a_proxy_is_named_where_it_answers_for_the_server() -> None:
    assert "proxy" in advice(DatabaseError("HTTP driver received HTTP status 403"))
    assert "KOL_CLICKHOUSE__PORT" in advice(DatabaseError("HTTP driver received HTTP status 404"))


@pytest.mark.parametrize("code", [16, 20, 36, 47, 60, 62, 81, 115, 164, 192, 193, 497, 516, 4711])
def test_a_fault_of_ours_stops(code: int) -> None:
    error = DatabaseError("no", code=code)

    assert judge(error) is Verdict.STOP
    assert advice(error)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (OperationalError("Error executing HTTP request"), Verdict.RETRY),
        (ConnectionResetError(), Verdict.RETRY),
        (TimeoutError(), Verdict.RETRY),
        (DatabaseError("HTTP driver received HTTP status 502"), Verdict.RETRY),
        (DatabaseError("HTTP driver received HTTP status 500"), Verdict.RETRY),
        (DatabaseError("HTTP driver received HTTP status 507"), Verdict.RETRY),
        (DatabaseError("HTTP driver received HTTP status 413"), Verdict.RETRY_SMALLER),
        (DatabaseError("HTTP driver received HTTP status 404"), Verdict.STOP),
        (DatabaseError("HTTP driver received HTTP status 501"), Verdict.STOP),
        (DatabaseError("something else"), Verdict.STOP),
        (DataError("out of range"), Verdict.HALVE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Verdict.HALVE),
        (OverflowError("too large"), Verdict.HALVE),
        (ProgrammingError("column count"), Verdict.STOP),
        (RuntimeError("what?"), Verdict.STOP),
        (DatabaseError("memory", code=241), Verdict.RETRY_SMALLER),
        (DatabaseError("Too many parts (300)", code=252), Verdict.RETRY),
        (
            DatabaseError("Too many partitions for single INSERT block", code=252),
            Verdict.SPLIT_MONTHS,
        ),
    ],
)
def test_each_error_has_its_class(error: Exception, verdict: Verdict) -> None:
    assert judge(error) is verdict


def test_a_code_is_read_from_the_message_where_it_is_nowhere_else() -> None:
    assert code_of(DatabaseError("Code: 60. DB::Exception: no table")) == 60
    assert code_of(ValueError("Code: 60.")) is None
    assert code_of(OperationalError("lost")) is None


def test_waits_differ_by_their_jitter_only() -> None:
    shortest = Backoff(lambda low, _high: low)
    longest = Backoff(lambda _low, high: high)

    assert [shortest.next_seconds() for _ in range(3)] == [0.1, 0.2, 0.4]
    assert [longest.next_seconds() for _ in range(10)][-1] == 45.0


def test_few_refused_rows_among_many_do_not_stop() -> None:
    breaker = Breaker()
    breaker.add(0, 1000, 0)
    for _ in range(52):
        breaker.add(1, 1, 1)

    assert not breaker.is_open(1)

    breaker.add(1, 1, 1)

    assert breaker.is_open(1)


def test_a_handful_of_refused_rows_is_no_pattern() -> None:
    breaker = Breaker()
    breaker.add(0, 19, 19)

    assert not breaker.is_open(0)


def test_after_five_minutes_a_refusal_is_forgotten() -> None:
    breaker = Breaker()
    breaker.add(0, 20, 20)

    assert breaker.is_open(299)
    assert not breaker.is_open(300)


def test_rows_without_a_time_cannot_be_split_by_month() -> None:
    assert len(by_months(doors(1, 2))) == 1


def test_cells_are_split_by_their_minutes_month() -> None:
    first, second = by_months(cells(0, 1, 60 * 24 * 31))

    assert (first.tolist(), second.tolist()) == ([0, 1], [2])
