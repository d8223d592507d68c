"""Commands of `kol`, each run in a forked process that has most modules imported.

Most of a short command's time goes into importing clients of broker and engine, and what uses
them. Here a server imports those once and forks a process for each command, which then imports
the command line and runs as `python -m streams.cli` does: the command line looks at its terminal
when it is imported, the rest at nothing. A test of the start itself runs that instead.
"""

import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path

PACKAGES = (
    *("aiokafka", "aiokafka.admin", "clickhouse_connect", "clickhouse_connect.driver.client"),
    *("kafka", "kafka.admin", "lz4.frame", "msgspec", "numpy", "pydantic_settings"),
    *("rich.live", "rich.progress", "rich.table", "typer", "xxhash"),
)
OPERATIONS = tuple(
    f"streams.operations.{name}"
    for name in (
        *("demo", "dlq.retry", "doctor.facts", "explain", "forget.erase", "ingest.check"),
        *("ingest.send", "leaderboard", "replay.run", "replay.swap", "stack", "status"),
    )
)
# elsewhere forking after many imports is not safe: each command then imports everything itself
_processes: ForkServerContext | SpawnContext = (
    get_context("forkserver") if sys.platform == "linux" else get_context("spawn")
)
_processes.set_forkserver_preload([*PACKAGES, *OPERATIONS])
_one_at_a_time = threading.Lock()  # a process that starts or ends looks at all others


def command(
    *words: str, home: Path, env: Mapping[str, str] | None = None, seconds: float = 240.0
) -> subprocess.CompletedProcess[str]:
    """Run `kol` with these words and a home; gives its exit code and its output.

    Args:
        words: of the command, without `--home`.
        home: the folder of the stack.
        env: added to our own environment.
        seconds: after which it is killed.

    Raises:
        TimeoutExpired: it was killed.

    """
    line = [*words, "--home", str(home)]
    with tempfile.TemporaryDirectory(prefix="kol-output-") as folder:
        outputs = Path(folder) / "out", Path(folder) / "err"
        process = _processes.Process(
            target=_run, args=(line, {**os.environ, **(env or {})}, outputs)
        )
        with _one_at_a_time:
            process.start()
        late = True
        try:
            late = not wait([process.sentinel], seconds)
        finally:
            with _one_at_a_time:
                if late:
                    process.kill()
                process.join()
                code = process.exitcode
                process.close()
        out, err = (path.read_text() if path.exists() else "" for path in outputs)
    if late or code is None:
        raise subprocess.TimeoutExpired(line, seconds, out, err)
    return subprocess.CompletedProcess(line, code, out, err)


def _run(line: Sequence[str], env: Mapping[str, str], outputs: tuple[Path, Path]) -> None:
    """Become that command, with its arguments, its environment and its output files."""
    for descriptor, path in enumerate(outputs, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["kol", *line]
    runpy.run_module("streams.cli", run_name="__main__")
