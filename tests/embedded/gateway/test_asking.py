"""What a client asks and gets: rows in every shape, parameters, settings, formats."""

import gzip
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from io import IOBase
from typing import Any, cast
from uuid import UUID

import clickhouse_connect.dbapi
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.gateway.blocks import BlockDecoder
from tests.embedded.gateway.running import ADMIN, READER, Server

MANY = 300_000  # rows: several blocks


def test_a_query_gives_rows_with_names_and_types(client: Client) -> None:
    found = client.query("SELECT number AS n, toString(number) AS s FROM numbers(3)")

    assert found.column_names == ("n", "s")
    assert found.result_rows == [(0, "0"), (1, "1"), (2, "2")]


def test_a_query_gives_columns(client: Client) -> None:
    found = client.query("SELECT number, -number FROM numbers(3)", column_oriented=True)

    assert found.result_columns == [[0, 1, 2], [0, -1, -2]]


def test_a_query_gives_numpy_arrays(client: Client) -> None:
    found = client.query_np("SELECT number FROM numbers(1000)")

    assert int(found.sum()) == 499_500


def test_a_query_gives_a_data_frame(client: Client) -> None:
    pytest.importorskip("pandas")

    found = client.query_df("SELECT number AS n FROM numbers(1000)")

    assert int(found["n"].sum()) == 499_500


def test_a_query_gives_an_arrow_table(client: Client) -> None:
    pytest.importorskip("pyarrow")

    found = client.query_arrow("SELECT number AS n FROM numbers(1000)")

    assert found.num_rows == 1000


@pytest.mark.parametrize("kind", ["rows", "row_block", "column_block", "np", "df", "arrow"])
def test_every_stream_gives_every_row(client: Client, kind: str) -> None:
    pytest.importorskip({"df": "pandas", "arrow": "pyarrow"}.get(kind, "numpy"))
    sql = "SELECT number AS n FROM numbers(300000)"
    sizes: dict[str, Callable[[Any], int]] = {
        "rows": lambda _row: 1,
        "column_block": lambda block: len(block[0]),
        "arrow": lambda table: int(table.num_rows),
    }

    with getattr(client, f"query_{kind}_stream")(sql) as pieces:
        total = sum(sizes.get(kind, len)(piece) for piece in pieces)

    assert total == MANY


def test_three_million_rows_are_streamed(client: Client) -> None:
    with client.query_column_block_stream("SELECT number FROM numbers(3000000)") as blocks:
        total = sum(len(block[0]) for block in blocks)

    assert total == 3_000_000


def test_a_stream_that_is_left_early_leaves_the_server_free(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(10000000)") as blocks:
        next(iter(blocks))

    assert client.command("SELECT 1") == 1


def test_raw_bytes_come_in_the_format_that_was_asked_for(client: Client) -> None:
    assert client.raw_query("SELECT 1, 'a'", fmt="CSV") == b'1,"a"\n'


def test_raw_bytes_can_be_streamed(client: Client) -> None:
    stream = cast("IOBase", client.raw_stream("SELECT 1 FROM numbers(300000)", fmt="TSV"))

    with closing(stream):
        assert len(stream.read()) == 2 * MANY


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 17", 17),
        ("SELECT 'word'", "word"),
        ("SELECT 1, 'two'", ["1", "two"]),
        ("SELECT count() FROM system.one WHERE dummy > 0", 0),
    ],
)
def test_a_command_gives_a_value(client: Client, sql: str, expected: object) -> None:
    assert client.command(sql) == expected


def test_types_come_back_as_they_are(client: Client) -> None:
    found = client.query(
        "SELECT toDecimal64('1.25', 2), toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'),"
        " [1, NULL], map('a', 1), (1, 'x'), toLowCardinality('low'), NULL,"
        " toDateTime64('2024-05-06 07:08:09.123', 3, 'UTC'), CAST('b', 'Enum8(\\'b\\' = 2)')",
        tz_mode="aware",
    )

    assert found.result_rows == [
        (
            Decimal("1.25"),
            UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
            [1, None],
            {"a": 1},
            (1, "x"),
            "low",
            None,
            datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC),
            "b",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", "it's a \\ tab\t and\na line"),
        ("String", ""),
        ("String", "名 ünï"),
        ("Int64", -(2**63)),
        ("Array(String)", ["a'b", "c\\d", ""]),
        ("Array(UInt8)", []),
        ("Nullable(String)", None),
        ("Float64", 0.1),
    ],
)
def test_a_parameter_arrives_as_it_was_sent(client: Client, kind: str, value: object) -> None:
    found = client.query(f"SELECT {{p:{kind}}}", parameters={"p": value})

    assert found.first_row == (value,)


