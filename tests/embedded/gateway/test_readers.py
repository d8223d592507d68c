"""What a reader may say: the views, and nothing beyond them.

Each refusal here was tried against the bare engine with readonly=1: most of them work there.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.gateway.gate import FORBIDDEN, SETTINGS, TABLE_FUNCTIONS
from tests.embedded.gateway.running import READER, Reply, Server

SECRET = "nobody else's"  # noqa: S105  # what a file holds


@pytest.fixture(scope="module")
def reader(server: Server, client: Client) -> Iterator[Server]:
    """The gateway, with a view to read; what is tried here changes nothing."""
    if server.process is None:
        pytest.skip("a real server has other users and grants")
    client.command("CREATE TABLE below (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.command("INSERT INTO below VALUES (1), (2), (3)")
    client.command("CREATE VIEW v_all AS SELECT a, a * 2 AS b FROM below")
    yield server
    client.command("DROP VIEW v_all SYNC")
    client.command("DROP TABLE below SYNC")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(f"{SECRET}\n")
    return path


def ask(server: Server, sql: str, **url: str) -> Reply:
    return server.ask(sql, by=READER, url=url)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT sum(b) FROM v_all", "12\n"),
        ("SELECT a FROM v_all WHERE a = {n:UInt8}", "2\n"),
        ("WITH 1 AS x SELECT count() + x FROM v_all", "4\n"),
        ("FROM v_all SELECT max(a)", "3\n"),
        ("SELECT count() FROM numbers(10)", "10\n"),
        ("SELECT 'file(' || 'x' -- file('y')", "file(x\n"),
        ("SELECT format('{}-{}', 'a', 'b')", "a-b\n"),
        ("EXISTS TABLE v_all", "1\n"),
        ("SELECT getSetting('readonly')", "1\n"),
    ],
)
def test_a_reader_reads(reader: Server, sql: str, text: str) -> None:
    assert ask(reader, sql, param_n="2").text == text


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "DESCRIBE TABLE v_all", "EXPLAIN SELECT * FROM v_all", "SHOW DATABASES"]
)
def test_a_reader_looks_around(reader: Server, sql: str) -> None:
    assert ask(reader, sql).status == 200


def test_the_official_client_reads_as_a_reader(reader: Server) -> None:
    with closing(reader.client(READER)) as one:
        assert one.query("SELECT * FROM v_all ORDER BY a").result_rows == [(1, 2), (2, 4), (3, 6)]
        assert one.query("SELECT * FROM v_all WHERE 0").column_names == ("a", "b")
        with pytest.raises(DatabaseError, match="READONLY"):
            one.command("DROP VIEW v_all")


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE below",
        "TRUNCATE TABLE below",
        "ALTER TABLE below DELETE WHERE 1",
        "DELETE FROM below WHERE 1",
        "INSERT INTO below VALUES (4)",
        "INSERT INTO below SELECT 4",
        "WITH x AS (SELECT 4 AS a) INSERT INTO below SELECT a FROM x",
        "INSERT INTO FUNCTION file('/tmp/out', 'CSV', 'a UInt8') VALUES (1)",
        "CREATE TABLE more (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE more (a UInt8)",
        "CREATE DATABASE more",
        "CREATE FUNCTION f AS x -> x",
        "OPTIMIZE TABLE below FINAL",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "BACKUP DATABASE default TO File('/tmp/backup')",
        "SET max_threads = 1",
        "SET readonly = 0",
        "USE system",
        "SELECT 1 INTO OUTFILE '/tmp/out'",
        "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/out'",
        "SHOW TABLES INTO OUTFILE '/tmp/out'",
        "DESCRIBE TABLE below INTO OUTFILE '/tmp/out'",
        "CHECK TABLE below INTO OUTFILE '/tmp/out'",
    ],
)
def test_a_reader_changes_nothing(reader: Server, client: Client, sql: str) -> None:
    found = ask(reader, sql)

    assert (found.status, found.code) == (403, 164)
    assert client.command("SELECT count() FROM below") == 3


def test_a_reader_inserts_no_rows(reader: Server, client: Client) -> None:
    found = reader.ask("INSERT INTO below FORMAT TSV", b"4\n", by=READER)

    assert (found.status, found.code) == (403, 164)
    assert client.command("SELECT count() FROM below") == 3


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE below"])
def test_a_reader_says_one_thing_at_a_time(reader: Server, sql: str) -> None:
    assert ask(reader, sql).code == 62


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file('{path}')",
        "SELECT file ('{path}')",
        "SELECT file/* */('{path}')",
        "SELECT `file`('{path}')",
        "SELECT \"file\"('{path}')",
        "SELECT `f\\x69le`('{path}')",
        "SELECT “file”('{path}')",
        "SELECT file\u00a0('{path}')",
        "SELECT ‘ ' ’, file('{path}'), ‘ ' ’",
        "SELECT * APPLY file FROM (SELECT '{path}')",
        "SELECT * APPLY(file) FROM (SELECT '{path}')",
        "SELECT arrayMap(file, ['{path}'])",
        "SELECT arrayMap(x -> file(x), ['{path}'])",
        "SELECT arrayMap({f:Identifier}, ['{path}'])",
        "EXPLAIN SELECT file('{path}')",
        "WITH f AS (SELECT file('{path}') AS x) SELECT * FROM f",
        "SELECT * FROM file('{path}')",
        "DESCRIBE TABLE file('{path}')",
        "SELECT * FROM `{path}`",
        "SELECT * FROM default.`{path}`",
        "SELECT * FROM '{path}'",
    ],
)
@pytest.mark.parametrize("name", ["file", "f\\x69le", "FILE"])
def test_a_reader_reads_no_file(reader: Server, secret: Path, sql: str, name: str) -> None:
    said = sql.replace("{path}", str(secret))

    found = ask(reader, said, param_f=name)

    assert found.status in {400, 403, 404, 500}
    assert found.code in {36, 46, 60, 62, 164}
    assert SECRET not in found.text


@pytest.mark.parametrize(
    "call",
    [
        "url('http://127.0.0.1:1/x', 'CSV')",
        "s3('http://127.0.0.1:1/bucket/x', 'CSV')",
        "remote('127.0.0.1:1', system, one)",
        "mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "sqlite('/tmp/x.db', 't')",
        "executable('id', 'TSV', 'a String')",
        "python(secrets)",
        "Python(secrets)",
        "filesystem('/tmp')",
        "fileCluster('default', '/tmp/x', 'CSV')",
        "eval('SELECT 1')",
        "loop(url('http://127.0.0.1:1/x', 'CSV'))",
        "view(SELECT * FROM url('http://127.0.0.1:1/x', 'CSV'))",
    ],
)
@pytest.mark.parametrize("verb", ["SELECT * FROM", "DESCRIBE TABLE", "EXPLAIN SELECT * FROM"])
def test_a_reader_reaches_nothing_outside(ours: Server, verb: str, call: str) -> None:
    found = ask(ours, f"{verb} {call}")

    assert (found.status, found.code) in {(403, 164), (400, 62)}


@pytest.mark.parametrize("name", ["aiGenerate", "AIGenerate", "aiEmbed"])
def test_a_reader_asks_no_language_model(ours: Server, name: str) -> None:
    assert ask(ours, f"SELECT {name}('x', 'y')").code == 164


@pytest.mark.parametrize(
    "name",
    [
        "readonly",
        "allow_experimental_eval_table_function",
        "additional_table_filters",
        "format_schema",
        "format_template_resultset",
        "dialect",
        "allow_introspection_functions",
    ],
)
def test_a_reader_sets_no_setting_that_reaches_further(ours: Server, name: str) -> None:
    found = ask(ours, "SELECT getSetting('readonly')", **{name: "0"})

    assert found.code == 164 or found.text == "1\n"


def test_a_reader_sets_no_setting_in_a_statement(ours: Server) -> None:
    assert ask(ours, "SELECT 1 SETTINGS max_threads = 1").code == 164


def test_a_reader_sets_what_is_harmless(ours: Server) -> None:
    assert ask(ours, "SELECT getSetting('max_block_size')", max_block_size="99").text == "99\n"


@pytest.mark.parametrize(
    ("setting", "asked", "held"),
    [
        ("max_execution_time", "", "20"),
        ("max_execution_time", "5", "5"),
        ("max_execution_time", "0", "20"),
        ("max_execution_time", "9999", "20"),
        ("max_result_rows", "many", "200000"),
        ("max_result_rows", "10", "10"),
        ("max_memory_usage", "99999999999", "2000000000"),
    ],
)
def test_the_limits_of_a_reader_hold(ours: Server, setting: str, asked: str, held: str) -> None:
    url = {setting: asked} if asked else {}

    assert ask(ours, f"SELECT getSetting('{setting}')", **url).text == f"{held}\n"


def test_a_reader_gets_so_many_rows_and_no_more(ours: Server) -> None:
    found = ask(ours, "SELECT number FROM numbers(1000000)", wait_end_of_query="1")

    assert found.code == 396


def test_an_error_of_a_reader_is_the_engines_own(ours: Server) -> None:
    assert ask(ours, "SELEC 1").code == 62
    assert ask(ours, "SELECT nonsense").code == 47
    assert ask(ours, "SELECT * FROM nothing").code == 60


def test_an_admin_who_asks_for_it_is_treated_like_a_reader(ours: Server) -> None:
    assert ours.ask("CREATE TABLE x (a UInt8) ENGINE = Memory", readonly="1").code == 164


def test_the_files_of_the_machine_are_no_tables_to_an_admin_either(
    ours: Server, secret: Path
) -> None:
    sql = "SELECT * FROM {t:Identifier}"

    found = ours.ask(sql, database="default", param_t=str(secret))

    assert found.code == 60


def test_the_databases_are_atomic(ours: Server) -> None:
    sql = "SELECT name, engine FROM system.databases WHERE name IN ('default', 'kol') ORDER BY name"

    assert ours.ask(sql).text == "default\tAtomic\nkol\tAtomic\n"


def test_every_function_that_asks_a_language_model_is_known(ours: Server) -> None:
    sql = "SELECT DISTINCT lower(name) FROM system.functions WHERE match(name, '^(ai|AI)[A-Z]')"

    assert set(ours.ask(sql).text.split()) <= FORBIDDEN


def test_what_a_reader_may_use_is_there(ours: Server) -> None:
    functions = ours.ask("SELECT lower(name) FROM system.table_functions").text.split()
    settings = ours.ask("SELECT name FROM system.settings").text.split()

    assert set(functions) >= TABLE_FUNCTIONS
    assert set(settings) >= SETTINGS


def test_nobody_reads_a_statement_or_a_password_in_the_log(ours: Server) -> None:
    ask(ours, "SELECT 'very private'", param_x="a parameter")
    ours.ask("SELECT 1", by=None, user="default", password="almost right")  # noqa: S106  # it is wrong

    log = ours.log.read_text()
    assert "user=reader kind=SELECT" in log
    words = ("private", "parameter", "almost", *ours.passwords.values())
    assert [line for line in log.splitlines() if any(word in line for word in words)] == []


def test_an_id_cannot_forge_a_line_of_the_log(ours: Server) -> None:
    ours.ask("SELECT 1", query_id="x\nuser=forged")

    assert "forged" not in ours.log.read_text()
