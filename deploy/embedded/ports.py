"""A port to listen on: the preferred one if it is free, else a spare one, on loopback.

Spare ports lie below the range from which kernels give ports to outgoing connections:
there, a client that keeps asking for a broker which is just restarting can be given the
broker's own port as *its* end, gets connected to itself, and the broker cannot come back.

A port that was given stays this process's until it ends, also while nobody listens on it:
a broker that is just restarting must not find another stack's in its place, or its clients
would send their events there.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"
SPARE = range(20_000, 30_000)  # Linux hands out 32768 to 60999, macOS from 49152
CONNECT_SECONDS = 0.2  # on loopback whoever listens answers at once
MAX_TRIES = 100

_reserved: dict[int, int] = {}  # port -> the open file whose lock says that it is ours


def free(*preferred: int) -> list[int]:
    """One free port for each preferred one (0: any), all different.

    Raises:
        OSError: every spare port that was tried is taken.

    """
    with ExitStack() as bound_ports:  # so that the next one is another one
        return [_free_port(port, bound_ports) for port in preferred]


def _free_port(preferred: int, bound_ports: ExitStack) -> int:
    spare = random.sample(SPARE, MAX_TRIES)  # two who look at once must not try the same ones
    for port in [preferred, *spare] if preferred else spare:
        bound = _bind(port)
        if bound is not None and _reserve(port):
            bound_ports.enter_context(bound)
            return port
        if bound is not None:
            bound.close()
    raise OSError(errno.EADDRINUSE, f"no free port between {SPARE.start} and {SPARE.stop}")


def _reserve(port: int) -> bool:
    """Reserve a port for this process; False if another living process has reserved it."""
    if port in _reserved:
        return True
    folder = Path(tempfile.gettempdir()) / f"kol-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _reserved[port] = file
    return True


def _bind(port: int) -> socket.socket | None:
    """A socket that is bound to the port; None if another process uses it."""
    with socket.socket() as caller:
        caller.settimeout(CONNECT_SECONDS)
        if caller.connect_ex((HOST, port)) == 0:
            return None  # BSD kernels let us bind beside one who listens on all addresses
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ended connections linger
    try:
        bound.bind((HOST, port))
        bound.listen()  # else a second one could be bound there too
    except OSError:
        bound.close()
        return None
    return bound
