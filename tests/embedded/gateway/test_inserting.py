"""Rows on their way in: every form of insert, compressed or not, whole or not at all."""

import gzip
import io
import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.gateway.blocks import BlockEncoder
from deploy.embedded.gateway.errors import Code
from tests.embedded.gateway.running import CAP, Server
from tests.embedded.waiting import until

pytestmark = pytest.mark.usefixtures("table")

COLUMNS = ["a", "b"]
MANY = 100_000  # rows: more than one block of the client's


def count(client: Client) -> int:
    return int(str(client.command("SELECT count() FROM written")))


def frames(kind: str, pieces: list[bytes]) -> bytes:
    """Pieces compressed each for itself, one behind the other."""
    one = {
        "lz4": lz4.frame.compress,
        "zstd": zstandard.ZstdCompressor().compress,
        "gzip": gzip.compress,
    }[kind]
    return b"".join(one(piece) for piece in pieces)


def lines(first: int, last: int) -> bytes:
    return b"".join(b"%d\tx\n" % n for n in range(first, last))


def test_rows_are_written(client: Client) -> None:
    client.insert("written", [[1, "x"], [2, "y"]], column_names=COLUMNS)

    assert client.query("SELECT * FROM written").result_rows == [(1, "x"), (2, "y")]


def test_columns_are_written(client: Client) -> None:
    client.insert(
        "written",
        [[1, 2, 3], ["x", "y", "z"]],
        column_names=COLUMNS,
        column_type_names=["UInt64", "String"],
        column_oriented=True,
    )

    assert client.query("SELECT sum(a), max(b) FROM written").first_row == (6, "z")


def test_a_data_frame_is_written(client: Client) -> None:
    pandas = pytest.importorskip("pandas")

    client.insert_df("written", pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}))

    assert count(client) == 2


def test_an_arrow_table_is_written(client: Client) -> None:
    arrow = pytest.importorskip("pyarrow")

    client.insert_arrow("written", arrow.table({"a": [1, 2], "b": ["x", "y"]}))

    assert count(client) == 2


@pytest.mark.parametrize("compression", [None, "lz4", "zstd", "gzip"])
@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("CSV", b'1,"x"\n2,"y"\n'),
        ("JSONEachRow", b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
        ("TabSeparated", b"1\tx\n2\ty\n"),
    ],
)
def test_raw_rows_are_written(
    client: Client, form: str, rows: bytes, compression: str | None
) -> None:
    block = rows if compression is None else frames(compression, [rows])

    client.raw_insert("written", COLUMNS, block, fmt=form, compression=compression)

    assert client.query("SELECT * FROM written").result_rows == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_every_row_of_a_body_with_many_frames_is_written(server: Server, compress: object) -> None:
    with closing(server.client(compress=compress)) as one:
        done = one.insert("written", [[n, "x"] for n in range(MANY)], column_names=COLUMNS)

        assert done.written_rows == MANY
        assert one.query("SELECT count(), uniqExact(a) FROM written").first_row == (MANY, MANY)


@pytest.mark.parametrize("kind", ["lz4", "zstd", "gzip"])
def test_frames_are_read_to_the_last_one(server: Server, client: Client, kind: str) -> None:
    pieces = [lines(n * 1000, n * 1000 + 1000) for n in range(7)]
    body = frames(kind, [*pieces, b""])

    found = server.ask("INSERT INTO written FORMAT TSV", body, headers={"Content-Encoding": kind})

    assert found.status == 200
    assert count(client) == 7000


@pytest.mark.parametrize("kind", ["lz4", "zstd", "gzip"])
@pytest.mark.parametrize("cut", [3, 20])
def test_a_body_that_is_cut_off_is_an_error_and_writes_nothing(
    server: Server, client: Client, kind: str, cut: int
) -> None:
    body = frames(kind, [lines(0, 1000), lines(1000, 2000)])[:-cut]

    found = server.ask("INSERT INTO written FORMAT TSV", body, headers={"Content-Encoding": kind})

    assert found.status >= 400
    assert count(client) == 0


def test_bytes_that_are_not_compressed_as_they_say_are_an_error(ours: Server) -> None:
    head = {"Content-Encoding": "lz4"}

    found = ours.ask("INSERT INTO written FORMAT TSV", b"1\tx\n" * 9, headers=head)

    assert (found.status, found.code) == (400, 33)


def test_an_encoding_nobody_speaks_is_an_error(ours: Server) -> None:
    head = {"Content-Encoding": "br"}

    found = ours.ask("INSERT INTO written FORMAT TSV", b"1\tx\n", headers=head)

    assert (found.status, found.code) == (501, 48)


