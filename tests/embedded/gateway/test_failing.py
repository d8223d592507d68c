"""Errors: ClickHouse's own codes, the HTTP status of each, also after the first byte."""

import asyncio
import base64
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from deploy.embedded.gateway.errors import STATUS, Code, from_engine
from tests.embedded.gateway.running import READER, Server
from tests.embedded.waiting import until

LATE = "SELECT throwIf(number = 2000000, 'too late') FROM numbers(3000000)"


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELEC 1", 62, 400),
        ("SELECT nonsense", 47, 400),
        ("SELECT * FROM nothing", 60, 404),
        ("SELECT toUInt8('x')", 6, 500),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT 1; SELECT 2", 62, 400),
        ("DROP TABLE nothing", 60, 404),
        ("SELECT {p:UInt8}", 456, 500),
    ],
)
def test_an_error_has_its_code_and_its_status(
    ours: Server, sql: str, code: int, status: int
) -> None:
    found = ours.ask(sql)

    assert (found.code, found.status) == (code, status)
    assert found.text.startswith(f"Code: {code}. DB::")
    assert "(version " in found.text


def test_a_database_that_is_not_there_is_an_error(server: Server) -> None:
    found = server.ask("SELECT 1", database="nothing")

    assert (found.code, found.status) == (81, 404)


def test_a_setting_nobody_knows_is_an_error(server: Server) -> None:
    found = server.ask("SELECT 1", max_nonsense="1")

    assert (found.code, found.status) == (115, 404)


def test_a_value_a_setting_does_not_take_is_an_error(server: Server) -> None:
    assert server.ask("SELECT 1", max_block_size="many").code > 0


def test_the_client_raises_with_the_code(client: Client) -> None:
    with pytest.raises(DatabaseError, match="code: 60"):
        client.query("SELECT * FROM nothing")


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_an_error_after_the_first_rows_is_raised(server: Server, compress: object) -> None:
    with closing(server.client(compress=compress)) as one:
        blocks = one.query_row_block_stream(LATE)

        with pytest.raises(StreamFailureError, match="too late"), blocks:
            for _ in blocks:
                pass


def test_an_error_after_the_first_rows_ends_a_raw_answer_with_its_tag(ours: Server) -> None:
    found = ours.ask(LATE, default_format="RowBinary")

    tag = found.headers["X-ClickHouse-Exception-Tag"].encode()
    end = found.body[-400:]
    assert found.status == 200
    assert end.endswith(b" " + tag + b"\r\n__exception__\r\n")
    assert tag.isalpha()
    assert tag.islower()
    assert b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395." in end


def test_an_error_is_waited_for_when_the_client_wishes(ours: Server) -> None:
    found = ours.ask(LATE, wait_end_of_query="1")

    assert (found.status, found.code) == (500, 395)


def test_the_connection_goes_on_after_a_late_error(server: Server) -> None:
    with closing(server.client(autogenerate_session_id=False)) as one:
        with pytest.raises(StreamFailureError), one.query_row_block_stream(LATE) as blocks:
            for _ in blocks:
                pass

        assert one.command("SELECT 1") == 1


def test_a_client_that_leaves_in_the_middle_leaves_nothing_running(ours: Server) -> None:
    with closing(ours.begin("SELECT number FROM numbers(1000000000)", length=0)) as connection:
        connection.recv(1)
        busy = ours.in_flight()

    until(lambda: ours.in_flight() == 0)
    assert busy == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-User": "default"},
        {"X-ClickHouse-User": "nobody", "X-ClickHouse-Key": ""},
        {"Authorization": "Basic " + base64.b64encode(b"default:wrong").decode()},
        {"Authorization": "Basic nonsense!"},
        {},
    ],
)
def test_a_wrong_password_is_refused(ours: Server, headers: dict[str, str]) -> None:
    found = ours.ask("SELECT 1", by=None, headers=headers)

    assert (found.status, found.code) == (401, 516)
    assert "wrong" not in found.text


