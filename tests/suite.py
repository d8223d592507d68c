"""Every test: those without broker and engine run beside the others, in the time these wait.

    python -m tests.suite [ARGUMENTS OF PYTEST]

Tests on the real broker and engine wait for other processes most of the time. The rest needs one
core, measures no time, and yields to them by its niceness. Within a group tests run one after
the other. With arguments, which choose some of the tests, there is a single group.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

NICENESS = 5  # more than that of a normal process: a third of its weight, so it is never starved
PYTEST = (sys.executable, "-m", "pytest", "-q", "--durations=12")


def side_by_side(shown: Sequence[str], beside: Sequence[str]) -> int:
    """The first exit code that is not 0 of two commands run at once, or 0.

    Args:
        shown: prints as it runs.
        beside: yields to the former; what it prints comes at the end.

    """
    with tempfile.TemporaryFile() as output:
        nice = ["nice", "-n", str(NICENESS)]
        with subprocess.Popen([*nice, *beside], stdout=output, stderr=output) as second:
            codes = subprocess.call(shown), second.wait()
        output.seek(0)
        sys.stdout.write(output.read().decode(errors="replace"))
        sys.stdout.flush()
    return next((code for code in codes if code), 0)


def main(arguments: Sequence[str]) -> int:
    """Run all tests, or those that the arguments choose; the exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)  # pytest gets it as well, and ends in order
    if arguments:
        return subprocess.call([*PYTEST, *arguments])
    return side_by_side([*PYTEST, "-m", "integration"], [*PYTEST, "-m", "not integration"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