def test_rows_that_are_cut_off_write_nothing(server: Server, client: Client) -> None:
    found = server.ask("INSERT INTO written FORMAT RowBinary", b"\x01\0\0\0\0\0\0\0\x05ab")

    assert found.code == 33
    assert count(client) == 0


def test_a_client_that_goes_away_writes_nothing(ours: Server, client: Client) -> None:
    before = ours.log.read_text().count("status=499")
    connection = ours.begin("INSERT INTO written FORMAT TSV", length=1000)
    connection.sendall(b"1\tx\n")

    connection.close()
    until(lambda: ours.log.read_text().count("status=499") > before)

    assert count(client) == 0


def test_a_body_over_the_cap_is_refused(ours: Server, client: Client) -> None:
    found = ours.ask("INSERT INTO written FORMAT TSV", b"1\tx\n" * (CAP // 4 + 1))

    assert (found.status, found.code) == (413, 307)
    assert count(client) == 0


def test_the_cap_holds_for_what_a_body_becomes(ours: Server, client: Client) -> None:
    bomb = gzip.compress(bytes(CAP + 1))

    found = ours.ask(
        "INSERT INTO written FORMAT RowBinary", bomb, headers={"Content-Encoding": "gzip"}
    )

    assert (found.status, found.code) == (413, 307)
    assert count(client) == 0


def test_a_statement_over_the_cap_is_refused(ours: Server) -> None:
    found = ours.ask("", b"SELECT '" + b"x" * CAP + b"'")

    assert (found.status, found.code) == (413, 307)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", b"INSERT INTO written FORMAT TSV\n1\tx\n2\ty\n"),
        ("", b"INSERT INTO written (a, b) FORMAT TSV 1\tx\n2\ty\n"),
        ("", b"insert into written\r\nformat TSV\r\n1\tx\n2\ty\n"),
        ("", b"/* FORMAT CSV */ INSERT INTO `written`(a, b) -- (\n FORMAT TSV\n1\tx\n2\ty\n"),
        ("", b"INSERT INTO written SETTINGS max_threads=1 FORMAT TSV\n1\tx\n2\ty\n"),
        ("INSERT INTO written FORMAT TSV", b"1\tx\n2\ty\n"),
        ("INSERT INTO written FORMAT TSV\n1\tx", b"2\ty\n"),
        ("INSERT INTO written", b"FORMAT TSV\n1\tx\n2\ty\n"),
        ("INSERT INTO written", b"VALUES (1, 'x'), (2, 'y')"),
        ("INSERT INTO written VALUES", b"(1, 'x'), (2, 'y')"),
        ("INSERT INTO written FORMAT Values", b"(1, 'x'), (2, 'y')"),
        ("INSERT INTO written SELECT number + 1, ['x', 'y'][number + 1] FROM numbers(2)", b""),
    ],
)
def test_rows_are_found_wherever_the_statement_ends(
    server: Server, client: Client, query: str, body: bytes
) -> None:
    assert server.ask(query, body).text == ""

    assert client.query("SELECT * FROM written").result_rows == [(1, "x"), (2, "y")]


def test_rows_may_look_like_sql(server: Server, client: Client) -> None:
    body = json.dumps({"a": 1, "b": "FORMAT CSV '; DROP TABLE written"}).encode()

    server.ask("INSERT INTO written FORMAT JSONEachRow", body)

    assert client.query("SELECT b FROM written").first_row == ("FORMAT CSV '; DROP TABLE written",)


def test_values_may_be_longer_than_a_statement(server: Server, client: Client) -> None:
    values = ",".join(f"({n}, 'a rather long string for one row')" for n in range(20_000))

    server.ask("", b"INSERT INTO written VALUES " + values.encode())

    assert count(client) == 20_000


def test_parameters_stand_in_an_insert(server: Server, client: Client) -> None:
    server.ask("INSERT INTO {t:Identifier} FORMAT TSV", b"1\tx\n", param_t="written")
    client.command("INSERT INTO written VALUES ({n:UInt64}, {s:String})", {"n": 2, "s": "it's"})

    assert client.query("SELECT * FROM written ORDER BY 1").result_rows == [(1, "x"), (2, "it's")]


def test_rows_can_come_from_a_file(client: Client) -> None:
    rows = io.BytesIO(b"1,x\n2,y\n")

    client.raw_insert("written", COLUMNS, rows, fmt="CSV")

    assert count(client) == 2


