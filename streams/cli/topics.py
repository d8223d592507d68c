"""`kol topics`: create missing topics, check the others."""

import typer

from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import out, print_json


def topics(*, home: Home = HOME, as_json: Json = False) -> None:
    """Create missing topics, and check partitions and settings of the others."""
    from streams.clients.kafka_admin import adopt_topics, kafka_admin
    from streams.settings import load

    use_home(home)
    kafka = load(("kafka",)).kafka
    with kafka_admin(kafka) as broker:
        adopt_topics(broker, kafka.partitions)
        created = broker.create()
        differences = broker.differences()
    if as_json:
        print_json(
            {"created": created, "differences": [f"{d.topic} {d.what}" for d in differences]}
        )
    else:
        out.print(f"{len(created)} topics created, {len(differences)} with differences")
        for difference in differences:
            out.print(f"  {difference.topic} {difference.what}")
    if any(difference.fatal for difference in differences):
        raise typer.Exit(FAILED)
