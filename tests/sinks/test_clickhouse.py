"""Writing when all goes well, and when nothing does; the server is a script."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import (
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
)
from hypothesis import given
from hypothesis import strategies as st

from schemas.rows import TABLES, Rows
from sinks import clickhouse
from sinks.base import Fault, Health, Observer, Refused, SinkStopped, State
from sinks.clickhouse import ClickHouse, letter
from sinks.connection import ConnectionSettings, HttpInserter, connect, silence_loggers
from sinks.native import block
from tests.sinks.forms import as_arrays
from tests.sinks.samples import MAY, MONTH, Scripted, cells, doors, order, orders, rows

LOST = OperationalError("connection lost")
BUSY = DatabaseError("Too many simultaneous queries", code=202)
TOO_MANY_PARTS = DatabaseError("Too many parts (300 ...) in table", code=252)
TOO_MANY_MONTHS = DatabaseError(
    "Too many partitions for single INSERT block (more than 100).", code=252
)
OUT_OF_MEMORY = DatabaseError("memory limit exceeded", code=241)
NO_TABLE = DatabaseError("Table kol.door_count does not exist", code=60)


class Recorder(Observer):
    """Records what it is notified of."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.rows = 0
        self.retries = 0
        self.refusals = 0
        self.faults: list[Fault] = []

    def written(self, health: Health, rows: int, seconds: float) -> None:
        assert seconds >= 0
        self.rows += rows if health.table == "door_count" else 0

    def retried(self, health: Health) -> None:
        self.retries = health.retries

    def refused(self, health: Health, fault: Fault) -> None:
        self.refusals = health.refused
        self.faults.append(fault)

    def changed(self, health: Health) -> None:
        self.states.append(health.state)


class Bench:
    """A sink over a scripted insert; nothing sleeps, every wait is noted."""

    def __init__(self, insert: Scripted, **options: Any) -> None:  # noqa: ANN401  # as the sink's
        self.insert = insert
        self.observed = Recorder()
        self.waits: list[float] = []
        self.clock = 1000.0
        self.letters: list[Refused] = []
        usual: dict[str, Any] = {
            "refuse": self.refuse,
            "observer": self.observed,
            "process": "p",
            "now": lambda: self.clock,
            "monotonic": lambda: self.clock,
            "sleep": self.sleep,
            "uniform": lambda a, b: (a + b) / 2,
        }
        self.sink = ClickHouse(insert, **(usual | options))

    async def refuse(self, refused: Refused) -> None:
        self.letters.append(refused)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def doors(self) -> dict[str, int]:
        """Door -> count of what stands."""
        return {row["door"]: row["n"] for row in self.insert.memory.rows("door_count")}

    @property
    def health(self) -> Health:
        return self.sink.health["door_count"]


async def test_rows_are_written_with_a_token_of_process_table_and_number() -> None:
    bench = Bench(Scripted())
    await bench.sink.write(doors(1))
    written = await bench.sink.write(doors(2))

    assert (written.rows, written.refused) == (1, 0)
    assert bench.insert.tokens == ["p:door_count:1", "p:door_count:2"]
    assert bench.doors == {"d0": 2}


async def test_two_processes_never_share_a_token() -> None:
    first, second = Scripted(), Scripted()
    await ClickHouse(first).write(doors(1))
    await ClickHouse(second).write(doors(1))

    assert first.tokens != second.tokens


async def test_a_lost_answer_is_tried_again_with_the_same_rows_and_another_token() -> None:
    bench = Bench(Scripted(("written", LOST), LOST))
    await bench.sink.write(doors(7))

    assert bench.insert.tokens == [f"p:door_count:{number}" for number in (1, 2, 3)]
    assert bench.insert.memory.written["door_count"] == 2
    assert bench.doors == {"d0": 7}


@pytest.mark.parametrize("error", [LOST, BUSY, TOO_MANY_PARTS, OUT_OF_MEMORY, TimeoutError()])
async def test_a_busy_or_absent_server_is_waited_for(error: Exception) -> None:
    bench = Bench(Scripted(error, error))
    written = await bench.sink.write(doors(1))

    assert written.rows == 1
    assert bench.waits == [0.2, 0.4]
    assert bench.observed.states == [State.RETRYING, State.OK]
    assert bench.observed.retries == 2


async def test_waits_double_up_to_half_a_minute_and_never_end() -> None:
    bench = Bench(Scripted(*[LOST] * 40))
    await bench.sink.write(doors(1))

    assert bench.waits[:9] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    assert set(bench.waits[9:]) == {30.0}
    assert len(bench.waits) == 40