def test_rows_can_be_made_while_they_are_sent(client: Client) -> None:
    client.raw_insert("written", COLUMNS, (b"%d,x\n" % n for n in range(1000)), fmt="CSV")

    assert count(client) == 1000


def test_an_insert_can_be_prepared_once(client: Client) -> None:
    prepared = client.create_insert_context("written", COLUMNS)

    for n in range(3):
        prepared.data = [[n, "x"]]
        client.insert(context=prepared)

    assert count(client) == 3


def test_the_answer_says_how_many_rows_were_written(client: Client) -> None:
    done = client.insert("written", [[n, "x"] for n in range(10)], column_names=COLUMNS)

    assert done.written_rows == 10


def test_columns_left_out_get_their_defaults(client: Client) -> None:
    client.insert("written", [[7]], column_names=["a"])

    assert client.query("SELECT * FROM written").first_row == (7, "")


@pytest.mark.parametrize("second", [[[1, "x"]], [[2, "other rows"]]])
def test_a_token_drops_a_retry(client: Client, second: list[list[Any]]) -> None:
    token = {"insert_deduplication_token": "one"}

    client.insert("written", [[1, "x"]], column_names=COLUMNS, settings=token)
    client.insert("written", second, column_names=COLUMNS, settings=token)

    assert client.query("SELECT * FROM written").result_rows == [(1, "x")]


def test_another_token_keeps_the_same_rows(client: Client) -> None:
    for token in ("one", "two"):
        settings = {"insert_deduplication_token": token}
        client.insert("written", [[1, "x"]], column_names=COLUMNS, settings=settings)

    assert count(client) == 2


def test_a_token_holds_for_many_blocks_as_a_whole(client: Client) -> None:
    rows = [[n, "x"] for n in range(MANY)]

    for _ in range(2):
        token = {"insert_deduplication_token": "many"}
        client.insert("written", rows, column_names=COLUMNS, settings=token)

    assert count(client) == MANY


