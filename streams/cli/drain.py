"""`kol drain`: wait until everything sent so far is in ClickHouse, in a snapshot, in roll-ups."""

from streams.cli.options import HOME, Home, Json, Timeout, use_home
from streams.cli.screen import out, print_json, print_notice, progress


def drain(*, timeout: Timeout = 600.0, home: Home = HOME, as_json: Json = False) -> None:
    """Wait until everything sent so far is read, written to ClickHouse and in a snapshot.

    Where a trainer runs, roll-ups by hour and day are up to date then, too, and reference topics
    are in their tables.
    """
    from streams.clients.kafka_admin import OUTAGE_SECONDS, kafka_admin
    from streams.operations import drain as operation
    from streams.operations.settling import settle
    from streams.settings import load

    use_home(home)
    settings = load(("kafka",))
    with progress() as bar, kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        task = bar.add_task("draining", total=None)

        counts = {"left": 0, "held": 0}

        def show(**changed: int) -> None:
            counts.update(changed)
            held = f", {counts['held']} held back by a transaction" if counts["held"] else ""
            bar.update(task, description=f"{counts['left']} messages to go{held}")

        observer = operation.Observer(
            lambda left: show(left=left),
            print_notice,
            lambda step: bar.update(task, description=step),
            lambda held: show(held=held),
        )
        deadline = observer.clock() + timeout
        operation.drain(broker, settings.app_id, timeout, observer)
        rolled_up = settle(broker, settings, deadline - observer.clock(), observer)
    if as_json:
        print_json({"drained": True, "rolled_up": rolled_up})
    else:
        days = "are up to date" if rolled_up else "stay as they are"
        out.print(f"everything read; hours and days {days}")