def test_an_identifier_can_be_a_parameter(client: Client) -> None:
    sql = "SELECT count() FROM {d:Identifier}.{t:Identifier}"

    found = client.query(sql, parameters={"d": "system", "t": "one"})

    assert found.first_row == (1,)


def test_parameters_can_be_bound_by_the_client(client: Client) -> None:
    found = client.query("SELECT %(s)s, %(n)s", parameters={"s": "o'clock", "n": 7})

    assert found.first_row == ("o'clock", 7)


def test_a_parameter_too_big_for_a_url_goes_by_form(client: Client) -> None:
    big = "x" * 200_000

    found = client.query("SELECT length({p:String})", parameters={"p": big})

    assert found.first_row == (200_000,)


def test_parameters_go_by_form_when_the_client_wishes(server: Server) -> None:
    with closing(server.client(form_encode_query_params=True)) as one:
        found = one.query("SELECT {p:String}", parameters={"p": "a\tb"})

    assert found.first_row == ("a\tb",)


def test_a_setting_holds_for_its_query(client: Client) -> None:
    asked = "SELECT getSetting('max_block_size')"

    first = client.command(asked, settings={"max_block_size": 1234})
    second = client.command(asked)

    assert first == 1234
    assert second != 1234


def test_a_setting_of_the_client_holds_for_all_its_queries(server: Server) -> None:
    with closing(server.client(settings={"max_block_size": 4321})) as one:
        assert one.command("SELECT getSetting('max_block_size')") == 4321


def test_a_value_of_a_setting_is_not_sql(server: Server) -> None:
    sql = "SELECT getSetting('log_comment')"

    assert (
        server.ask(sql, log_comment="a', max_threads = '7\\").text
        == "a\\', max_threads = \\'7\\\\\n"
    )


def test_rows_are_limited_when_the_client_limits_them(server: Server) -> None:
    with closing(server.client(query_limit=10)) as one:
        assert len(one.query("SELECT number FROM numbers(100)").result_rows) == 10


@pytest.mark.usefixtures("ours")
def test_an_empty_result_keeps_its_columns(client: Client) -> None:
    found = client.query("SELECT 1 AS a, toLowCardinality('x') AS b, [1] AS c WHERE 0")

    assert found.column_names == ("a", "b", "c")
    assert found.result_rows == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a WHERE 0; -- why",
        "SELECT 1 AS a WHERE 0 SETTINGS max_threads = 1",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x WHERE 0",
        "(SELECT 1 AS a WHERE 0) UNION ALL (SELECT 2 WHERE 0)",
    ],
)
def test_an_empty_stream_keeps_its_columns(ours: Server, sql: str) -> None:
    found = ours.ask(sql, default_format="Native")

    assert found.body == b"\x01\x00\x01a\x05UInt8"


@pytest.mark.usefixtures("ours")
def test_an_empty_result_with_parameters_keeps_its_columns(client: Client) -> None:
    found = client.query("SELECT {p:UInt8} AS a WHERE a > 1", parameters={"p": 1})

    assert found.column_names == ("a",)


@pytest.mark.usefixtures("ours")
def test_an_empty_list_of_tables_has_a_name(client: Client) -> None:
    assert client.query("SHOW TABLES LIKE 'nothing'").column_names == ("name",)


def test_columns_can_be_asked_for_without_rows(client: Client) -> None:
    assert client.query("SELECT 1 AS a, 'x' AS b LIMIT 0").column_names == ("a", "b")