async def test_a_poison_row_is_found_and_only_it_is_refused() -> None:
    bench = Bench(Scripted(poison=["d3"]))
    written = await bench.sink.write(doors(0, 1, 2, 3, 4, 5, 6, 7))

    assert (written.rows, written.refused) == (7, 1)
    assert bench.insert.sizes == [8, 4, 2, 2, 1, 1, 4]
    assert bench.doors == {f"d{i}": i for i in range(8) if i != 3}
    assert [refused.row["door"] for refused in bench.letters] == ["d3"]
    assert bench.observed.refusals == 1


@given(st.sets(st.integers(0, 40), max_size=4), st.integers(1, 41), st.integers(1, 50))
def test_whatever_is_poison_all_else_is_written(bad: set[int], n: int, most: int) -> None:
    bench = Bench(Scripted(poison=[f"d{i}" for i in bad]), most_rows=most)
    written = asyncio.run(bench.sink.write(doors(*range(n))))
    refused = {i for i in bad if i < n}

    assert bench.doors == {f"d{i}": i for i in range(n) if i not in refused}
    assert {r.row["door"] for r in bench.letters} == {f"d{i}" for i in refused}
    assert (written.rows, written.refused) == (n - len(refused), len(refused))


@pytest.mark.parametrize(
    "error",
    [DataError("no"), TypeError("no"), ValueError("no"), DatabaseError("cannot parse", code=27)],
)
async def test_errors_of_values_are_poison(error: Exception) -> None:
    bench = Bench(Scripted(poison=["d1"], error=error))
    await bench.sink.write(doors(0, 1))

    assert [refused.row["door"] for refused in bench.letters] == ["d1"]
    assert type(error).__name__ in bench.letters[0].error


async def test_a_part_of_poisoned_rows_has_a_token_of_its_own() -> None:
    bench = Bench(Scripted(poison=["d1"]))
    await bench.sink.write(doors(0, 1, 2, 3))

    assert len(set(bench.insert.tokens)) == len(bench.insert.tokens)


async def test_a_lost_answer_amid_poison_is_tried_again_in_its_part() -> None:
    bench = Bench(Scripted(None, ("written", LOST), poison=["d3"]))
    bench.insert._script = [DataError("no"), ("written", LOST)]
    await bench.sink.write(doors(0, 1, 2, 3))

    assert bench.insert.memory.written["door_count"] == 5
    assert bench.doors == {"d0": 0, "d1": 1, "d2": 2}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NO_TABLE, "run `kol migrate`"),
        (DatabaseError("denied", code=497), "grant INSERT"),
        (DatabaseError("wrong password", code=516), "KOL_CLICKHOUSE__PASSWORD"),
        (DatabaseError("unheard of", code=4711), "see the server's message"),
        (ProgrammingError("count does not match"), "see the server's message"),
        (RuntimeError("unheard of"), "RuntimeError"),
    ],
)
async def test_a_fault_of_ours_stops_and_says_what_to_do(error: Exception, said: str) -> None:
    bench = Bench(Scripted(error))
    with pytest.raises(SinkStopped, match=said):
        await bench.sink.write(doors(0, 1))

    assert bench.insert.sizes == [2]
    assert not bench.letters
    assert bench.observed.states == [State.STOPPED]


async def test_once_mended_it_goes_on() -> None:
    bench = Bench(Scripted(NO_TABLE))
    with pytest.raises(SinkStopped):
        await bench.sink.write(doors(1))
    await bench.sink.write(doors(1))

    assert bench.observed.states == [State.STOPPED, State.OK]
    assert bench.health.succeeded_at == 1000.0


async def test_rows_of_too_many_months_are_split_by_month() -> None:
    bench = Bench(Scripted(TOO_MANY_MONTHS))
    many = [order(f"o{i}", ordered_at=(MAY - i * MONTH) * 1000) for i in range(120)]
    written = await bench.sink.write(orders(*many))

    assert written.rows == 120
    assert len(bench.insert.sizes) == 4
    assert sum(bench.insert.sizes[1:]) == 120
    assert not bench.waits


async def test_one_month_in_too_many_partitions_stops() -> None:
    bench = Bench(Scripted(TOO_MANY_MONTHS))
    with pytest.raises(SinkStopped, match="252"):
        await bench.sink.write(cells(1, 2))


