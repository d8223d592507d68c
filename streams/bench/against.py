"""Two versions of the product by turns: is this one slower than another one?

The other is a checkout with an environment of its own. Both read the same topics of one broker and
write to one engine, each time from nothing: before every run the state, the offsets and the tables
of the run before are deleted, and the version that runs next makes its own. Bytecode of both is
compiled first. Each ratio is one of a pair of runs that follow each other, and the ceiling before
and after a pair tells whether it was disturbed.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from deploy.embedded.state_folder import StateFolder
from streams.bench.checkout import need_client
from streams.bench.machine import machine
from streams.bench.ours import OURS, Tree
from streams.bench.rounds import Rounds, measure_rounds, medians
from streams.bench.testbed import Bench, OnStep, Plan
from streams.bench.windows import MeasureError, Run
from streams.clients.clickhouse import ReadingError, connect, query

ROOMS: Final = ("schemas", "streams", "sinks", "deploy")
HERE, THERE = "this", "that"
CREDITS: Final = (
    "SELECT model, count() AS credits, sum(credit_cents) AS credit, sum(refunded_cents) AS refunded"
    " FROM v_order_credit GROUP BY model ORDER BY model"
)
DOORS: Final = (
    "SELECT topic, door, sum(n) AS messages FROM v_door WHERE kind != 'counter'"
    " GROUP BY topic, door ORDER BY topic, door"
)


def tree_at(folder: Path) -> Tree:
    """The version in a checkout.

    Raises:
        MeasureError: it is no checkout, or not set up.

    """
    python = folder / ".venv" / "bin" / "python"
    if not (folder / "streams" / "cli").is_dir():
        raise MeasureError(f"{folder} is no checkout: there is no streams/cli")
    if not python.exists():
        raise MeasureError(f"{folder} has no environment: run `make setup` there")
    return Tree(str(python.absolute()), folder.absolute())


def compare_trees(folder: StateFolder, plan: Plan, other: Path, on_step: OnStep) -> dict[str, Any]:
    """The report of this version and another one, measured on one stack in `folder`."""
    need_client()
    trees = {HERE: OURS, THERE: tree_at(other)}
    on_step("compiling bytecode")
    for tree in trees.values():
        _compile(tree)
    with Bench(folder, plan, on_step, has_trainer=False) as bed:
        bed.fill(plan.total)
        totals: dict[str, Any] = {}
        systems = {name: _measure(bed, tree, name, totals) for name, tree in trees.items()}
        watched = {"client": bed.ceiling("client")}
        rounds = measure_rounds(systems, watched, plan.rounds, on_step)
        return _report(rounds, bed, totals, other)


def _compile(tree: Tree) -> None:
    """Compile what is not yet compiled; in an installed product there is nothing to do."""
    rooms = [room for room in ROOMS if (tree.folder / room).is_dir()]
    words = [tree.python, "-m", "compileall", "-q", *rooms]
    subprocess.run(words, cwd=tree.folder, check=False, capture_output=True)


def _measure(bed: Bench, tree: Tree, name: str, totals: dict[str, Any]) -> Callable[[], Run]:
    """A run of one version on empty tables; its totals are put into `totals`."""

    def measure() -> Run:
        place, settings = bed.place(), bed.settings
        place.delete_app()
        client = connect(settings.clickhouse, database="")
        client.command(f"DROP DATABASE IF EXISTS {settings.clickhouse.database}")
        client.close()
        for command in ("topics", "migrate"):
            tree.run(command, env=bed.env)
        run = place.measure(bed.plan.warm, bed.plan.total, bed.pids, tree=tree)
        totals[name] = _totals(bed)
        return run

    return measure


def _totals(bed: Bench) -> list[Any]:
    client = connect(bed.settings.clickhouse)
    try:
        return [[dict(row) for row in query(client, sql, {})] for sql in (CREDITS, DOORS)]
    except ReadingError as error:  # a version without these views
        return [str(error)]
    finally:
        client.close()


def _report(rounds: Rounds, bed: Bench, totals: dict[str, Any], other: Path) -> dict[str, Any]:
    runs = rounds.runs
    return {
        "against": str(other),
        "ratio": rounds.ratio(HERE, THERE).as_dict(),
        "cpu_us_per_event": {name: rounds.cost(name).as_dict() for name in runs},
        "events_per_second": medians(runs, "events_per_second"),
        "same_totals": totals[HERE] == totals[THERE],
        "runs": runs,
        **rounds.as_dict(),
        "input": {"events": bed.messages.count, "sha256": bed.messages.sha256},
        "machine": machine(),
    }
