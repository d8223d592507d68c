"""The input of a comparison: messages of the demo's world, some of them odd, from one seed.

A hundredth of the messages is written in another way that says the same (keys in another order,
escapes, spaces, nulls, unknown fields), a thousandth cannot be read. Copies and disorder of two
seconds are those of `deploy/demo/bulk.py`. The same seed and number give the same bytes, whose
SHA-256 is part of every report.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from deploy.demo.bulk import Sent, bulk

START_MS: Final = 1_767_225_600_000  # 2026-01-01, UTC: a fixed one, or the bytes would differ
RATE_PER_SECOND: Final = 2_000  # of event time
ODD: Final = 0.01
MALFORMED: Final = 0.001


@dataclass(slots=True)
class Messages:
    """So many messages of one seed; `sha256` is known once all were taken.

    Args:
        seed: of all that is drawn.
        count: how many messages.
        users: whose they are; a few come often.

    """

    seed: int
    count: int
    users: int = 200_000
    odd: int = 0  # taken so far
    malformed: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[Sent]:
        """Topic, key and value of each message, in order of arrival."""
        rng = Random(self.seed)  # noqa: S311  # a benchmark, not a secret
        world = bulk(
            self.seed, self.count, START_MS, users=self.users, rate_per_second=RATE_PER_SECOND
        )
        for topic, key, usual in world:
            value, drawn = usual, rng.random()
            if drawn < MALFORMED:
                self.malformed += 1
                value = _malformed(rng, usual)
            elif drawn < MALFORMED + ODD:
                self.odd += 1
                value = _odd(rng, usual)
            for part in (topic.encode(), key, value):
                self._digest.update(len(part).to_bytes(4) + part)
            yield topic, key, value

    @property
    def sha256(self) -> str:
        """Of the topics, keys and values so far, each behind its length in four bytes."""
        return self._digest.hexdigest()


def _odd(rng: Random, value: bytes) -> bytes:
    """The same event, written as other producers would."""
    event = json.loads(value)
    fields = list(event.items())
    rng.shuffle(fields)
    form = rng.randrange(4)
    if form == 0:
        return json.dumps(dict(fields)).encode()  # spaces, escapes of all that is not ASCII
    if form == 1:
        more = {"unknown": {"nested": ["é", "\\", '"', None, 1.5e3]}, "anon_id": None}
        fields = list((more | dict(fields)).items())
    elif form == 2:  # noqa: PLR2004  # one of four
        absent = {name: None for name in ("live_id", "share_id", "brand_id") if name not in event}
        fields = list((dict(fields) | absent).items())
    return json.dumps(dict(fields), ensure_ascii=False, separators=(",", ":")).encode()


def _malformed(rng: Random, value: bytes) -> bytes:
    """Bytes that no event can be read from."""
    form = rng.randrange(5)
    if form == 0:
        return value[: len(value) // 2]
    if form == 1:
        return b"\xff\xfe" + value
    if form == 2:  # noqa: PLR2004  # one of five
        return b"[%b]" % value
    event = json.loads(value)
    if form == 3:  # noqa: PLR2004  # as above
        del event["ts"]
    else:
        event["event_id"] = 7
    return json.dumps(event).encode()
