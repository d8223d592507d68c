"""The replay that the views of the live database read, with the processes that write it."""

from collections.abc import Collection
from contextlib import closing
from typing import Any, NamedTuple

from streams.clients.app_names import replays_read, view_comments
from streams.clients.clickhouse import connect
from streams.clients.kafka_admin import kafka_admin
from streams.settings import Settings
from streams.trainer.standing import standing


class ReadReplay(NamedTuple):
    """A replay that the views read since a swap."""

    database: str
    app: str
    workers: tuple[str, ...]  # names of those that run
    trainers: int  # that run

    @property
    def fault(self) -> str | None:
        """Why what people read stands still; None while workers and a trainer write it."""
        if self.workers and self.trainers:
            return None
        missing, what = (
            ("trainer", "hours and days that people read stand")
            if self.workers
            else ("worker", "what people read stands")
        )
        return f"the views read {self.database} and no {missing} of {self.app} runs: {what} still"

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        workers = sorted(self.workers)
        return {
            "database": self.database,
            "app": self.app,
            "workers": workers,
            "trainers": self.trainers,
        }


def read_replay(live: Settings) -> ReadReplay | None:
    """The replay that the views of the live database read; None while they read their own tables.

    Raises:
        ReadingError, BrokerError: the engine or the brokers do not answer.

    """
    with closing(connect(live.clickhouse, database="")) as engine:
        comments = view_comments(engine, live.clickhouse.database)
    read = replays_read(comments)
    if not read:
        return None
    database = min(read)
    with kafka_admin(live.kafka) as broker:
        app = app_of(database, broker.prefixes())
        trainers = standing(broker, app).members
        return ReadReplay(database, app, tuple(broker.members(app)), trainers)


def app_of(database: str, prefixes: Collection[str]) -> str:
    """The app whose database this is, by the prefixes of the topics that exist.

    >>> app_of("kol_2", ["kol-2.", "kol-3."]), app_of("kol_2", [])
    ('kol-2', 'kol_2')
    """
    apps = sorted(prefix.removesuffix(".") for prefix in prefixes)
    return next((app for app in apps if app.replace("-", "_") == database), database)
