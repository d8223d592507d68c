"""Sessions: what stays between two requests and what does not."""

from contextlib import closing
from uuid import uuid4

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.gateway import ask
from deploy.embedded.gateway.errors import Refusal
from deploy.embedded.gateway.sessions import Sessions
from tests.embedded.gateway.running import READER, Server
from tests.embedded.waiting import until


def wanted(name: str = "one", timeout: float = 60.0, *, must_exist: bool = False) -> ask.Session:
    return ask.Session(name, timeout, must_exist)


def test_a_temporary_table_lives_as_long_as_its_session(server: Server) -> None:
    with closing(server.client(session_id=str(uuid4()))) as one:
        one.command("CREATE TEMPORARY TABLE mine (a UInt8)")
        one.command("INSERT INTO mine VALUES (1), (2)")

        assert one.command("SELECT count() FROM mine") == 2


def test_a_temporary_table_is_not_seen_from_outside(server: Server) -> None:
    with closing(server.client(session_id=str(uuid4()))) as one:
        one.command("CREATE TEMPORARY TABLE hidden (a UInt8)")

        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"), closing(server.client()) as other:
            other.command("SELECT count() FROM hidden")


def test_what_is_set_in_a_session_stays(server: Server) -> None:
    session = str(uuid4())
    server.ask("SET max_block_size = 777", session_id=session)

    found = server.ask("SELECT getSetting('max_block_size')", session_id=session)

    assert found.text == "777\n"


def test_a_setting_in_the_url_does_not_stay_in_the_session(server: Server) -> None:
    session = str(uuid4())
    sql = "SELECT getSetting('max_block_size')"
    server.ask("SET max_block_size = 777", session_id=session)

    for_once = server.ask(sql, session_id=session, max_block_size="55")
    after = server.ask(sql, session_id=session)

    assert (for_once.text, after.text) == ("55\n", "777\n")


def test_a_database_in_the_url_does_not_stay_in_the_session(server: Server) -> None:
    session = str(uuid4())
    sql = "SELECT currentDatabase()"
    before = server.ask(sql, session_id=session, database="")

    server.ask(sql, session_id=session, database="system")

    assert server.ask(sql, session_id=session, database="").text == before.text


def test_a_database_that_is_used_stays_in_the_session(server: Server) -> None:
    session = str(uuid4())

    server.ask("USE system", session_id=session)

    found = server.ask("SELECT currentDatabase()", session_id=session, database="")
    assert found.text == "system\n"


def test_nothing_stays_without_a_session(server: Server) -> None:
    server.ask("SET max_block_size = 777")

    assert server.ask("SELECT getSetting('max_block_size')").text != "777\n"


def test_an_error_leaves_the_session_usable(server: Server) -> None:
    session = str(uuid4())
    server.ask("SET max_block_size = 777", session_id=session)

    server.ask("SELECT nonsense", session_id=session, max_block_size="55")

    found = server.ask("SELECT getSetting('max_block_size')", session_id=session)
    assert found.text == "777\n"


@pytest.mark.usefixtures("table")
def test_two_requests_cannot_be_in_one_session(ours: Server) -> None:
    session = str(uuid4())
    with closing(ours.begin("INSERT INTO written FORMAT TSV", length=4, session_id=session)) as one:
        until(ours.in_flight)

        second = ours.ask("SELECT 1", session_id=session)
        one.sendall(b"1\tx\n")

        assert second.code == 373
        assert b" 200 OK" in one.recv(4096)


def test_a_session_is_found_again_or_not(ours: Server) -> None:
    found = ours.ask("SELECT 1", session_id=str(uuid4()), session_check="1")

    assert (found.status, found.code) == (404, 372)


@pytest.mark.parametrize("timeout", ["-1", "3601", "nan", "soon"])
def test_a_session_does_not_live_for_ever(ours: Server, timeout: str) -> None:
    found = ours.ask("SELECT 1", session_id=str(uuid4()), session_timeout=timeout)

    assert (found.status, found.code) == (400, 36)


def test_a_session_ends_by_itself(ours: Server) -> None:
    session = str(uuid4())
    ours.ask("SELECT 1", session_id=session, session_timeout="0")

    def gone() -> bool:
        asked = ours.ask("SELECT 1", session_id=session, session_timeout="0", session_check="1")
        return asked.code == 372

    until(gone)


def test_a_reader_may_name_a_session(ours: Server) -> None:
    with closing(ours.client(READER, session_id="theirs", database="system")) as one:
        assert [one.command("SELECT count() FROM system.one") for _ in range(2)] == [1, 1]


def test_a_session_belongs_to_its_user() -> None:
    sessions = Sessions(most=9)

    mine = sessions.take("me", wanted(), now=0.0)
    yours = sessions.take("you", wanted(), now=0.0)

    assert mine is not yours


def test_a_session_is_locked_while_somebody_is_in_it() -> None:
    sessions = Sessions(most=9)
    session = sessions.take("me", wanted(), now=0.0)

    with pytest.raises(Refusal, match="SESSION_IS_LOCKED"):
        sessions.take("me", wanted(), now=0.0)
    sessions.leave(session, wanted(), now=1.0)

    assert sessions.take("me", wanted(), now=2.0) is session


def test_a_session_is_swept_when_its_time_is_over_and_nobody_is_in_it() -> None:
    sessions = Sessions(most=9)
    session = sessions.take("me", wanted(timeout=10.0), now=0.0)

    sessions.sweep(now=99.0)
    inside = len(sessions)
    sessions.leave(session, wanted(timeout=10.0), now=99.0)
    sessions.sweep(now=108.0)
    early = len(sessions)
    sessions.sweep(now=109.0)

    assert (inside, early, len(sessions)) == (1, 1, 0)


def test_sessions_are_bounded() -> None:
    sessions = Sessions(most=1)
    sessions.take("me", wanted("one"), now=0.0)

    with pytest.raises(Refusal, match="TOO_MANY"):
        sessions.take("me", wanted("two"), now=0.0)
