"""Every test, in three groups that run beside each other.

    python -m tests.suite [ARGUMENTS OF PYTEST]

Tests on the real broker and engine wait for other processes most of the time: those of the whole
stack run beside those of its parts. The rest needs one core, measures no time, and yields to both
by its niceness. Within a group tests run one after the other. With arguments, which choose some of
the tests, there is a single group.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

NICENESS: Final = 5  # more than that of a normal process: a third of its weight, never starved
PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "--durations=12")
GROUPS: Final = ("integration and stack", "integration and not stack", "not integration")


def side_by_side(shown: Sequence[str], *beside: Sequence[str]) -> int:
    """The first exit code that is not 0 of some commands run at once, or 0.

    Args:
        shown: prints as it runs.
        beside: what they print comes at the end, in their order; the last one yields to all others.

    """
    nice = ["nice", "-n", str(NICENESS)]
    *equal, last = beside
    with ExitStack() as held:
        outputs = [held.enter_context(tempfile.TemporaryFile()) for _ in beside]
        others = [
            held.enter_context(subprocess.Popen(command, stdout=output, stderr=output))
            for command, output in zip([*equal, [*nice, *last]], outputs, strict=True)
        ]
        codes = [subprocess.call(shown), *(other.wait() for other in others)]
        for output in outputs:
            output.seek(0)
            sys.stdout.write(output.read().decode(errors="replace"))
        sys.stdout.flush()
    return next((code for code in codes if code), 0)


def main(arguments: Sequence[str]) -> int:
    """Run all tests, or those that the arguments choose; the exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)  # pytest gets it as well, and ends in order
    if arguments:
        return subprocess.call([*PYTEST, *arguments])
    return side_by_side(*([*PYTEST, "-m", group] for group in GROUPS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
