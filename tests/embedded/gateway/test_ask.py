"""What stands in a URL and in headers."""

import pytest

from deploy.embedded.gateway.ask import Session, ask
from deploy.embedded.gateway.errors import Refusal

KNOWN = {"max_threads", "log_comment"}


def test_settings_parameters_and_words_are_told_apart() -> None:
    url = {"max_threads": "2", "param_x": "1", "database": "d", "query": "q", "default_format": "F"}

    found = ask(url, {}, KNOWN)

    assert found.settings == {"max_threads": "2"}
    assert found.params == {"x": "1"}
    assert (found.database, found.query, found.format) == ("d", "q", "F")


def test_headers_say_what_the_url_does_not() -> None:
    headers = {"X-ClickHouse-Database": "h", "X-ClickHouse-Format": "CSV"}

    assert ask({}, headers, KNOWN).database == "h"
    assert ask({"database": "u"}, headers, KNOWN).database == "u"
    assert ask({}, headers, KNOWN).format == "CSV"
    assert ask({}, {}, KNOWN).format == "TabSeparated"


def test_a_setting_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match=r"max_nonsense.*UNKNOWN_SETTING"):
        ask({"max_nonsense": "1"}, {}, KNOWN)


@pytest.mark.parametrize("told", ["", "two words", "line\nend", "x" * 129, "ünï"])
def test_an_id_that_cannot_stand_in_a_header_is_replaced(told: str) -> None:
    found = ask({"query_id": told}, {}, KNOWN).query_id

    assert found != told
    assert len(found) == 36


def test_compression_can_be_switched_off() -> None:
    headers = {"Accept-Encoding": "gzip"}

    assert ask({}, headers, KNOWN).accepted == "gzip"
    assert ask({"enable_http_compression": "0"}, headers, KNOWN).accepted == ""


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ({}, ""),
        ({"compress": "0", "network_compression_method": "ZSTD"}, ""),
        ({"compress": "1"}, "LZ4"),
        ({"compress": "1", "network_compression_method": "zstd"}, "ZSTD"),
    ],
)
def test_an_answer_comes_in_blocks_as_a_server_chooses_them(
    url: dict[str, str], method: str
) -> None:
    found = ask(url, {}, KNOWN)

    assert (found.blocks, found.in_blocks, dict(found.settings)) == (method, False, {})


def test_a_body_may_be_blocks_whatever_the_answer_is() -> None:
    found = ask({"decompress": "1"}, {}, KNOWN)

    assert (found.blocks, found.in_blocks) == ("", True)


def test_a_method_nobody_speaks_is_refused() -> None:
    with pytest.raises(Refusal, match="NOT_IMPLEMENTED"):
        ask({"compress": "1", "network_compression_method": "LZ9"}, {}, KNOWN)


def test_a_session_has_a_name_a_time_and_perhaps_must_exist() -> None:
    url = {"session_id": "s", "session_timeout": "5", "session_check": "1"}

    assert ask(url, {}, KNOWN).session == Session("s", 5.0, must_exist=True)
    assert ask({"session_id": "s"}, {}, KNOWN).session == Session("s", 60.0, must_exist=False)
    assert ask({}, {}, KNOWN).session is None
