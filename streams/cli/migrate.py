"""`kol migrate`: tables and views of this version."""

from typing import TYPE_CHECKING

from streams.cli.options import HOME, Home, Json, at_home, out, printed, told

if TYPE_CHECKING:
    pass


@told
def migrate(*, home: Home = HOME, as_json: Json = False) -> None:
    """Create the tables and views of this version; safe to run again."""
    from sinks.migrate import migrate as applied
    from streams.clients.clickhouse import connected
    from streams.settings import load

    at_home(home)
    conf = load().clickhouse
    client = connected(conf, database="")
    done = applied(client, conf.database, cluster=conf.cluster, definer=conf.definer)
    if as_json:
        printed({"applied": done})
    else:
        out.print(f"{len(done)} migrations applied" if done else "nothing to do")