async def test_out_of_memory_five_times_means_half_the_rows() -> None:
    bench = Bench(Scripted(*[OUT_OF_MEMORY] * 6))
    written = await bench.sink.write(doors(0, 1, 2, 3))

    assert written.rows == 4
    assert bench.insert.sizes == [4] * 6 + [2, 2]
    assert len(bench.waits) == 5


async def test_one_row_out_of_memory_waits_on() -> None:
    bench = Bench(Scripted(*[OUT_OF_MEMORY] * 9))
    await bench.sink.write(doors(1))

    assert bench.insert.sizes == [1] * 10


async def test_more_rows_than_an_insert_takes_are_cut() -> None:
    bench = Bench(Scripted(), most_rows=3)
    written = await bench.sink.write(doors(*range(8)))

    assert written.rows == 8
    assert bench.insert.sizes == [3, 3, 2]


async def test_a_little_more_than_an_insert_takes_is_no_insert_of_its_own() -> None:
    bench = Bench(Scripted(), most_rows=6)
    await bench.sink.write(doors(*range(7)))

    assert bench.insert.sizes == [4, 3]


async def test_what_comes_while_an_insert_is_under_way_is_joined_into_the_next() -> None:
    bench = Bench(Scripted())
    bench.insert.gate = threading.Event()
    first = asyncio.create_task(bench.sink.write(doors(1)))
    while not bench.insert.calls:  # noqa: ASYNC110  # the insert begins in another thread
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(bench.sink.write(doors(n, version=n))) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    bench.insert.gate.set()
    await asyncio.gather(first, *others)

    assert bench.insert.sizes == [1, 3]
    assert bench.insert.at_once == 1
    assert bench.doors == {"d0": 4}


async def test_joined_writes_know_whose_row_was_refused() -> None:
    bench = Bench(Scripted(poison=["d1"]))
    alone, both = await asyncio.gather(bench.sink.write(doors(0)), bench.sink.write(doors(0, 1, 2)))

    assert (alone.refused, both.refused) == (0, 1)


async def test_tables_do_not_wait_for_one_another() -> None:
    bench = Bench(Scripted())
    bench.insert.gate = threading.Event()
    slow = asyncio.create_task(bench.sink.write(doors(1)))
    other = asyncio.create_task(bench.sink.write(orders(order())))
    while len(bench.insert.calls) < 2:  # noqa: ASYNC110  # inserts begin in other threads
        await asyncio.sleep(0.001)
    bench.insert.gate.set()
    await asyncio.gather(slow, other)

    assert bench.insert.at_once == 2


async def test_when_most_rows_are_refused_it_stops_instead() -> None:
    bench = Bench(Scripted(poison=[f"d{i}" for i in range(64)]))
    with pytest.raises(SinkStopped, match="5 %"):
        await bench.sink.write(doors(*range(64)))

    assert len(bench.letters) == 20
    assert bench.health.state is State.STOPPED


async def test_poison_in_insert_after_insert_opens_the_breaker_as_well() -> None:
    bench = Bench(Scripted(poison=[f"d{i}" for i in range(0, 640, 4)]))
    for start in range(0, 76, 4):  # one of four rows is bad each time
        assert (await bench.sink.write(doors(*range(start, start + 4)))).rows == 3

    with pytest.raises(SinkStopped, match="5 %"):
        await bench.sink.write(doors(76, 77, 78, 79))
    assert len(bench.letters) == 20


async def test_a_slow_insert_is_the_only_one_and_what_waits_behind_it_is_counted() -> None:
    bench = Bench(Scripted())
    bench.insert.gate = threading.Event()
    writes = [asyncio.create_task(bench.sink.write(doors(n))) for n in range(5)]
    while not bench.insert.calls:  # noqa: ASYNC110  # the insert begins in another thread
        await asyncio.sleep(0.001)
    waiting = bench.health.waiting
    bench.insert.gate.set()
    await asyncio.gather(*writes)

    assert waiting == 5
    assert bench.health.waiting == 0
    assert bench.insert.at_once == 1


async def test_an_open_breaker_lets_nothing_through_until_five_minutes_are_over() -> None:
    bench = Bench(Scripted(poison=[f"d{i}" for i in range(64)]))
    with pytest.raises(SinkStopped):
        await bench.sink.write(doors(*range(64)))
    calls = len(bench.insert.calls)
    bench.insert._poison.clear()
    with pytest.raises(SinkStopped):
        await bench.sink.write(doors(1))
    bench.clock += 300
    await bench.sink.write(doors(1))

    assert len(bench.insert.calls) == calls + 1
    assert bench.health.state is State.OK


