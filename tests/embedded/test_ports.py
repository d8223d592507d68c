import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.embedded import ports
from deploy.embedded.ports import HOST, SPARE, free


@pytest.fixture
def used() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_wanted_port_that_is_free_is_given() -> None:
    [port] = free(0)

    assert free(port) == [port]


def test_a_port_in_use_is_avoided(used: int) -> None:
    [port] = free(used)

    assert port != used
    assert port in SPARE


def test_a_port_of_somebody_who_listens_on_all_addresses_is_avoided() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  # that is the case
        used = server.getsockname()[1]

        assert free(used) != [used]


def test_ports_of_one_call_are_different() -> None:
    [preferred] = free(0)

    assert len(set(free(preferred, preferred, 0, 0))) == 4


def test_a_port_with_lingering_connections_is_free() -> None:
    server = socket.create_server((HOST, 0))
    port = server.getsockname()[1]
    client = socket.create_connection((HOST, port))
    accepted, _ = server.accept()
    accepted.close()  # the first to close is the one who lingers
    client.close()
    server.close()

    assert free(port) == [port]


def test_spare_ports_are_none_that_a_kernel_gives_to_clients() -> None:
    with socket.create_server((HOST, 0)) as server:
        given = server.getsockname()[1]

    assert given not in SPARE


def test_no_port_at_all_is_an_error(used: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "SPARE", range(used, used + 1))
    monkeypatch.setattr(ports, "MAX_TRIES", 1)

    with pytest.raises(OSError, match="no free port"):
        free(0)


def test_a_port_somebody_holds_without_listening_is_avoided() -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        held = holder.getsockname()[1]

        assert free(held) != [held]


def test_a_port_that_a_living_process_was_given_is_avoided_while_nobody_listens() -> None:
    ask = "from deploy.embedded.ports import free; print(*free(0), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())

        while_alive = free(port)
        other.communicate("\n")

    assert while_alive != [port]
    assert free(port) == [port]
