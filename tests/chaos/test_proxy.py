"""A proxy passes bytes on as they are, or treats its connections as badly as it is told."""

import socket
import threading
from collections.abc import Iterator

import pytest

from deploy.embedded import ports
from tests.chaos.proxy import Mood, Proxy, proxied

PATIENCE = 10.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of somebody who says everything back."""
    with socket.create_server((ports.HOST, 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(peer,), daemon=True).start()


def _echo(peer: socket.socket) -> None:
    with peer:
        try:
            while said := peer.recv(4096):
                peer.sendall(said)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    """A fair proxy in front of the echo."""
    with proxied(echo) as made:
        yield made


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection((ports.HOST, proxy.port), PATIENCE)


def _said(peer: socket.socket, what: bytes) -> bytes:
    peer.sendall(what)
    return peer.recv(len(what))


def test_a_fair_proxy_passes_bytes_both_ways(proxy: Proxy) -> None:
    with _connected(proxy) as peer:
        assert _said(peer, b"hello") == b"hello"


def test_cut_connections_end_and_new_ones_are_welcome(proxy: Proxy) -> None:
    with _connected(proxy) as peer:
        assert _said(peer, b"a") == b"a"
        proxy.cut()
        assert _ended(peer)
    with _connected(proxy) as peer:
        assert _said(peer, b"b") == b"b"


def test_slow_connections_bring_everything(proxy: Proxy) -> None:
    proxy.treat(Mood.SLOW)
    with _connected(proxy) as peer:
        assert _said(peer, b"late") == b"late"


def test_silent_connections_bring_what_was_held_once_they_are_fair(proxy: Proxy) -> None:
    with _connected(proxy) as peer:
        assert _said(peer, b"a") == b"a"
        proxy.treat(Mood.SILENT)
        peer.sendall(b"held")
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.recv(4)
        peer.settimeout(PATIENCE)
        proxy.treat(Mood.FAIR)
        assert peer.recv(4) == b"held"


def test_refused_connections_end_at_once(proxy: Proxy) -> None:
    with _connected(proxy) as peer:
        assert _said(peer, b"a") == b"a"
        proxy.treat(Mood.REFUSING)
        assert _ended(peer)
    with _connected(proxy) as peer:
        assert _ended(peer)


def test_a_target_that_is_away_ends_the_connection() -> None:
    (nobody,) = ports.free(0)
    with proxied(nobody) as made, _connected(made) as peer:
        assert _ended(peer)


def _ended(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionError:
        return True


def test_a_failing_proxy_answers_every_request_with_an_error_of_the_server(proxy: Proxy) -> None:
    proxy.treat(Mood.FAILING)
    with _connected(proxy) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: peer.recv(4096), b""))

    head, body = said.split(b"\r\n\r\n")

    assert b"X-ClickHouse-Exception-Code: 202" in head
    assert b"Content-Length: %d" % len(body) in head