async def test_a_refused_row_becomes_a_dead_letter() -> None:
    bench = Bench(Scripted(poison=["d1"]), refuse=None)
    await bench.sink.write(doors(0, 7))

    (found,) = bench.insert.memory.rows("dead_letter")

    assert (found["target"], found["reason"], found["state"]) == ("door_count", "refused", "new")
    assert json.loads(found["payload"])["n"] == 7


async def test_refusing_a_row_twice_leaves_one_letter() -> None:
    bench = Bench(Scripted(poison=["d1"]), refuse=None)
    await bench.sink.write(doors(0, 7))
    await bench.sink.write(doors(0, 8, version=2))

    (found,) = bench.insert.memory.rows("dead_letter")

    assert json.loads(found["payload"])["n"] == 8


async def test_a_dead_letter_that_is_refused_stops() -> None:
    bench = Bench(Scripted(DataError("no")), refuse=None)
    with pytest.raises(SinkStopped, match="dead letter"):
        await bench.sink.write(rows("dead_letter", [{"topic": "t"}]))


@pytest.mark.parametrize(
    ("table", "row", "at"),
    [
        ("order_credit", {"ordered_at": MAY * 1000}, MAY * 1000),
        ("minute_cell", {"minute": MAY}, MAY * 1000),
        ("minute_cell", {"minute": "noon"}, 0),
        ("order_credit", {"ordered_at": 2**62}, 0),
        ("door_count", {}, 0),
    ],
)
def test_a_letter_bears_the_time_of_its_row_if_that_makes_sense(
    table: str, row: dict[str, Any], at: int
) -> None:
    made = letter(Refused(table, row, "why"))
    made.validate()

    assert made.columns["at"] == [at]


def test_a_letter_can_be_stored_whatever_the_row_holds() -> None:
    row = {"order_id": "\ud800", "touch_kol": [b"\xff"], "n": float("nan"), "a": object()}
    made = letter(Refused("order_credit", row, "why"))

    assert str(made.row(0)["payload"]).encode().isascii()


def test_letters_of_different_rows_are_different() -> None:
    one, two = (letter(Refused("door_count", {"door": d}, "")) for d in ("a", "b"))

    assert one.columns["offset"] != two.columns["offset"]


async def test_closing_waits_for_what_is_under_way() -> None:
    bench = Bench(Scripted())
    writing = asyncio.create_task(bench.sink.write(doors(1)))
    await asyncio.sleep(0)
    await bench.sink.close()

    assert bench.doors == {"d0": 1}
    assert (await writing).rows == 1


async def test_closing_with_the_server_away_gives_up_in_time_and_says_so() -> None:
    bench = Bench(Scripted(LOST), sleep=lambda _seconds: asyncio.Event().wait())
    writing = asyncio.create_task(bench.sink.write(doors(1)))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(bench.sink.write(doors(2)))
    await asyncio.sleep(0.01)
    await bench.sink.close(0.01)

    for task in (writing, waiting):
        with pytest.raises(SinkStopped, match="closed"):
            await task


async def test_who_stops_waiting_does_not_stop_the_insert() -> None:
    bench = Bench(Scripted())
    bench.insert.gate = threading.Event()
    writing = asyncio.create_task(bench.sink.write(doors(1)))
    await asyncio.sleep(0.01)
    writing.cancel()
    bench.insert.gate.set()
    await bench.sink.close()

    assert bench.doors == {"d0": 1}


async def test_errors_are_told_in_one_line_that_can_be_stored() -> None:
    bench = Bench(Scripted(DatabaseError("a\n\nb \ud800 " + "x" * 999, code=60)))
    with pytest.raises(SinkStopped):
        await bench.sink.write(doors(1))

    assert bench.health.error.startswith("DatabaseError 60: a b ")
    assert len(bench.health.error.encode()) < 400


class Client:
    """A client of clickhouse-connect as far as inserts go."""

    def __init__(self, raises: Exception | None = None, compression: str | None = None) -> None:
        self.inserts: list[dict[str, Any]] = []
        self.is_closed = False
        self.write_compression = compression
        self._raises = raises

    def raw_insert(self, table: str, **told: Any) -> None:  # noqa: ANN401  # as it is
        if self._raises:
            raise self._raises
        self.inserts.append({"table": table} | told)

    def close(self) -> None:
        self.is_closed = True


