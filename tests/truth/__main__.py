"""Prove trust by a world in which it is known: a line for each target, and what was reached.

    python -m tests.truth                    # or `make truth`: the long world, minutes a seed
    python -m tests.truth --seed 4 --seed 5  # other worlds
    python -m tests.truth --short            # the short one, half a minute, as in `make test`
    python -m tests.truth --plain            # without the engine: numbers by plain sums
    python -m tests.truth --only gate        # lines whose name has the word

Each seed is a world of its own (`tests/worlds`): KOLs whose trust is known by dimension, raters
of whom one in ten is not honest, collapses, silences and attacks. Its messages go through both
sides of the product's core, its rows into the real engine; each midnight of the world the
trainer's own statements say what is known, and that holds from then on. Then what the product
says of KOLs is compared with what is true. Lines with `met` or `MISSED` have a target, the others
are reported. Several seeds are judged together in the end: a world has 1 000 KOLs, whose shares
are off by a point. `n` is KOL-days, KOLs or values. Exit code 1 if a target is missed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.bench import kol
from tests.embedded.gateway.running import gateway
from tests.truth.invariance import invariance
from tests.truth.lines import LINES, Line
from tests.truth.measure import LONG, SHORT, Form, Measured
from tests.truth.passage import TimedSides, passed
from tests.truth.plain import PlainTrainer
from tests.truth.raw import Counted
from tests.truth.trainer import EngineTrainer, Trainer
from tests.worlds.trust import CARDS

SEEDS: Final = (1, 2, 3)  # of the repository
TURNS: Final = "3"  # of the benchmark of cells


def measured(
    seed: int,
    form: Form,
    trainer: Callable[[TimedSides], Trainer],
    step: Callable[[], None] = lambda: None,
) -> Measured:
    """A world that went through the core.

    Args:
        seed: of the world.
        form: long or short.
        trainer: who says at night what is known.
        step: called after each day.

    """
    world = Counted(CARDS[form.name].varied(seed=seed))
    return Measured(
        form,
        passed(world, trainer, every=form.every, step=step),
        invariance(seed),
        1e3 * float(kol.figures(["--turns", TURNS])["both"]),
    )


@contextmanager
def trainers(*, plain: bool) -> Iterator[Callable[[TimedSides], Trainer]]:
    """Who makes trainers: on an engine of their own, or by plain sums."""
    if plain:
        yield lambda _: PlainTrainer()
        return
    with (
        tempfile.TemporaryDirectory(prefix="kol-truth-") as folder,
        gateway(Path(folder)) as server,
    ):
        yield lambda core: EngineTrainer(server, core.users[0].keyed_names)


def judged(lines: Sequence[Line], worlds: Sequence[Measured]) -> tuple[list[str], int]:
    """The lines of some worlds, judged together, and how many targets are missed."""
    seeds = ",".join(str(one.seed) for one in worlds)
    figures = [line.figure(worlds) for line in lines]
    words = [
        [
            {True: "met", False: "MISSED", None: ""}[figure.is_met],
            line.name,
            line.target,
            figure.reached,
            f"n {figure.n}",
            f"seed {seeds}",
            f"[{line.source}]",
        ]
        for line, figure in zip(lines, figures, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    texts = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in words]
    return texts, sum(figure.is_met is False for figure in figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lines; the exit code."""
    given = _parser().parse_args(arguments)
    form = SHORT if given.short else LONG
    lines = [line for line in LINES if given.only in line.name]
    seeds = given.seed or ([SEEDS[0]] if given.short else list(SEEDS))
    worlds: list[Measured] = []
    missed, began = 0, time.monotonic()
    with trainers(plain=given.plain) as trainer, _progress() as progress:
        for seed in seeds:
            task = progress.add_task(
                f"{form.name} world, seed {seed}", total=CARDS[form.name].days + 1
            )
            worlds.append(measured(seed, form, trainer, partial(progress.advance, task)))
            missed = _print(lines, worlds[-1:])
    if len(worlds) > 1:  # judged together: figures of one world are off by a point or two
        missed = _print(lines, worlds)
    seconds = time.monotonic() - began
    sys.stderr.write(f"· {missed} targets missed, {seconds:.0f} s\n")
    return 1 if missed else 0


def _print(lines: Sequence[Line], worlds: Sequence[Measured]) -> int:
    texts, missed = judged(lines, worlds)
    sys.stdout.write("\n".join([*texts, ""]) + "\n")
    sys.stdout.flush()
    return missed


def _progress() -> Progress:
    return Progress(
        TextColumn("· {task.description}"),
        BarColumn(),
        TextColumn("day {task.completed:.0f} of {task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _parser() -> argparse.ArgumentParser:
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.truth",
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=int, action="append", help=f"of a world; several are allowed (else {SEEDS})"
    )
    parser.add_argument("--short", action="store_true", help="the short world, of one seed")
    parser.add_argument(
        "--plain", action="store_true", help="numbers by plain sums: quick, without the engine"
    )
    parser.add_argument("--only", default="", metavar="WORD", help="lines whose name has it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
