"""`kol migrate`: create the tables and views of this version."""

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json


def migrate(*, home: Home = HOME, as_json: Json = False) -> None:
    """Create the tables and views of this version; safe to run again."""
    from sinks.migrate import migrate as apply_migrations
    from streams.clients.clickhouse import connect
    from streams.settings import load

    use_home(home)
    settings = load(("clickhouse",))
    conf = settings.clickhouse
    client = connect(conf, database="")
    done = apply_migrations(
        client,
        conf.database,
        cluster=conf.cluster,
        definer=conf.definer,
        currency=settings.currency,
        zone=settings.business_zone,
    )
    if as_json:
        print_json({"applied": done})
    else:
        out.print(f"{len(done)} migrations applied" if done else "nothing to do")
