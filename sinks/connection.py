"""Connections to ClickHouse over HTTP, and inserts through them."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import cramjam
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from schemas.rows import TABLES, Rows
from sinks.native import block

INSERT_SETTINGS: Mapping[str, Any] = {
    "async_insert": 0,  # the answer means the rows are in; since 26.2 the server's default is 1
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}

LZ4 = "lz4"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Address of a ClickHouse server, with database and credentials."""

    host: str = "127.0.0.1"
    port: int = 8123
    database: str = "kol"
    username: str = "default"
    password: str = field(default="", repr=False)
    secure: bool = False
    ca_file: Path | None = None
    connect_seconds: float = 5.0
    insert_seconds: float = 60.0

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, where compression costs more than it saves."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


def connect(settings: ConnectionSettings, *, database: str | None = None) -> Client:
    """Open a client that threads can share: no session, times with their zone.

    Args:
        settings: where, and as whom.
        database: instead of that of `settings`; empty: the default of the user, so that one
            can connect before the database is created.

    """
    silence_loggers()
    chosen = settings.database if database is None else database
    return clickhouse_connect.get_client(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password,
        secure=settings.secure,
        ca_cert=str(settings.ca_file) if settings.ca_file else None,
        database=chosen or None,
        compress=False if settings.is_local else LZ4,
        connect_timeout=settings.connect_seconds,
        send_receive_timeout=settings.insert_seconds,
        autogenerate_session_id=False,
        tz_mode="aware",
        query_limit=0,
        client_name="kol",
    )


def _lz4(body: bytes) -> bytes:
    """A frame of the body, quickly compressed; our client compresses what it has encoded alone."""
    return bytes(cramjam.lz4.compress(body, level=1))


def silence_loggers() -> None:
    """Keep the client from logging values of rows, and each lost connection."""
    for name in ("driver.transform", "driver._backend.http_sync", "driver.httpclient"):
        logging.getLogger(f"clickhouse_connect.{name}").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


class HttpInserter:
    """Inserts through one client that threads share; it connects with the first insert."""

    def __init__(self, open_client: Callable[[], Client], settings: Mapping[str, Any]) -> None:
        self._open = open_client
        self._settings = {**INSERT_SETTINGS, **settings}
        self._client: Client | None = None
        self._lock = threading.Lock()

    def __call__(self, rows: Rows, token: str) -> None:
        """Insert rows; blocks until the server has answered."""
        body = block(rows)
        client = self._connected()
        client.raw_insert(
            rows.table,
            column_names=list(TABLES[rows.table].columns),
            insert_block=_lz4(body) if client.write_compression else body,
            fmt="Native",
            compression=client.write_compression,
            settings={**self._settings, "insert_deduplication_token": token},
        )

    def open(self) -> None:
        """Connect, if not yet done; blocks."""
        self._connected()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        try:
            return self._open()
        except (ClickHouseError, OSError):
            raise
        except Exception as error:  # something answers that is no ClickHouse: not the rows' fault
            raise OperationalError(f"no ClickHouse answers: {type(error).__name__}") from error
