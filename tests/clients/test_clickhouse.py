"""Why ClickHouse cannot be reached or refuses a query, by what its client says."""

from typing import NoReturn, cast

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from streams.clients import clickhouse
from streams.clients.clickhouse import NO_FORMAT, ReadingError, connect, query
from streams.settings import ClickHouse

# as clickhouse-connect raised them at listeners of each kind
OTHER_AUTHORITY = (
    "Error HTTPSConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: / (Caused "
    "by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
    "failed: self-signed certificate (_ssl.c:1006)'))) executing HTTP request attempt 1"
)
NO_TLS = "SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)'))"
HUNG_UP = (
    "Error ('Connection aborted.', RemoteDisconnected('Remote end closed connection without "
    "response')) executing HTTP request attempt 2"
)
REFUSED = "Code: 62. DB::Exception: Syntax error: failed at position 25 (FORMAT)"


@pytest.mark.parametrize(
    ("message", "secure", "sentence"),
    [
        (OTHER_AUTHORITY, True, "its certificate is not accepted (self-signed certificate)"),
        (NO_TLS, True, "it does not speak TLS: KOL_CLICKHOUSE__SECURE is true"),
        (HUNG_UP, False, "if it speaks TLS, set KOL_CLICKHOUSE__SECURE"),
        (HUNG_UP, True, "is KOL_CLICKHOUSE__HOST right?"),
        ("Connection refused", False, "is KOL_CLICKHOUSE__HOST right?"),
    ],
)
def test_what_is_wrong_with_the_connection_is_named(
    monkeypatch: pytest.MonkeyPatch, message: str, sentence: str, *, secure: bool
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OperationalError(message)

    monkeypatch.setattr(clickhouse, "connect_to", fails)
    with pytest.raises(ReadingError) as raised:
        connect(ClickHouse(port=1, secure=secure))

    assert str(raised.value).startswith("no ClickHouse at 127.0.0.1:1: ")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT 1 FORMAT Vertical;", NO_FORMAT),
        ("select 1 format CSV SETTINGS max_threads = 1", NO_FORMAT),
        ("SELEKT 1", REFUSED),
        ("SELECT format FROM SELECT 1", REFUSED),
    ],
)
def test_a_format_is_named_where_the_engine_stumbles_over_it(sql: str, sentence: str) -> None:
    class Refusing:
        def raw_query(self, *_: object, **__: object) -> NoReturn:
            raise DatabaseError(REFUSED)

    with pytest.raises(ReadingError) as raised:
        query(cast("Client", Refusing()), sql)

    assert str(raised.value) == sentence
