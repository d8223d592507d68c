"""The verdict of a run: what it compares once everything is drained, and the waits around it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from deploy.embedded import kafka
from schemas.erasures import NOBODY
from schemas.keyed_names import as_hex
from schemas.number_log import NumberLog
from schemas.reference_types import CONTENTS
from streams.operations.numbers import read_numbers
from tests.chaos import reference_verdict, verdict
from tests.chaos.references import References, recorded
from tests.chaos.stack import ChaosError, Stack
from tests.chaos.world import Sent, Traffic, logged
from tests.oracle import Expected, Record, oracle
from tests.reference_oracle import Known, known

BROKER_SECONDS: Final = 180.0  # until a killed broker is back: a busy machine needs over a minute
DRAIN_SECONDS: Final = 180.0
HOLD_SECONDS: Final = 120.0  # until a number holds for what came first, 10 s after its seal

Say = Callable[[str], None]


@dataclass(slots=True)
class Case:
    """A stack, what was sent to its reference topics, and who is forgotten since."""

    stack: Stack
    zone: str
    references: References | None = None  # None: nothing was
    gone: str = ""  # user_id; empty: nobody
    letters: Counter[verdict.Row] = field(default_factory=Counter)  # of records before compaction

    def tell(self, messages: Sequence[Sent]) -> None:
        """Send some messages at once, whatever topic they are for."""
        traffic = Traffic(self.stack.settings.kafka.bootstrap, messages, 0.0)
        traffic.run()
        if traffic.error is not None:
            raise ChaosError(f"it could not be sent: {traffic.error!r}") from traffic.error

    def tell_references(self, records: Sequence[Sent]) -> None:
        """Send records of reference topics, and return once numbers hold that say them."""
        references = self.references
        if references is None:
            return
        self.tell(records)
        contents = references.said(records, CONTENTS)
        self.stack.until(
            lambda: reference_verdict.hold(self.stack.settings, references, contents),
            "no number holds",
            HOLD_SECONDS,
        )

    def recorded(self) -> list[Sent]:
        """What lies on the reference topics, to be sent once more."""
        return [
            Sent(one.topic, one.partition, one.key, one.value)
            for one in recorded(self.stack.settings)
        ]

    def known(self) -> Known:
        """What the records on the reference topics say, and what was refused of these and others.

        Letters stay of records that compaction has taken away.
        """
        if self.references is None:
            return Known()
        found = known(recorded(self.stack.settings), self.references.faults)
        self.letters |= found.letters
        return replace(found, letters=self.letters.copy())

    def lost(self) -> set[tuple[str, int, int]]:
        """Topic, partition and offset of refused records that compaction has taken away."""
        if self.references is None:
            return set()
        left = known(recorded(self.stack.settings), self.references.faults).letters
        return {(topic, at, offset) for topic, at, offset, _ in self.letters - left}

    def drain(self) -> float:
        """Wait until everything is read and written; seconds."""
        begun = time.monotonic()
        self.stack.until(
            lambda: kafka.is_ready(self.stack.settings.kafka.bootstrap),
            "the broker is not started again",
            BROKER_SECONDS,
        )
        self.stack.kol("drain", "--timeout", str(DRAIN_SECONDS))
        return time.monotonic() - begun


@dataclass(slots=True)
class Verdict:
    """What stands, what should, and where they differ."""

    log: list[Record]
    stands: verdict.Told
    peace: verdict.Told
    wrong: list[str]
    dimensions: int = 0  # rows that were compared


def judge(case: Case) -> Verdict:
    """Compare everything that stands with the oracle, and with the same log read in peace."""
    settings = case.stack.settings
    partitions, secret = settings.kafka.partitions, settings.hmac_key.get_secret_value().encode()
    stands = verdict.told(settings)  # at once: of inputs nothing is still to come after a drain
    wrong = verdict.against_orders(settings, case.zone)
    log = logged(settings.kafka.bootstrap, partitions)
    accounts = case.references.accounts if case.references else {}
    expected = _without(oracle(log, partitions, accounts=accounts), case.gone)
    found, numbers, dimensions = case.known(), NumberLog(), 0
    if case.references:
        numbers = asyncio.run(read_numbers(settings))
    peace = _forgotten(verdict.quiet(log, partitions, secret, numbers), case)
    if case.references:
        some, later = reference_verdict.judged(settings, expected, found)
        wrong += some
        dimensions = sum(rows.total() for rows in later.dimensions.values())
        stands.events = later.events  # once the trainer has emptied what is not allowed
    wrong += verdict.against_oracle(stands, expected, len(log), secret, found.consents)
    wrong += verdict.against_quiet(stands, peace)
    return Verdict(log, stands, peace, wrong, dimensions)


def _without(expected: Expected, gone: str) -> Expected:
    """Of an erased person there are no events any more."""
    stated = [one for one in expected.stated if one[1]["user_id"] != gone]
    return replace(expected, stated=stated)


def _forgotten(told: verdict.Told, case: Case) -> verdict.Told:
    """The same without the person who is forgotten: the orders stay, without their owner."""
    if not case.gone:
        return told
    (gone,) = map(as_hex, case.stack.settings.keyed_names.users([case.gone]).tolist())
    orders: Counter[verdict.Row] = Counter()
    for order, n in told.orders.items():
        orders[(*order[:-1], NOBODY if order[-1] == gone else order[-1])] += n
    events = Counter({event: n for event, n in told.events.items() if gone not in event})
    return replace(told, orders=orders, events=events)
