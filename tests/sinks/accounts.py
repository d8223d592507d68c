"""An engine with accounts: what an account may read is asked of it, and not thought out.

The embedded engine has one account and makes no others, but it takes accounts from a file. This
runs statements as those of `sinks.grants` one after the other, writes what they leave into such a
file, and asks as an account by a view whose definer it is. An engine is a process:

    python -m tests.sinks.accounts FOLDER    # one request of JSON a line, one answer a line

    {"sql": …}                what the statement gives, as the one who owns everything
    {"sql": …, "user": …}     the same, as an account
    {"parse": …}              whether the engine reads a statement
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, Final, cast
from xml.sax.saxutils import escape

from sinks.migrate import Client, migrate

DATABASE, OWNER = "kol", "migrator"
PROFILE: Final = re.compile(r"(CREATE|ALTER) SETTINGS PROFILE .* SETTINGS (.*)")
POLICY: Final = re.compile(
    r"(CREATE|ALTER) ROW POLICY .* ON `(\w+)`\.(\w+) FOR SELECT USING (.*) TO `[^`]+`"
)
REVOKE: Final = re.compile(r"REVOKE ALL ON `(\w+)`\.\* FROM `[^`]+`")
GRANT: Final = re.compile(r"GRANT (.+ ON .+) TO `[^`]+`")
ELSE: Final = re.compile(  # nothing that a file of accounts says, or that these tests ask for
    r"ALTER TABLE .* MODIFY DEFINER = .*|CREATE ROLE .*|CREATE USER .*|GRANT `[^`]+` TO `.*`"
    r"|(CREATE|ALTER) QUOTA .*"
)


@dataclass
class Account:
    """What statements leave of an account, run one after the other.

    Raises:
        ValueError: it is not known what one of them does.

    """

    statements: Iterable[str]
    limits: str = ""
    grants: list[str] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)  # view -> which of its rows

    def __post_init__(self) -> None:
        for statement in self.statements:
            self._run(statement)

    def _run(self, statement: str) -> None:
        if found := PROFILE.fullmatch(statement):
            if found[1] == "ALTER" or not self.limits:
                self.limits = found[2]
        elif found := POLICY.fullmatch(statement):
            if found[1] == "ALTER" or found[3] not in self.policies:
                self.policies[found[3]] = found[4]
        elif found := REVOKE.fullmatch(statement):
            own = f" ON `{found[1]}`."
            self.grants = [one for one in self.grants if own not in one]
        elif found := GRANT.fullmatch(statement):
            self.grants.append(found[1])
        elif not ELSE.fullmatch(statement):
            raise ValueError(f"what does it do? {statement}")

    def profile(self) -> str:
        """The limits as a profile of the file, with their least and greatest values."""
        values, constraints = "", ""
        for limit in self.limits.split(", "):
            setting, _, text = limit.partition(" = ")
            value, *ends = text.split()
            values += f"<{setting}>{value}</{setting}>"
            if ends:
                pairs = zip(ends[::2], ends[1::2], strict=True)
                inner = "".join(f"<{end.lower()}>{of}</{end.lower()}>" for end, of in pairs)
                constraints += f"<{setting}>{inner}</{setting}>"
        return f"{values}<constraints>{constraints}</constraints>"

    def rights(self) -> str:
        """The grants and the row policies as the file has them."""
        grants = "".join(f"<query>GRANT {escape(one)}</query>" for one in self.grants)
        policies = "".join(
            f"<{view}><filter>{escape(condition)}</filter></{view}>"
            for view, condition in self.policies.items()
        )
        rows = f"<databases><{DATABASE}>{policies}</{DATABASE}></databases>" if policies else ""
        return f"<grants>{grants}</grants>{rows}"


def users_file(accounts: Mapping[str, Iterable[str]]) -> str:
    """The file of accounts: name -> its statements. The owner may everything in the database."""
    owner = f"<grants><query>GRANT ALL ON {DATABASE}.*</query></grants>"
    made = {name: Account(statements) for name, statements in accounts.items()}
    profiles = "".join(f"<{name}>{one.profile()}</{name}>" for name, one in made.items())
    readers = "".join(
        f"<{name}>{_login(name)}{one.rights()}</{name}>" for name, one in made.items()
    )
    return (
        f"<clickhouse><profiles><default/>{profiles}</profiles>"
        "<quotas><default/></quotas><users>"
        f"<default>{_login('default')}<access_management>1</access_management></default>"
        f"<{OWNER}>{_login('default')}{owner}</{OWNER}>{readers}</users></clickhouse>"
    )


def _login(profile: str) -> str:
    networks = "<networks><ip>::/0</ip></networks>"
    return f"<password/>{networks}<profile>{profile}</profile><quota>default</quota>"


class Accounts:
    """The engine as its users see it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def rows(self, sql: str, user: str = "") -> list[dict[str, Any]]:
        """What a statement gives.

        Raises:
            PermissionError: with what the engine says.

        """
        answer = self._ask({"sql": sql, "user": user})
        if "error" in answer:
            raise PermissionError(answer["error"])
        return cast("list[dict[str, Any]]", answer["rows"])

    def reads(self, statement: str) -> str:
        """Why the engine does not parse a statement; empty if it does."""
        return str(self._ask({"parse": statement}).get("error", ""))

    def _ask(self, request: Mapping[str, str]) -> dict[str, Any]:
        stdin, stdout = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        return cast("dict[str, Any]", json.loads(stdout.readline()))


