"""What `kol status` says of a home: what runs there, what waits, where messages left."""

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from kafka.errors import KafkaError

from deploy.embedded.state_folder import StateFolder
from schemas.events import INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES
from streams.clients.clickhouse import ReadingError, query, reader
from streams.clients.kafka_admin import BrokerError, kafka_admin
from streams.clients.worker_pages import fetch_statuses
from streams.errors import ExpectedError
from streams.operations import trainer_standing
from streams.operations.open_transactions import held_text, long_open
from streams.operations.replay.views import read_replay
from streams.settings import Settings
from streams.trainer.standing import standing

ANSWER_SECONDS: Final = 2.0  # that a broker of this machine may take


def worker_statuses(home: Path) -> dict[str, dict[str, Any] | None]:
    """`/status.json` of a home's workers by their address; None for one that does not answer."""
    return fetch_statuses((StateFolder(home).status() or {}).get("workers", []))


def greatest_times(home: Path) -> dict[tuple[str, int], int]:
    """The greatest event time of each topic partition that the workers of a home own, ms."""
    found: dict[tuple[str, int], int] = {}
    for page in worker_statuses(home).values():
        for place, at in (page or {}).get("greatest", {}).items():
            topic, _, partition = place.rpartition("/")
            if at is not None:
                found[topic, int(partition)] = at
    return found


def status_report(home: Path, settings: Settings) -> dict[str, Any]:
    """Processes, addresses, workers and doors of a home; empty parts where nothing runs."""
    state = StateFolder(home).status() or {}
    report: dict[str, Any] = {
        "state": state.get("state", "down"),
        "processes": state.get("processes", []),
        "kafka": state.get("kafka", {}),
        "clickhouse": state.get("clickhouse", {}),
        "workers": [
            {"url": url, **(page or {"name": "silent"})}
            for url, page in worker_statuses(home).items()
        ],
        "trainer": None,
        "doors": {},
        "rejected": {},
        "counters": {},
        "replay_read": None,
        "held": [],
    }
    if state:
        report |= door_counts(settings) | {"replay_read": _replay_read(settings)}
        report["held"] = held_back(settings)
        report["trainer"] = trainer_report(settings, str(state.get("trainer", "")))
    return report


def held_back(settings: Settings) -> list[dict[str, Any]]:
    """Transactions that hold messages back, also in words; [] where no broker answers."""
    now = time.time_ns() // 1_000_000
    try:
        with kafka_admin(settings.kafka, ANSWER_SECONDS) as broker:
            found = long_open(broker.open_transactions((*INPUTS, ERASURES, CONSENTS, CELLS)), now)
    except (BrokerError, KafkaError):
        return []
    return [one.as_dict() | {"text": held_text(one, now)} for one in found]


def trainer_report(settings: Settings, url: str) -> dict[str, Any] | None:
    """Who keeps the roll-ups, and what its page says; None where no broker answers.

    Args:
        settings: of the deployment.
        url: of the trainer of this machine; empty: there is none.

    """
    now = time.time_ns() // 1_000_000
    try:
        with kafka_admin(settings.kafka, ANSWER_SECONDS) as broker:
            found = standing(broker, settings.app_id)
    except (BrokerError, KafkaError):
        return None
    page = fetch_statuses([url])[url] if url else None
    return {
        **found.as_dict(),
        "url": url,
        "page": page,
        "text": trainer_standing.summary(found, now),
        "fault": trainer_standing.fault(found, now),
        "numbers": trainer_standing.numbers_fault(found, now),
    }


def _replay_read(settings: Settings) -> dict[str, Any] | None:
    """The replay that the views read, and why it stands still; None: their own tables, or away."""
    try:
        replay = read_replay(settings)
    except ExpectedError:
        return None
    return None if replay is None else replay.as_dict() | {"fault": replay.fault}


def door_counts(settings: Settings) -> dict[str, dict[str, int]]:
    """Messages by door, refusals by reason, and the counters, from `v_door`; without zeros."""
    names = {"door": "doors", "rejected": "rejected", "counter": "counters"}
    found: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
    try:
        for row in query(reader(settings.clickhouse), "SELECT door, kind, n FROM v_door"):
            found[names[row["kind"]]][row["door"]] += int(row["n"])
    except ReadingError:  # not there yet: nothing has been written
        return {}
    return {name: dict(+counts) for name, counts in found.items()}