async def test_over_http_all_columns_go_by_name_in_one_block() -> None:
    client = Client()
    sink = ClickHouse(HttpInserter(lambda: client, {"insert_quorum": "auto"}), process="p")  # type: ignore[arg-type, return-value]  # as far as inserts go
    await sink.write(doors(1, 2))
    await sink.close()

    (insert,) = client.inserts

    assert insert["column_names"] == list(TABLES["door_count"].columns)
    assert insert["insert_block"] == block(doors(1, 2))
    assert (insert["fmt"], insert["compression"]) == ("Native", None)
    assert insert["settings"] == {
        "async_insert": 0,
        "insert_deduplicate": 1,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "insert_quorum": "auto",
        "insert_deduplication_token": "p:door_count:1",
    }
    assert client.is_closed


async def test_over_a_network_the_same_block_goes_compressed() -> None:
    client = Client(compression="lz4")
    sink = ClickHouse(HttpInserter(lambda: client, {}))  # type: ignore[arg-type, return-value]  # as far as inserts go
    await sink.write(doors(*range(100)))

    (insert,) = client.inserts

    assert insert["compression"] == "lz4"
    assert lz4.frame.decompress(insert["insert_block"]) == block(doors(*range(100)))
    assert len(insert["insert_block"]) < len(block(doors(*range(100))))


def opened(*outcomes: Exception | Client) -> Callable[[], Any]:
    """Open a client: each time the next outcome."""
    left = list(outcomes)

    def open_client() -> Client:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return open_client


@pytest.mark.parametrize("error", [LOST, ConnectionRefusedError(), ValueError("not enough values")])
async def test_a_server_that_is_not_there_yet_is_waited_for(error: Exception) -> None:
    client = Client()
    bench = Bench(HttpInserter(opened(error, client), {}))  # type: ignore[arg-type]  # no script needed
    await bench.sink.write(doors(1))

    assert len(client.inserts) == 1
    assert bench.observed.states == [State.RETRYING, State.OK]
    assert not bench.letters


async def test_it_can_connect_before_the_first_rows_and_does_so_once() -> None:
    client = Client()
    sink = ClickHouse(HttpInserter(opened(client), {}))
    await sink.open()
    await sink.open()
    await sink.write(doors(1))

    assert len(client.inserts) == 1


async def test_who_is_not_there_early_is_no_failure() -> None:
    client = Client()
    sink = ClickHouse(HttpInserter(opened(LOST, client), {}))
    await sink.open()
    await sink.write(doors(1))

    assert len(client.inserts) == 1


async def test_a_value_that_is_not_of_its_type_never_leaves() -> None:
    client = Client()
    bench = Bench(HttpInserter(lambda: client, {}))  # type: ignore[arg-type, return-value]  # no script needed
    given = doors(1, 2)
    await bench.sink.write(Rows("door_count", {**given.columns, "n": [1, 2.5]}))

    assert [refused.row["n"] for refused in bench.letters] == [2.5]
    assert len(client.inserts) == 1


async def test_a_row_among_arrays_is_found_and_told_with_its_lists() -> None:
    client = Client()
    bench = Bench(HttpInserter(lambda: client, {}))  # type: ignore[arg-type, return-value]  # no script needed
    half_a_character = "\ud800"
    many = [order(f"o{i}", ["k1", half_a_character if i == 5 else "k2"]) for i in range(8)]
    written = await bench.sink.write(as_arrays(orders(*many)))

    (refused,) = bench.letters

    assert (written.rows, written.refused) == (7, 1)
    assert refused.row["order_id"] == "o5"
    assert refused.row["touch_kol"] == ["k1", half_a_character]
    assert refused.row["credit_linear"] == [0, 0]


def test_nothing_is_compressed_on_the_way_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(clickhouse_connect, "get_client", lambda **a: told.append(a))
    connect(ConnectionSettings(), database="")
    connect(ConnectionSettings("ch.example", 8443, secure=True, ca_file=Path("/ca")))

    near, far = told
    assert (near["compress"], near["database"], near["ca_cert"]) == (False, None, None)
    assert (far["compress"], far["database"], far["ca_cert"]) == ("lz4", "kol", "/ca")
    assert not any(one["autogenerate_session_id"] for one in told)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(ConnectionSettings(password="secret"))  # noqa: S106  # made up


async def test_at_a_place_it_connects_with_the_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    monkeypatch.setattr(clickhouse, "connect", lambda _place: client)
    sink = ClickHouse.at(ConnectionSettings())
    await sink.close()
    await sink.write(doors(1))

    assert len(client.inserts) == 1


def test_the_client_prints_no_values(caplog: pytest.LogCaptureFixture) -> None:
    silence_loggers()

    logging.getLogger("clickhouse_connect.driver.transform").error("value 5")

    assert not caplog.records
