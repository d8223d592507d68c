"""W1: the work that other systems are asked for, and a slow reading of it to check them by.

    python -m tests.bench.peers.w1 BOOTSTRAP PARTITIONS TOPIC EXACT|ARRIVAL

A part of ours, so that every peer can do it well:

- A message counts if it is a JSON object with text `user_id` and whole `ts`; one of behaviour also
  needs text `event`, a purchase text `order_id`, `kind: paid` and whole `pay_cents`. Others are
  passed over. Copies count again: peers need not know what they have seen.
- *Cells*: events by KOL, minute and kind, of behaviour with a `kol_id`.
- *Orders*: the touches of an order are the events with a `kol_id` of its user that are at most
  seven days older and not later, the newest 32 of them by time and KOL. Five models split its
  cents by whole weights: first, last, linear; position (40 20 40; 50 50 of two); decay (169 less
  the whole hours of a touch's age). All touches up to one get the whole part of their share
  together, and it gets what that is more than those before it have: nothing is lost.
- An order is judged once its partition's topics have all been read to two seconds behind it
  (*exact*), or when it is read (*arrival*), where a system cannot wait. What waits at the end of
  the input is left.
- Everything goes to an output topic, of each key the newest counts: `{"order": [order_id, {model:
  {kol: cents}}]}` and `{"cell": [kol, minute, {kind: n}, part]}`; parts of a cell are added up, so
  that a partition may have one of its own. State is recoverable: after a kill it goes on from its
  last commit, five seconds ago or less, with every message counted once or more.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
LOOKBACK_MS: Final = 7 * 24 * HOUR_MS
LOOKED_AT: Final = 32  # touches of an order
DISORDER_MS: Final = 2_000
MODELS: Final = ("first", "last", "linear", "position", "decay")
COMMIT_SECONDS: Final = 5.0
LEAST_EQUAL: Final = 0.5  # of orders judged on arrival; fewer: its output is wrong

Touch = tuple[int, str]  # time, KOL
Split = dict[str, dict[str, int]]  # model -> KOL -> cents


class Order(NamedTuple):
    """A paid order."""

    order_id: str
    at: int
    cents: int


def weights(model: str, touches: Sequence[Touch], at: int) -> list[int]:
    """The weight of each touch of an order, in their order by time.

    >>> [weights("position", [(0, "a")] * n, 0) for n in (1, 2, 4)]
    [[1], [1, 1], [4, 1, 1, 4]]
    >>> weights("decay", [(0, "a"), (HOUR_MS, "b")], 2 * HOUR_MS)
    [167, 168]
    """
    n = len(touches)
    if model == "first":
        return [1, *[0] * (n - 1)]
    if model == "last":
        return [*[0] * (n - 1), 1]
    if model == "decay":
        return [169 - (at - time) // HOUR_MS for time, _ in touches]
    if model == "position" and n > 2:  # both ends and what is between
        between = n - 2
        return [2 * between, *[1] * between, 2 * between]
    return [1] * n


def split(order: Order, touches: Sequence[Touch]) -> Split:
    """What each KOL gets of an order by each model; {} where nobody was met.

    >>> split(Order("o", 5, 100), [(1, "a"), (2, "b"), (3, "a")])["linear"]
    {'a': 67, 'b': 33}
    """
    if not touches:
        return {}
    found: Split = {}
    for model in MODELS:
        each = weights(model, touches, order.at)
        whole, before, given = sum(each), 0, 0
        shares = found[model] = dict[str, int]()
        for (_, kol), weight in zip(touches, each, strict=True):
            before += weight
            reached = order.cents * before // whole
            if reached > given:
                shares[kol] = shares.get(kol, 0) + reached - given
            given = reached
    return found


def looked_at(touches: Iterable[Touch], order: Order) -> list[Touch]:
    """The touches that an order sees, by time and KOL."""
    least = order.at - LOOKBACK_MS
    return sorted(touch for touch in touches if least <= touch[0] <= order.at)[-LOOKED_AT:]


# ---------------------------------------------------------------- a slow reading


@dataclass(slots=True)
class Expected:
    """What a whole input comes to."""

    cells: Mapping[tuple[str, int], Mapping[str, int]]  # KOL, minute -> kind -> events
    orders: Mapping[str, Split]  # those that are judged
    waiting: frozenset[str]  # order ids of those that wait at the end
    cents: Mapping[str, int]  # order id -> paid


@dataclass(slots=True)
class Reading:
    """One partition of all topics, read to its end."""

    touches: dict[str, list[Touch]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, list[Order]] = field(default_factory=lambda: defaultdict(list))
    newest: dict[str, int] = field(default_factory=dict)


def read(topic: str, value: bytes) -> dict[str, Any] | None:
    """A message that counts."""
    try:
        event = json.loads(value)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    texts = ("user_id", "kind", "order_id") if topic == "purchases" else ("user_id", "event")
    numbers = ("ts", "pay_cents") if topic == "purchases" else ("ts",)
    is_sound = all(isinstance(event.get(name), str) for name in texts) and all(
        type(event.get(name)) is int for name in numbers
    )
    return event if is_sound else None


def expected(log: Iterable[tuple[str, int, bytes]], topics: int = 3) -> Expected:
    """What topic, partition and value of all messages come to."""
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    readings: dict[int, Reading] = defaultdict(Reading)
    for topic, partition, value in log:
        event, reading = read(topic, value), readings[partition]
        if event is None:
            continue
        at, user = event["ts"], event["user_id"]
        reading.newest[topic] = max(reading.newest.get(topic, 0), at)
        if topic == "purchases":
            if event["kind"] == "paid":
                reading.orders[user].append(Order(event["order_id"], at, event["pay_cents"]))
        elif kol := event.get("kol_id"):
            cells[kol, at // MINUTE_MS][event["event"]] += 1
            reading.touches[user].append((at, kol))
    orders: dict[str, Split] = {}
    waiting, cents = set(), {}
    for reading in readings.values():
        is_whole = len(reading.newest) == topics
        reached = min(reading.newest.values(), default=0) - DISORDER_MS if is_whole else 0
        for user, some in reading.orders.items():
            for order in some:
                cents[order.order_id] = order.cents
                if order.at > reached:
                    waiting.add(order.order_id)
                else:
                    orders[order.order_id] = split(order, looked_at(reading.touches[user], order))
    return Expected(cells, orders, frozenset(waiting), cents)


# ---------------------------------------------------------------- comparing


def compare(messages: Iterable[bytes], wanted: Expected, *, is_exact: bool) -> dict[str, Any]:
    """What an output topic says beside what it should: what is wrong, and how many orders agree."""
    parts: dict[tuple[str, int, int], dict[str, int]] = {}
    orders: dict[str, Split] = {}
    for message in messages:
        said = json.loads(message)
        if "cell" in said:
            kol, minute, counts, *part = said["cell"]
            parts[kol, minute, part[0] if part else 0] = counts
        else:
            order_id, shares = said["order"]
            orders[order_id] = shares
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for (kol, minute, _), counts in parts.items():
        cells[kol, minute].update(counts)
    wrong = []
    if cells != wanted.cells:
        other = [
            key for key in cells.keys() | wanted.cells if cells.get(key) != wanted.cells.get(key)
        ]
        wrong.append(f"{len(other)} cells of {len(wanted.cells)} differ: {sorted(other)[:3]}")
    lost = [
        order_id
        for order_id, shares in orders.items()
        for cents in shares.values()
        if sum(cents.values()) != wanted.cents.get(order_id)
    ]
    if lost:
        wrong.append(f"{len(lost)} splits lose cents: {sorted(lost)[:3]}")
    owing = {order_id: shares for order_id, shares in wanted.orders.items() if shares}
    equal = sum(orders.get(order_id) == shares for order_id, shares in owing.items())
    if equal < len(owing) * (1.0 if is_exact else LEAST_EQUAL):
        wrong.append(f"{equal} of {len(owing)} orders are split as they should be")
    share = equal / len(owing) if owing else 1.0
    return {"wrong": wrong, "orders": len(owing), "equal": round(share, 5)}


def main(bootstrap: str, partitions: int, topic: str, is_exact: bool) -> None:  # noqa: FBT001  # one call
    """Print what the check of an output topic says, as one line of JSON."""
    from tests.bench.peers.reading import everything  # noqa: PLC0415  # the rest needs no client

    inputs = ("clickstream", "content-interactions", "purchases")
    log = ((of, at, value) for of in inputs for at, value in everything(bootstrap, of, partitions))
    wanted = expected(log)
    found = compare(
        (value for _, value in everything(bootstrap, topic, partitions)), wanted, is_exact=is_exact
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "EXACT")