@pytest.mark.usefixtures("table")
def test_show_describe_and_explain_give_rows(client: Client) -> None:
    assert ("written",) in client.query("SHOW TABLES").result_rows
    assert client.query("DESCRIBE TABLE written").result_rows[0][:2] == ("a", "UInt64")
    assert client.query("EXPLAIN SELECT 1").result_rows
    assert client.command("EXISTS TABLE written") == 1


@pytest.mark.parametrize(
    ("form", "kind", "body"),
    [
        ("JSON", "application/json", None),
        ("JSONEachRow", "application/x-ndjson", b'{"a":1}\n'),
        ("CSVWithNames", "text/", b'"a"\n1\n'),
        ("TabSeparated", "text/tab-separated-values", b"1\n"),
    ],
)
def test_an_answer_says_its_format(ours: Server, form: str, kind: str, body: bytes | None) -> None:
    found = ours.ask(f"SELECT 1 AS a FORMAT {form}")

    assert found.headers["X-ClickHouse-Format"] == form
    assert found.headers["Content-Type"].startswith(kind)
    assert body is None or found.body == body


def test_the_format_can_be_said_in_the_url(server: Server) -> None:
    assert json.loads(server.ask("SELECT 1 AS a", default_format="JSON").body)["rows"] == 1


def test_the_format_of_the_statement_wins_over_the_url(server: Server) -> None:
    found = server.ask("SELECT 1 AS a FORMAT CSV SETTINGS max_threads = 1", default_format="JSON")

    assert found.body == b"1\n"


def test_a_format_with_a_head_is_not_cut_into_pieces(server: Server) -> None:
    found = server.ask("SELECT number FROM numbers(300000) FORMAT CSVWithNames")

    assert found.body.count(b'"number"') == 1


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip", "deflate"])
def test_answers_are_compressed_as_the_client_likes(server: Server, compress: object) -> None:
    with closing(server.client(compress=compress)) as one:
        small = one.query("SELECT 'x'").first_row
        with one.query_column_block_stream("SELECT number FROM numbers(300000)") as blocks:
            large = sum(sum(block[0]) for block in blocks)

    assert small == ("x",)
    assert large == MANY * (MANY - 1) // 2


def test_an_answer_says_how_it_is_compressed(server: Server) -> None:
    sql = "SELECT number FROM numbers(300000)"

    found = server.ask(sql, headers={"Accept-Encoding": "gzip"}, enable_http_compression="1")

    assert found.headers["Content-Encoding"] == "gzip"


def test_the_compiled_codec_reads_the_same(server: Server) -> None:
    pytest.importorskip("clickhouse_connect_core")
    with closing(server.client(native_codec="rust")) as one:
        assert len(one.query("SELECT number FROM numbers(300000)").result_rows) == MANY


def test_another_database_can_be_the_current_one(server: Server) -> None:
    assert server.ask("SELECT currentDatabase()", database="system").text == "system\n"


def test_the_id_of_a_query_comes_back(server: Server) -> None:
    found = server.ask("SELECT 1", query_id="mine-1")

    assert found.headers["X-ClickHouse-Query-Id"] == "mine-1"


def test_the_time_zone_is_told(server: Server) -> None:
    zone = server.ask("SELECT timezone()").text.strip()

    assert server.ask("SELECT 1").headers["X-ClickHouse-Timezone"] == zone


@pytest.mark.usefixtures("table")
def test_the_answer_sums_up_what_was_done(client: Client) -> None:
    client.command("INSERT INTO written VALUES (1, 'x'), (2, 'y')")

    found = client.query("SELECT * FROM written")

    assert int(found.summary["read_rows"]) == 2


def test_a_ping_needs_no_password(server: Server) -> None:
    assert server.ask(by=None, method="GET", path="/ping").text == "Ok.\n"


def test_the_client_finds_the_server_alive(client: Client) -> None:
    assert client.ping()


def test_the_plain_address_says_ok(server: Server) -> None:
    assert server.ask(method="GET").text == "Ok.\n"


def test_a_query_can_be_a_get(server: Server) -> None:
    assert server.ask("SELECT 1", method="GET").text == "1\n"