def test_the_client_says_that_the_password_is_wrong(ours: Server) -> None:
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        ours.client(password="wrong")  # noqa: S106  # it is


def test_a_password_may_come_by_url_or_by_basic(server: Server) -> None:
    user, password = server.admin, server.passwords[server.admin]
    token = base64.b64encode(f"{user}:{password}".encode()).decode()

    by_url = server.ask("SELECT 1", by=None, user=user, password=password)
    by_basic = server.ask("SELECT 1", by=None, headers={"Authorization": f"Basic {token}"})

    assert by_url.text == by_basic.text == "1\n"


def test_external_data_is_refused_and_named(ours: Server) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--x--\r\n'

    found = ours.ask("SELECT * FROM t", part, headers=head)

    assert (found.status, found.code) == (501, 48)


def test_a_method_of_compression_nobody_speaks_is_refused(ours: Server) -> None:
    assert ours.ask("SELECT 1", compress="1", network_compression_method="LZ9").code == 48


def test_a_statement_may_hold_any_bytes(server: Server) -> None:
    assert server.ask("", b"SELECT hex('\xff\xfe')").text == "FFFE\n"


def test_a_reader_says_only_text(ours: Server) -> None:
    found = ours.ask("", b"SELECT '\xff'", by=READER)

    assert (found.status, found.code) == (400, 36)


@pytest.mark.parametrize("sql", ["SYSTEM SHUTDOWN", "/* x */ system kill"])
def test_nobody_stops_the_engine_from_outside(ours: Server, sql: str) -> None:
    found = ours.ask(sql)

    assert (found.status, found.code) == (501, 48)


@pytest.mark.parametrize("sql", ["?? how many tables", "\\l", ":q", "-- only a comment"])
def test_what_is_no_statement_is_an_error(server: Server, sql: str) -> None:
    assert server.ask(sql).code == 62


def test_a_form_that_is_none_is_an_error(ours: Server) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=x"}

    found = ours.ask("", b"no boundary here", headers=head)

    assert (found.status, found.code) == (400, 36)


def test_a_path_nobody_knows_is_not_found(server: Server) -> None:
    assert server.ask(path="/nothing", method="GET").status == 404


async def test_many_questions_at_once_are_all_answered(server: Server) -> None:
    asked = [asyncio.to_thread(server.ask, f"SELECT {n}") for n in range(30)]

    found = await asyncio.gather(*asked)

    assert [reply.text for reply in found] == [f"{n}\n" for n in range(30)]


def test_codes_have_the_names_the_engine_gives_them(server: Server) -> None:
    sql = "SELECT errorCodeToName({code:Int32})"

    names = {code: server.ask(sql, param_code=str(int(code))).text.strip() for code in Code}

    assert names == {code: code.name for code in Code}


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ({"AUTHENTICATION_FAILED", "UNKNOWN_USER"}, 401),
        ({"ACCESS_DENIED", "READONLY"}, 403),
        ({"UNKNOWN_TABLE", "UNKNOWN_DATABASE"}, 404),
        ({"TIMEOUT_EXCEEDED"}, 408),
        ({"SYNTAX_ERROR", "UNKNOWN_IDENTIFIER", "INCORRECT_DATA"}, 400),
        ({"TOO_MANY_SIMULTANEOUS_QUERIES"}, 503),
        ({"NOT_IMPLEMENTED"}, 501),
    ],
)
def test_a_code_has_the_status_clients_expect(server: Server, names: set[str], status: int) -> None:
    sql = "SELECT errorCodeToName({code:Int32})"
    codes = [code for code, given in STATUS.items() if given == status]

    found = {server.ask(sql, param_code=str(int(code))).text.strip() for code in codes}

    assert names <= found


def test_an_error_without_a_code_is_an_unknown_one() -> None:
    found = from_engine(RuntimeError("it fell over"))

    assert (found.code, found.status) == (1002, 500)
    assert "it fell over" in found.text