def test_a_view_is_filled_once_when_an_insert_is_retried(client: Client) -> None:
    client.command(
        "CREATE TABLE viewed (a UInt64) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    client.command("CREATE MATERIALIZED VIEW view TO viewed AS SELECT a FROM written")
    settings = {
        "insert_deduplication_token": "one",
        "deduplicate_blocks_in_dependent_materialized_views": 1,
    }

    for _ in range(2):
        client.insert("written", [[1, "x"]], column_names=COLUMNS, settings=settings)
    found = client.query("SELECT a FROM viewed").result_rows
    client.command("DROP VIEW view SYNC")
    client.command("DROP TABLE viewed SYNC")

    assert found == [(1,)]


def test_inserts_are_written_when_they_are_answered(server: Server) -> None:
    assert server.ask("SELECT getSetting('async_insert')", async_insert="0").text == "false\n"


def test_the_gateway_writes_at_once_unless_told_otherwise(ours: Server) -> None:
    assert ours.ask("SELECT getSetting('async_insert')").text == "false\n"


def test_many_types_go_in_and_come_out(client: Client) -> None:
    client.command(
        "CREATE OR REPLACE TABLE many (at DateTime64(3, 'UTC'), m LowCardinality(String), "
        "l Array(LowCardinality(String)), c Array(Int64), n Nullable(Float64), f Bool) "
        "ENGINE = MergeTree ORDER BY at"
    )
    at = 1_714_979_289_123  # milliseconds
    row: list[list[Any]] = [[at], ["last"], [["k1", "k2"]], [[60, 40]], [None], [True]]
    kinds = [
        "DateTime64(3, 'UTC')",
        "LowCardinality(String)",
        "Array(LowCardinality(String))",
        "Array(Int64)",
        "Nullable(Float64)",
        "Bool",
    ]

    client.insert(
        "many",
        row,
        column_names=["at", "m", "l", "c", "n", "f"],
        column_type_names=kinds,
        column_oriented=True,
    )
    found = client.query("SELECT * FROM many", tz_mode="aware").first_row
    client.command("DROP TABLE many SYNC")

    moment = datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
    assert found == (moment, "last", ["k1", "k2"], [60, 40], None, True)


def test_an_insert_into_nothing_is_an_error_of_the_caller(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.raw_insert("nothing", COLUMNS, b"1,x\n", fmt="CSV")


def test_an_insert_in_no_known_format_is_an_error(server: Server) -> None:
    assert server.ask("INSERT INTO written FORMAT Nonsense", b"1\n").code == 73


def test_rows_of_the_wrong_type_are_an_error_and_write_nothing(
    server: Server, client: Client
) -> None:
    found = server.ask("INSERT INTO written FORMAT TSV", b"1\tx\nword\ty\n")

    assert found.code == 27
    assert count(client) == 0


@pytest.mark.parametrize("body", [b"1\n20\n", b"20\n", b"1\n\n20\n"])
def test_rows_a_table_does_not_take_are_an_error_and_not_written(
    server: Server, client: Client, body: bytes
) -> None:
    client.command(
        "CREATE OR REPLACE TABLE strict (a UInt64, CONSTRAINT small CHECK a < 10) "
        "ENGINE = MergeTree ORDER BY a"
    )

    found = server.ask("INSERT INTO strict FORMAT TSV", body)
    written = client.command("SELECT count() FROM strict")
    client.command("DROP TABLE strict SYNC")

    assert found.status >= 400
    assert found.code in {27, 469}
    assert written == 0


def test_too_many_partitions_are_an_error_and_write_nothing(server: Server, client: Client) -> None:
    client.command(
        "CREATE OR REPLACE TABLE parted (a UInt64) ENGINE = MergeTree ORDER BY a PARTITION BY a"
    )

    found = server.ask("INSERT INTO parted FORMAT TSV", b"".join(b"%d\n" % n for n in range(200)))
    written = client.command("SELECT count() FROM parted")
    client.command("DROP TABLE parted SYNC")

    assert found.code == 252
    assert written == 0


def test_a_view_that_fails_is_an_error_and_a_retry_doubles_nothing(
    server: Server, client: Client
) -> None:
    client.command("CREATE OR REPLACE TABLE viewed (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.command(
        "CREATE MATERIALIZED VIEW view TO viewed AS SELECT throwIf(a = 5, 'boom') AS a FROM written"
    )
    token = {"insert_deduplication_token": "one"}

    failed = server.ask("INSERT INTO written FORMAT TSV", b"5\tx\n", url=token)
    client.command("DROP VIEW view SYNC")
    retried = server.ask("INSERT INTO written FORMAT TSV", b"5\tx\n", url=token)
    client.command("DROP TABLE viewed SYNC")

    assert failed.code == 395
    assert retried.status == 200
    assert count(client) == 1


def test_an_empty_line_does_not_end_the_rows(server: Server, client: Client) -> None:
    body = b'{"a":1,"b":"x"}\n\n{"a":2,"b":"y"}\n'

    server.ask("", b"WITH 1 AS one INSERT INTO written FORMAT JSONEachRow\n" + body)
    server.ask("INSERT INTO written FORMAT JSONEachRow", body * 2)
    server.ask("", b"INSERT INTO written VALUES (3, 'a\n\nb'),\n\n(4, '')")

    assert count(client) == 8


def test_an_insert_without_rows_writes_none(server: Server, client: Client) -> None:
    assert server.ask("INSERT INTO written FORMAT Native").status == 200
    assert count(client) == 0


def test_an_insert_is_not_a_get(server: Server, client: Client) -> None:
    found = server.ask("INSERT INTO written VALUES (1, 'x')", method="GET")

    assert found.code == 164
    assert count(client) == 0


# ---------------------------------------------------------------- compressed blocks


@pytest.mark.parametrize("method", ["LZ4", "ZSTD", "NONE"])
def test_rows_in_compressed_blocks_are_written(server: Server, client: Client, method: str) -> None:
    encoder = BlockEncoder(method)
    body = encoder.compress(lines(0, 1000)) + encoder.compress(lines(1000, MANY))

    answer = server.ask("INSERT INTO written FORMAT TSV", body, decompress="1")

    assert answer.status == 200
    assert count(client) == MANY


def test_a_statement_may_stand_in_a_compressed_block(server: Server, client: Client) -> None:
    said = BlockEncoder("LZ4").compress(b"INSERT INTO written FORMAT TSV\n" + lines(0, 10))

    assert server.ask(body=said, decompress="1").status == 200
    assert count(client) == 10


def test_a_block_that_is_broken_writes_nothing(server: Server, client: Client) -> None:
    good = BlockEncoder("LZ4").compress(lines(0, 1000))
    bad = bytearray(good)
    bad[-1] ^= 1

    answer = server.ask("INSERT INTO written FORMAT TSV", good + bytes(bad), decompress="1")

    assert answer.code == Code.CHECKSUM_DOESNT_MATCH
    assert count(client) == 0
