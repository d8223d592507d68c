"""W1 as peers do it: what its slow reading says, and a peer that is killed in the midst of it."""

import asyncio
import json
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from deploy.embedded import kafka
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.bench.messages import Messages
from tests.bench.peers.hand import Worker
from tests.bench.peers.reading import create, end, everything
from tests.bench.peers.w1 import (
    DISORDER_MS,
    HOUR_MS,
    LOOKBACK_MS,
    LOOKED_AT,
    Order,
    compare,
    expected,
    looked_at,
    split,
)

PARTITIONS = 2
NOON = 1_767_268_800_000
SEEN = NOON + DISORDER_MS  # once a topic is read to here, what is of noon is judged


class Ends:
    """A consumer that gives or raises these, one after the other."""

    def __init__(self, *said: int | str) -> None:
        self.left = list(said)

    def get_watermark_offsets(self, _: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        said = self.left.pop(0)
        if isinstance(said, int):
            return 0, said
        raise KafkaException(KafkaError(getattr(KafkaError, said)))


@pytest.mark.parametrize("fault", ["_UNKNOWN_PARTITION", "UNKNOWN_TOPIC_OR_PART"])
def test_a_topic_that_was_created_just_now_is_waited_for(fault: str) -> None:
    assert end(Ends(fault, fault, 7), TopicPartition("t", 0), 5.0) == 7  # type: ignore[arg-type]


@pytest.mark.parametrize(("fault", "seconds"), [("_UNKNOWN_PARTITION", 1e-9), ("_TIMED_OUT", 5.0)])
def test_a_topic_that_is_not_there_in_time_is_a_fault(fault: str, seconds: float) -> None:
    with pytest.raises(KafkaException):
        end(Ends(fault, fault), TopicPartition("t", 0), seconds)  # type: ignore[arg-type]


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def touch(at: int, kol: str | None, user: str = "u", event: str = "click") -> bytes:
    return line(user_id=user, ts=at, event=event, kol_id=kol)


def paid(at: int, cents: int, order_id: str = "o", user: str = "u") -> bytes:
    return line(user_id=user, ts=at, kind="paid", order_id=order_id, pay_cents=cents)


ENDS = [(topic, 0, value) for topic, value in (
    (CLICKSTREAM, touch(SEEN, None)),
    (INTERACTIONS, touch(SEEN, None, event="like")),
    (PURCHASES, paid(SEEN, 1, "last")),
)]  # fmt: skip


# ---------------------------------------------------------------- the slow reading


def test_an_order_of_two_touches_is_split_by_five_models() -> None:
    log = [
        (CLICKSTREAM, 0, touch(NOON - 2 * HOUR_MS, "a")),
        (INTERACTIONS, 0, touch(NOON - HOUR_MS, "b", event="like")),
        (PURCHASES, 0, paid(NOON, 1_000)),
    ]

    # decay: 169 - 2 = 167 and 168 of 335; 1000 * 167 / 335 = 498.5, so 498 and the rest
    assert expected([*log, *ENDS]).orders["o"] == {
        "first": {"a": 1_000},
        "last": {"b": 1_000},
        "linear": {"a": 500, "b": 500},
        "position": {"a": 500, "b": 500},
        "decay": {"a": 498, "b": 502},
    }


def test_position_gives_two_fifths_to_both_ends() -> None:
    touches = [(1, "a"), (2, "b"), (3, "c"), (4, "d")]

    # 40 % of 100, half of 20 % twice, 40 %
    assert split(Order("o", 4, 100), touches)["position"] == {"a": 40, "b": 10, "c": 10, "d": 40}


def test_every_model_gives_the_whole_order() -> None:
    touches = [(number * HOUR_MS, f"k{number % 3}") for number in range(7)]

    for shares in split(Order("o", 7 * HOUR_MS, 99_991), touches).values():
        assert sum(shares.values()) == 99_991


def test_later_and_too_old_touches_do_not_count() -> None:
    order = Order("o", NOON, 1)
    touches = [
        (NOON - LOOKBACK_MS - 1, "old"),
        (NOON - LOOKBACK_MS, "a"),
        (NOON, "b"),
        (NOON + 1, "c"),
    ]

    assert [kol for _, kol in looked_at(touches, order)] == ["a", "b"]


def test_an_order_sees_the_newest_touches() -> None:
    touches = [(number, "k") for number in range(50)]

    assert looked_at(reversed(touches), Order("o", 50, 1)) == touches[-LOOKED_AT:]


def test_an_order_waits_until_all_topics_are_read_behind_it() -> None:
    log = [(CLICKSTREAM, 0, touch(NOON, "a")), (PURCHASES, 0, paid(NOON, 5))]

    assert expected(log).waiting == {"o"}
    assert expected([*log, *ENDS[:-1]]).waiting == {"o"}
    assert expected([*log, *ENDS]).waiting == {"last"}


def test_what_cannot_be_read_is_passed_over() -> None:
    bad = [
        b"",
        b"[1]",
        b"\xff",
        line(user_id="u", ts="1", event="click"),
        line(ts=1, event="click"),
    ]
    found = expected([(CLICKSTREAM, 0, value) for value in bad])

    assert not found.cells


def test_copies_count_again() -> None:
    found = expected([(CLICKSTREAM, 0, touch(NOON, "a"))] * 2)

    assert found.cells == {("a", NOON // 60_000): {"click": 2}}


def test_a_wrong_cell_and_a_lost_cent_are_found() -> None:
    wanted = expected([(CLICKSTREAM, 0, touch(NOON, "a")), (PURCHASES, 0, paid(NOON, 5)), *ENDS])
    cell = line(cell=["a", NOON // 60_000, {"click": 1}])
    whole = {model: {"a": 5} for model in ("first", "last", "linear", "position", "decay")}
    right = [cell, line(order=["o", whole])]

    assert compare(right, wanted, is_exact=True)["wrong"] == []
    assert compare(right[1:], wanted, is_exact=True)["wrong"]
    assert compare(right[:1], wanted, is_exact=True)["wrong"]
    short = [cell, line(order=["o", whole | {"first": {"a": 4}}])]
    assert "lose cents" in compare(short, wanted, is_exact=False)["wrong"][0]


# ---------------------------------------------------------------- a peer that is killed


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka.broker(tmp_path_factory.mktemp("broker")) as address:
        create(address, PARTITIONS, {topic: {} for topic in INPUTS})
        asyncio.run(_fill(address))
        yield address


async def _fill(bootstrap: str) -> None:
    async with Feed(bootstrap) as feed:
        for topic, key, value in Messages(seed=5, count=6_000, users=300):
            await feed.send(topic, partition_of(key, PARTITIONS), key, value)


@pytest.mark.integration
def test_a_peer_that_is_killed_goes_on_from_its_last_commit(bootstrap: str) -> None:
    first = Worker(bootstrap, PARTITIONS, "killed")
    first.read(2_000)
    first.commit()
    first.read(1_000)  # and is gone before it commits these
    first.close()
    second = Worker(bootstrap, PARTITIONS, "killed")
    begins = sum(second.at.values())
    second.read(sys.maxsize)
    second.commit()
    second.close()

    assert 2_000 <= begins < 3_000
    log = [(topic, *one) for topic in INPUTS for one in everything(bootstrap, topic, PARTITIONS)]
    output = (value for _, value in everything(bootstrap, "killed-output", PARTITIONS))
    found = compare(output, expected(log), is_exact=True)
    assert found["wrong"] == []
    assert found["orders"] > 10


@pytest.mark.integration
def test_a_topic_without_brokers_is_an_error() -> None:
    with pytest.raises(KafkaException):
        list(everything("127.0.0.1:1", "none", 1, seconds=0.2))
