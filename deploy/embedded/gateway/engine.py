"""The embedded engine, chDB: the one file that knows it.

The library ships no types, so its objects pass through here as protocols. Two of its names are
private (`_conn`, `classify_query`): chdb-core is pinned, and the contract suite would notice.

Facts this file lives with: one process per path; a child of `fork` hangs, so nothing here forks;
a handle costs 0.1 ms and keeps what is SET on it, so every request has its own; queries cannot be
cancelled from outside, so every handle gets a time limit.
"""

import fcntl
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from deploy.embedded.gateway.errors import Code, from_engine, from_fault, refusal
from deploy.embedded.gateway.statement import Insert

CACHE_BYTES = 256 << 20  # each of the three caches below; the engine's own default is 5 GiB
OPEN_FILES = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"
_CACHES = ("mark_cache_size", "index_mark_cache_size", "primary_index_cache_size")


class PathHeldError(RuntimeError):
    """Another process has the engine's directory open."""


class _Result(Protocol):
    """A finished query, or one piece of a streamed one."""

    def bytes(self) -> bytes | None: ...
    def rows_read(self) -> int: ...
    def storage_rows_read(self) -> int: ...
    def storage_bytes_read(self) -> int: ...
    def rows_written(self) -> int: ...
    def bytes_written(self) -> int: ...


class _Stream(Protocol):
    def __iter__(self) -> Iterator[_Result]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Written:
    """What an INSERT wrote, materialized views included."""

    rows_written: int
    bytes_written: int


class _Connection(Protocol):
    # Any: the private connection below the public one has no types at all
    _conn: Any

    def query(self, query: str | bytes, format: str, params: Mapping[str, str]) -> _Result: ...  # noqa: A002  # the library's name
    def send_query(self, query: str | bytes, format: str, params: Mapping[str, str]) -> _Stream: ...  # noqa: A002  # the library's name
    def close(self) -> None: ...


@contextmanager
def _its_errors() -> Iterator[None]:
    """Say the library's errors, and those of the disk, as refusals."""
    try:
        yield
    except RuntimeError as error:
        raise from_engine(error) from error
    except OSError as error:
        raise from_fault(error) from error


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine's parser makes of a text, without running it."""

    reads_only: bool
    statements: int  # 0 = it does not parse


@dataclass(frozen=True, slots=True)
class Result:
    """The whole answer to a query."""

    data: bytes
    rows: int  # read from tables
    bytes: int  # read from tables
    result_rows: int  # of the answer


class Chunks:
    """The answer to a query, piece by piece."""

    def __init__(self, stream: _Stream) -> None:
        """Take a stream that nothing has been read from."""
        self._stream = stream
        self._pieces = iter(stream)

    def next(self) -> bytes | None:
        """The next piece, None after the last one; O(rows of one block).

        Raises:
            Refusal: the query failed, perhaps after many good pieces.

        """
        with _its_errors():
            piece = next(self._pieces, None)
            return None if piece is None else piece.bytes() or b""

    def close(self) -> None:
        """Stop the query, if it still runs."""
        with _its_errors():
            self._stream.close()


class Intake:
    """An INSERT that takes its rows piece by piece; nothing is written before `finish`.

    The rows wait in a file without a name and run as one statement. Neither of the library's own
    ways will do: its streaming insert (`send_insert`) reports rows as written when the engine
    refuses them at the end, be it for too many partitions, a constraint or a view that throws; and
    rows inside the text of a query end at the first empty line.
    """

    def __init__(
        self, raw: _Connection, insert: Insert, params: Mapping[str, str], folder: Path
    ) -> None:
        """Take an insert, and the folder its rows may wait in."""
        self._raw = raw
        self._insert = insert
        self._params = params
        with _its_errors():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # open until `finish`

    def append(self, piece: bytes) -> None:
        """Keep the next bytes.

        Raises:
            Refusal: the disk is full.

        """
        with _its_errors():
            self._file.write(piece)

    def finish(self) -> Written:
        """Write the rows; after this they are on disk or the refusal says why not.

        More than about a million rows, or 256 MB, are written in parts, as a server does.

        Raises:
            Refusal: no such table, column or format, or rows the engine does not take.

        """
        with _its_errors():
            self._file.flush()
            self._file.seek(0)  # where opening /dev/fd shares the position
            name = quoted(f"{OPEN_FILES}/{self._file.fileno()}").encode()
            form = named(self._insert.format).encode()
            clauses = (self._insert.head, b"FROM INFILE " + name, self._insert.settings)
            sql = b"\n".join((*clauses, b"FORMAT " + form))
            done = self._raw.query(sql, "TabSeparated", self._params)
            return Written(done.rows_written(), done.bytes_written())

    def close(self) -> None:
        """Forget the rows."""
        self._file.close()