@contextmanager
def engine(folder: Path, accounts: Mapping[str, Iterable[str]]) -> Iterator[Accounts]:
    """An engine with all tables and views, and with these accounts."""
    users, config = folder / "users.xml", folder / "config.xml"
    users.write_text(users_file(accounts), "utf-8")
    config.write_text(
        f"<clickhouse><users_config>{users}</users_config><user_directories><users_xml>"
        f"<path>{users}</path></users_xml></user_directories></clickhouse>"
    )
    command = [sys.executable, "-m", "tests.sinks.accounts", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Accounts(process)
        finally:
            cast("IO[str]", process.stdin).close()
            process.wait(30)


# ---------------------------------------------------------------- the process


def serve(folder: Path) -> None:
    """Answer requests until there are no more."""
    from chdb.session import Session  # noqa: PLC0415  # an engine is a process of its own

    opened = cast("Callable[[str], Any]", Session)  # it ships no types
    session = opened(f"{folder / 'data'}?config-file={folder / 'config.xml'}")

    def query(sql: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        answer = str(session.query(sql, "JSONEachRow", params=dict(params or {})))
        return [json.loads(line) for line in answer.splitlines()]

    migrate(_client(query), DATABASE, definer=OWNER)
    query("CREATE DATABASE IF NOT EXISTS asked")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "parse" in request:
                query(f"EXPLAIN AST {request['parse']}", {"password": "x"})
                answer: dict[str, Any] = {}
            elif request["user"]:
                made = f"CREATE OR REPLACE VIEW asked.{request['user']} DEFINER = {request['user']}"
                query(f"{made} SQL SECURITY DEFINER AS {request['sql']}")
                answer = {"rows": query(f"SELECT * FROM asked.{request['user']}")}  # noqa: S608  # ours
            else:
                answer = {"rows": query(request["sql"])}
        except Exception as error:  # noqa: BLE001  # whatever the engine raises is the answer
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)  # noqa: T201  # it is asked over a pipe


def _client(query: Any) -> Client:  # noqa: ANN401  # the function above
    """What migrations need of a client."""

    def asked(sql: str) -> SimpleNamespace:
        found = query(sql)
        return SimpleNamespace(
            result_rows=[tuple(row.values()) for row in found],
            column_names=tuple(found[0]) if found else (),
        )

    def insert(table: str, data: list[list[Any]], column_names: list[str]) -> None:
        rows = (dict(zip(column_names, row, strict=True)) for row in data)
        lines = "\n".join(json.dumps(row, default=str) for row in rows)
        query(f"INSERT INTO {table} FORMAT JSONEachRow {lines}")

    return cast("Client", SimpleNamespace(command=query, query=asked, insert=insert))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