def test_a_query_can_be_in_the_body(server: Server) -> None:
    assert server.ask("", b"SELECT 1").text == "1\n"


def test_a_query_can_begin_in_the_url_and_end_in_the_body(server: Server) -> None:
    assert server.ask("SELECT 1", b"+ 2").text == "3\n"


def test_a_connection_can_be_used_through_the_standard_database_interface(server: Server) -> None:
    connection = clickhouse_connect.dbapi.connect(**server.options())
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute("SELECT number FROM numbers(%(n)s)", {"n": 3})

        assert cursor.fetchall() == [(0,), (1,), (2,)]


def test_the_go_client_is_told_revision_0_and_so_reads_plain_blocks(ours: Server) -> None:
    found = ours.ask(
        "SELECT displayName(), version(), revision(), timezone()",
        default_format="Native",
        client_protocol_version="54468",
    )

    info, rest = found.body[:8], found.body[8:]
    assert info == b"\x01\x00\x02\xff\xff\xff\xff\x00"
    assert rest[:2] == b"\x04\x01"  # four columns, one row
    assert b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00" in rest


def test_other_questions_with_a_protocol_version_get_plain_blocks(ours: Server) -> None:
    found = ours.ask("SELECT 1 AS a", default_format="Native", client_protocol_version="54468")

    assert found.body == b"\x01\x01\x01a\x05UInt8\x01"


def test_a_query_that_takes_too_long_is_stopped(client: Client) -> None:
    sql = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 0"

    with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
        client.query(sql, settings={"max_execution_time": 1})


# ---------------------------------------------------------------- compressed blocks

AS_CLICKHOUSE_GO = {"client_protocol_version": "54460", "compress": "1", "default_format": "Native"}


def unpacked(body: bytes) -> bytes:
    """What stands in ClickHouse's own compressed blocks."""
    decoder = BlockDecoder()
    found = b"".join(decoder.feed(body))
    decoder.done()
    return found


@pytest.mark.parametrize("by", [ADMIN, READER])
@pytest.mark.parametrize("method", ["", "LZ4", "ZSTD"])
def test_an_answer_comes_in_the_blocks_that_were_asked_for(
    ours: Server, method: str, by: str
) -> None:
    sql = "SELECT number FROM numbers(150000)"  # a reader may have no more than 200 000
    asked = {"network_compression_method": method} if method else {}

    found = ours.ask(sql, by=by, method="GET", url={"compress": "1", **asked})

    assert found.status == 200
    assert unpacked(found.body) == b"".join(b"%d\n" % n for n in range(MANY // 2))


def test_clickhouse_go_is_greeted_in_blocks(ours: Server) -> None:
    asked = "SELECT displayName(), version(), revision(), timezone()"

    plain = ours.ask(asked, url={**AS_CLICKHOUSE_GO, "compress": "0"})
    found = ours.ask(asked, url=AS_CLICKHOUSE_GO)

    assert unpacked(found.body) == plain.body


def test_an_error_within_the_answer_comes_in_blocks_too(ours: Server) -> None:
    sql = (
        "SELECT throwIf(number = 2999999, 'midway') FROM numbers(3000000) SETTINGS max_threads = 1"
    )

    found = ours.ask(sql, url={"compress": "1"})  # in one thread the last row is read last

    assert found.status == 200
    assert b"__exception__" in unpacked(found.body)[-1000:]


def test_blocks_may_stand_in_an_encoding_of_http(ours: Server) -> None:
    headers = {"Accept-Encoding": "gzip"}

    found = ours.ask("SELECT 1", headers=headers, url={"compress": "1"})

    assert unpacked(gzip.decompress(found.body)) == b"1\n"


@pytest.mark.parametrize("rows", [0, 3])
def test_a_whole_answer_says_how_many_rows_it_has(ours: Server, rows: int) -> None:
    url = {"wait_end_of_query": "1", "param_n": str(rows)}  # JDBC reads nothing where this says 0

    found = ours.ask("SELECT number FROM numbers({n:UInt64})", url=url)

    assert json.loads(found.headers["X-ClickHouse-Summary"])["result_rows"] == str(rows)
