"""What a request asks for beside its statement: database, settings, parameters, session."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import uuid4

from deploy.embedded.gateway.blocks import METHODS
from deploy.embedded.gateway.errors import Code, refusal

# Words of the HTTP interface itself; all others in the URL are settings of the engine.
WORDS = frozenset(
    {
        "query", "database", "user", "password", "default_format", "query_id", "session_id",
        "session_timeout", "session_check", "quota_key", "role", "compress", "decompress",
        "wait_end_of_query", "buffer_size", "client_protocol_version", "enable_http_compression",
        "http_zlib_compression_level", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "add_http_cors_header", "readonly",
        "cancel_http_readonly_queries_on_client_close", "network_compression_method",
        "network_zstd_compression_level",
    }
)  # fmt: skip
LONGEST_SESSION = 3600.0  # seconds without a request; a server's max_session_timeout
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Session:
    """A session a client wants to be in."""

    name: str
    timeout: float  # seconds without a request until it ends
    must_exist: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """The URL and headers of one request, read once."""

    query: str
    query_id: str
    database: str
    format: str  # of the answer, when the statement names none
    settings: Mapping[str, str]
    params: Mapping[str, str]
    session: Session | None
    whole: bool  # the answer waits for the end of the query
    accepted: str  # encodings of the answer
    blocks: str  # method of the compressed blocks of the answer; empty: no blocks
    in_blocks: bool  # the body is compressed blocks
    greets: bool  # a client that speaks of a protocol version
    readonly: bool  # an admin who wants to be treated as a reader


def ask(url: Mapping[str, str], headers: Mapping[str, str], known: Collection[str]) -> Ask:
    """Read the URL and the headers, given the names of all the engine's settings.

    Raises:
        Refusal: an unknown setting, a bad session, a method of compression that is not spoken.

    """
    plain = {name: value for name, value in url.items() if name not in WORDS}
    settings = {name: value for name, value in plain.items() if not name.startswith("param_")}
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        raise refusal(Code.UNKNOWN_SETTING, f"Unknown setting '{unknown}'")
    return Ask(
        query=url.get("query", ""),
        query_id=_query_id(url.get("query_id", "")),
        database=url.get("database") or headers.get("X-ClickHouse-Database", ""),
        format=url.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        settings=settings,
        params={
            name.removeprefix("param_"): value
            for name, value in plain.items()
            if name.startswith("param_")
        },
        session=_session(url),
        whole=url.get("wait_end_of_query", "0") != "0",
        accepted=_accepted(url, headers),
        blocks=_blocks(url),
        in_blocks=url.get("decompress", "0") != "0",
        greets=url.get("client_protocol_version", "0") != "0",
        readonly=url.get("readonly", "0") != "0",
    )


def _query_id(told: str) -> str:
    """The client's own id if it can stand in a header and a log line, else a new one."""
    return told if _PRINTABLE.fullmatch(told) else str(uuid4())


def _accepted(url: Mapping[str, str], headers: Mapping[str, str]) -> str:
    return headers.get("Accept-Encoding", "") if url.get("enable_http_compression") != "0" else ""


def _blocks(url: Mapping[str, str]) -> str:
    """The method of an answer's compressed blocks, as a server chooses it."""
    if url.get("compress", "0") == "0":
        return ""
    method = url.get("network_compression_method", "LZ4").upper()
    if method not in METHODS:
        raise refusal(Code.NOT_IMPLEMENTED, f"network_compression_method {method} is not spoken")
    return method


def _session(url: Mapping[str, str]) -> Session | None:
    name = url.get("session_id", "")
    if not name:
        return None
    try:
        timeout = float(url.get("session_timeout", "60"))
    except ValueError as error:
        raise refusal(Code.BAD_ARGUMENTS, "session_timeout is not a number") from error
    if not 0 <= timeout <= LONGEST_SESSION:
        why = f"session_timeout is not between 0 and {LONGEST_SESSION:g} seconds"
        raise refusal(Code.BAD_ARGUMENTS, why)
    return Session(name, timeout, url.get("session_check", "0") != "0")
