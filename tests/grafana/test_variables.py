"""Values of variables reach statements as Grafana writes them."""

from urllib.parse import unquote

import pytest

from tests.grafana.macros import Range, expand
from tests.grafana.variables import (
    ALL,
    AS_IN_ADDRESSES,
    HARD,
    STRICT,
    Choice,
    formatted,
    interpolate,
    one,
    references,
    several,
)

ENCODINGS = pytest.mark.parametrize("spared", [STRICT, AS_IN_ADDRESSES], ids=["strict", "address"])


def read_back(text: str, name: str) -> list[str]:
    """What the statements of our dashboards make of it."""
    return [unquote(part[len(f"var-{name}=") :]) for part in text.split("&")]


def test_one_value_stands_as_it_is() -> None:
    assert interpolate("'$brand' ${brand} [[brand]]", {"brand": one("a b")}) == "'a b' a b a b"


def test_several_values_are_a_list_in_quotes() -> None:
    kol = {"kol": several("a", "b")}

    assert interpolate("$kol", kol) == "'a','b'"
    assert interpolate("${kol:raw}", kol) == "a,b"
    assert interpolate("${kol:sqlstring}", kol) == "'a','b'"
    assert interpolate("${kol:regex}", kol) == "(a|b)"


def test_one_value_where_several_may_be_is_a_list_too() -> None:
    assert interpolate("$kol ${kol:queryparam}", {"kol": several("a")}) == "'a' var-kol=a"


def test_all_is_every_option_but_in_an_address() -> None:
    kol = several(options=("a", "b"))

    assert kol.values == (ALL,)
    assert formatted("kol", kol) == "'a','b'"
    assert read_back(formatted("kol", kol, "queryparam"), "kol") == [ALL]
    assert formatted("kol", kol, "text") == "All"


def test_all_is_what_the_dashboard_says_as_it_stands() -> None:
    assert formatted("kol", Choice((ALL,), all_value=".*", options=("a",)), "sqlstring") == ".*"


def test_quotes_protect_from_quotes_but_not_from_backslashes() -> None:
    assert formatted("kol", one("it's"), "sqlstring") == "'it''s'"
    assert formatted("kol", one("x\\"), "sqlstring") == "'x\\'"  # which does not end the string
    assert formatted("kol", several("it's")) == "'it's'"


@ENCODINGS
def test_every_value_comes_out_of_an_address_as_it_went_in(spared: str) -> None:
    for values in ((value,) for value in HARD):
        text = formatted("kol", Choice(values, spared=spared), "queryparam")

        assert read_back(text, "kol") == list(values)
    text = formatted("kol", Choice(HARD, is_multi=True, spared=spared), "queryparam")
    assert read_back(text, "kol") == list(HARD)


@ENCODINGS
def test_nothing_in_an_address_ends_a_string_or_begins_a_comment(spared: str) -> None:
    text = formatted("kol", Choice(HARD, is_multi=True, spared=spared), "queryparam")

    assert not set(text) & set("'\"\\`()*\n\t ")
    assert expand(f"SELECT '{text}', 1", Range(0, 1)) == f"SELECT '{text}', 1"


def test_a_name_that_is_no_variable_stays() -> None:
    assert interpolate("$x ${y:raw} $__timeFilter_ms(at)", {}) == "$x ${y:raw} $__timeFilter_ms(at)"


def test_an_unknown_format_is_said() -> None:
    with pytest.raises(ValueError, match=r"\$\{kol:lucene\}: unknown here"):
        interpolate("${kol:lucene}", {"kol": one("a")})


def test_the_range_is_known_without_a_variable() -> None:
    span = Range(1_000, 61_000, 30_000)

    assert interpolate("$__interval ${__interval_ms} $__range_s $__from", {}, span) == (
        "30s 30000 60 1000"
    )


def test_which_variables_a_text_names() -> None:
    assert references("${a:queryparam} $b [[c]] $__interval ${__to}") == {
        ("a", "queryparam"),
        ("b", ""),
        ("c", ""),
    }
