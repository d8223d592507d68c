"""What reference topics say, in the dimensions of the engine, without brokers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.dimensions import OF_TOPIC
from schemas.keyed_names import KeyedNames
from schemas.reference_types import REFERENCES
from streams.trainer.dimensions.cursor import Cursor
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.rows import Stated, rows_of
from streams.trainer.dimensions.store import DimensionStore

READING: Final = 1


class Dimensions:
    """Writes what reference topics say into their dimensions, as the trainer does.

    Args:
        client: of an account that writes.
        names: of users.

    """

    def __init__(self, client: Client, names: KeyedNames) -> None:
        self._store = DimensionStore(client, lambda: None)
        self._tables = self._store.table_ids()
        self._persons = Persons(names)
        self.offsets: dict[str, int] = {}  # topic -> records so far

    def tell(self, told: Iterable[tuple[str, Mapping[str, Any]]], now_ms: int) -> None:
        """Write records of all topics, in the order of each."""
        by_topic: dict[str, list[Stated]] = {}
        for topic, record in told:
            if topic in OF_TOPIC:
                stated = by_topic.setdefault(topic, [])
                offset = self.offsets.get(topic, 0) + len(stated)
                what = msgspec.convert(dict(record), REFERENCES[topic])
                stated.append(Stated(offset, now_ms - 1, what))
        for topic, stated in by_topic.items():
            dimension = OF_TOPIC[topic]
            self._store.insert(dimension, rows_of(topic, READING, stated, self._persons))
            end = self.offsets[topic] = self.offsets.get(topic, 0) + len(stated)
            table = self._tables[dimension.table]
            cursor = Cursor(topic, f"id of {topic}", table, READING, READING, {0: end}, now_ms)
            self._store.write_cursor(cursor, end)