class Handle:
    """One connection to the engine; used by one thread at a time."""

    def __init__(self, raw: _Connection, folder: Path) -> None:
        """Take an open connection, and a folder for rows on their way."""
        self._raw = raw
        self._folder = folder

    def use(self, database: str) -> None:
        """Make a database the current one.

        Raises:
            Refusal: there is no such database.

        """
        self.run(f"USE {named(database)}")

    def set(self, settings: Mapping[str, str]) -> None:
        """Set settings of the engine.

        Raises:
            Refusal: a value it does not take.

        """
        if settings:
            pairs = (f"{name} = {quoted(value)}" for name, value in settings.items())
            self.run(f"SET {', '.join(pairs)}")

    def values(self, settings: Iterable[str]) -> tuple[str, dict[str, str]]:
        """The current database and the values of settings, to be SET again later."""
        names = list(settings)
        values = (f"toString(getSetting({quoted(name)}))" for name in names)
        query = f"SELECT {', '.join(['currentDatabase()', *values])}"
        found: list[str] = json.loads(self.run(query, "JSONCompactEachRow").data)
        return found[0], dict(zip(names, found[1:], strict=True))

    def rows(self, sql: str, params: Mapping[str, str] | None = None) -> list[list[str]]:
        """A small result as text, without tabs or line ends in it.

        Raises:
            Refusal: the query failed.

        """
        text = self.run(sql, "TSVRaw", params).data.decode()
        return [line.split("\t") for line in text.splitlines()]

    def run(
        self, sql: str | bytes, form: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Result:
        """Run a statement to its end.

        Raises:
            Refusal: it failed.

        """
        with _its_errors():
            found = self._raw.query(sql, form, params or {})
            read, size = found.storage_rows_read(), found.storage_bytes_read()
            return Result(found.bytes() or b"", read, size, found.rows_read())

    def stream(self, sql: str | bytes, form: str, params: Mapping[str, str]) -> Chunks:
        """Start a SELECT whose answer comes in pieces.

        Raises:
            Refusal: it cannot be started.

        """
        with _its_errors():
            return Chunks(self._raw.send_query(sql, form, params))

    def insert(self, insert: Insert, params: Mapping[str, str]) -> Intake:
        """Start an INSERT whose rows are still to come."""
        return Intake(self._raw, insert, params, self._folder)

    def verdict(self, sql: bytes, database: str) -> Verdict:
        """What the engine's own parser says about a text."""
        found = self._raw._conn.classify_query(sql, database)  # noqa: SLF001  # pinned, see above
        return Verdict(found["query_class"].name == "READ_ONLY", int(found["statement_count"]))

    def rewritten(self, sql: str) -> str:
        r"""One statement as the engine's parser understood it, in plain spelling.

        Without comments; names unquoted where they can be, without escapes; strings in single
        quotes. So `f\x69le` in any quotes comes out as file.

        Raises:
            Refusal: it does not parse.

        """
        escaped = sql.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        with _its_errors():
            query = "SELECT formatQuerySingleLine({sql:String})"
            return (self._raw.query(query, "TSVRaw", {"sql": escaped}).bytes() or b"").decode()

    def close(self) -> None:
        """Give it back to the engine, with everything SET and temporary on it."""
        with _its_errors():
            self._raw.close()


class Engine:
    """The engine on one directory, alive until `close`."""

    def __init__(self, path: Path, memory: int) -> None:
        """Open a directory, or make it; at most this many bytes of memory for everything.

        Raises:
            PathHeldError: another process has it.
            Refusal: the engine does not start.

        """
        options = dict.fromkeys(_CACHES, CACHE_BYTES) | {"max_server_memory_usage": memory}
        given = "&".join(f"{name}={value}" for name, value in options.items())
        self._connect = _library()
        self._folder = path
        self._address = f"{path}?{given}"
        try:
            self._root = self.open()  # the engine lives as long as one handle does
        except RuntimeError as error:
            raise _held(path) or error from error
        self._databases()
        (self.version, self.timezone), *_ = self._root.rows("SELECT version(), timezone()")
        settings = self._root.rows("SELECT name FROM system.settings")
        self.settings = frozenset(name for (name,) in settings)
        functions = self._root.rows("SELECT lower(name) FROM system.table_functions")
        self.table_functions = frozenset(name for (name,) in functions)

    def open(self) -> Handle:
        """A new handle, with nothing set on it."""
        return Handle(self._connect(self._address), self._folder)

    def close(self) -> None:
        """Stop the engine."""
        self._root.close()

    def _databases(self) -> None:
        """Have `default` and `kol` as Atomic databases.

        At every start the library lays an Overlay over `default`, in which each file of the
        machine is a table. When tables lie beneath, detaching it and attaching them keeps them,
        where dropping it would drop them; without tables only dropping works.
        """
        engines = dict(self._root.rows("SELECT name, engine FROM system.databases"))
        if engines.get("default") == "Overlay" and self._root.rows("SHOW TABLES FROM default"):
            self._root.run("DETACH DATABASE default")
            self._root.run("ATTACH DATABASE default")
        elif engines.get("default") == "Overlay":
            self._root.run("DROP DATABASE default")
        for name in ("default", "kol"):
            self._root.run(f"CREATE DATABASE IF NOT EXISTS {name} ENGINE = Atomic")


def _library() -> Callable[[str], _Connection]:
    """How to connect; loading the library starts threads of its own.

    It would load pyarrow too, if that is there: 40 MB that nothing here needs. A module that is
    None counts as missing.
    """
    hidden = "pyarrow" not in sys.modules
    if hidden:
        sys.modules["pyarrow"] = None  # type: ignore[assignment]  # see above
    try:
        from chdb.state.sqlitelike import connect  # noqa: PLC0415  # see above
    finally:
        if hidden:
            del sys.modules["pyarrow"]
    return cast("Callable[[str], _Connection]", connect)


def _held(path: Path) -> PathHeldError | None:
    """Why a directory cannot be opened, when it is because another process has it."""
    status = path / "status"
    try:
        with status.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = status.read_text().partition("\n")[0]
        return PathHeldError(f"{path} is held by another process ({holder})")
    except OSError:
        return None
    return None


def quoted(value: str) -> str:
    r"""A string literal.

    >>> print(quoted("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def named(name: str) -> str:
    r"""A quoted name.

    >>> print(named("a`b"))
    `a\`b`

    Raises:
        Refusal: no name at all.

    """
    if not name:
        raise refusal(Code.BAD_ARGUMENTS, "a name is empty")
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
