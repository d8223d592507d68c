"""What is kept of users has keyed names, also what a former version kept by digests."""

import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.codec import decode
from schemas.columns import Keys, Moments
from schemas.erasures import NOBODY, read_erasures
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.identity import hashes_of, keys_of, user_key
from schemas.keyed_names import KeyedNames, What
from schemas.values import plain
from streams.core.arrays.probing import mix
from streams.core.user import updates
from streams.core.user.formats import conversions
from streams.core.user.memory import UserMemory
from tests.builders import (
    HOUR,
    KEY,
    MINUTE,
    NAMES,
    NOON,
    Message,
    click,
    copied,
    decoded,
    interaction,
    paid,
    record_batch,
    refund,
    topic_of,
)
from tests.core.user.test_erasures import (
    Case,
    Reader,
    Way,
    assert_as_expected,
    cases,
    later_hash,
)
from tests.core.user.test_memory_laws import Table, user_hash
from tests.linking import as_bytes, found_in, linkable, signs_of

LAYOUT = Path(__file__).parents[1] / "layouts" / "user-4.txt"

Arrays = dict[str, NDArray[Any]]


# ---------------------------------------------------------------- what format 4 was


class Digests(KeyedNames):
    """As if there were no key: what the versions before keyed names kept."""

    def of(self, what: What, digests: Keys) -> Keys:  # noqa: ARG002  # all alike
        return digests.copy()

    def of_hashes(self, what: What, hashes: bytes | bytearray) -> Keys:  # noqa: ARG002  # as above
        return keys_of(hashes)

    def low_words(self, what: What, hashes: bytes | bytearray) -> NDArray[np.uint64]:
        return self.of_hashes(what, hashes)[:, 0]

    def later(self, users: Keys, since: Moments) -> Keys:
        moment = since.astype(np.uint64)
        low, high = mix(users[:, 0], moment), mix(users[:, 1] ^ users[:, 0], moment)
        return np.stack([low, high], axis=1)


@contextmanager
def by_digests() -> Iterator[None]:
    """Memories that are made meanwhile keep digests."""
    with mock.patch("streams.core.user.state.KeyedNames", Digests):
        yield


def former_hash(user_id: str, since: int | None = None) -> bytes:
    """The user_hash that former versions gave, of who came after an erasure, too."""
    first = hmac.digest(KEY, user_id.encode(), "sha256")[:16]
    if since is None:
        return first
    return hmac.digest(KEY, first + since.to_bytes(8), "sha256")[:16]


def former_hashes(user_ids: tuple[str, ...], moments: list[int]) -> dict[bytes, bytes]:
    """What stands on rows and in state instead of the keys of persons."""
    digests = Digests(b"")
    found = {bytes(16): bytes(16)}
    for user_id in user_ids:
        key = digests.users([user_id])
        found[hashes_of(key)] = former_hash(user_id)
        for at in moments:
            later = digests.later(key, np.array([at]))
            found[hashes_of(later)] = former_hash(user_id, at)
    return found


def format_4(memory: UserMemory, hashes: dict[bytes, bytes]) -> Arrays:
    """The snapshot of a memory that keeps digests, as that format was."""
    arrays = copied(memory.arrays())
    words = [line.split() for line in LAYOUT.read_text("utf-8").splitlines()]
    series = [" ".join(place[1:3]) for place in words if place[0] == "door"]
    arrays["allowances.left"] = np.zeros(len(arrays["allowances.at"]), np.int64)
    arrays = {name: arrays[name] for name, *_ in words if name in arrays}
    arrays["offsets"] = arrays["offsets"][:4]
    arrays["tally.series"] = np.frombuffer("\n".join(series).encode(), np.uint8)
    for name in ("tally.total", "tally.told"):
        arrays[name] = arrays[name][: len(series)]
    for name in ("orders.order.user_hash", "orders.moved.user_hash"):
        arrays[name] = np.array(
            [list(hashes.get(row.tobytes(), row)) for row in arrays[name]], np.uint8
        ).reshape(-1, 16)
    return arrays


def converted(arrays: Mapping[str, NDArray[Any]]) -> UserMemory:
    """The memory that goes on with a snapshot of format 4."""
    for conversion in conversions(NAMES)[3:]:
        arrays = conversion(arrays)
    return UserMemory.restored(arrays, 0, hmac_key=KEY, slack=4)


def test_the_stand_in_for_format_4_has_its_layout() -> None:
    words = LAYOUT.read_text("utf-8").splitlines()
    with by_digests():
        arrays = format_4(UserMemory(0, hmac_key=KEY), {})

    assert [f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()] == [
        line for line in words if line[:5] not in {"door ", "cell "}
    ]


# ---------------------------------------------------------------- the law


@dataclass
class Upgraded(Reader):
    """A reader that keeps digests for some batches, and names from then on."""

    batches: int = 0  # before the upgrade

    def begin(self) -> None:
        with by_digests():
            super().begin()
        self.hashes = former_hashes(("u1", "u2"), self.case.moments)

    def fold_erasures(self, count: int) -> None:
        self.erasures_read = max(self.erasures_read, count)
        low, high = user_key("u1")
        values = [
            f'{{"user":"{high:016x}{low:016x}","at":{at}}}'.encode()
            for at in self.case.moments[: self.erasures_read]
        ]
        found = read_erasures(values, range(len(values)), self.memory.keyed_names)
        self.memory.fold_erasures(found, len(values))

    def fold(self, topic: str) -> None:
        super().fold(topic)
        self.batches -= 1
        if not self.batches:
            self.upgrade()

    def upgrade(self) -> None:
        """Rows are as former versions wrote them, and so is the snapshot; then today's begins."""
        rows = self.table.rows["order_credit"]
        for key, row in list(rows.items()):
            del rows[key]
            hashed = self.hashes[bytes.fromhex(row["user_hash"])].hex()
            rows[*key[:-1], hashed] = row | {"user_hash": hashed}
        life = self.memory.life + 1
        self.memory = converted(format_4(self.memory, self.hashes))
        self.memory.life = life
        self.memory.resend_totals()

    def run(self) -> Table:
        super().run()
        while len(self.memory.state.orders.moved):
            self.table.take(updates.collect_updates(self.memory).rows)
        return self.table


@settings(deadline=None, max_examples=40)
@given(
    case=cases(),
    seed=st.integers(0, 2**20),
    known=st.booleans(),
    batches=st.integers(1, 8),
    at_once=st.integers(1, 3),
)
def test_after_an_upgrade_everything_stands_as_if_names_had_been_keyed_from_the_start(
    case: Case,
    seed: int,
    known: bool,  # noqa: FBT001  # Hypothesis gives it
    batches: int,
    at_once: int,
) -> None:
    """And nothing under a key that an order had before, not even the row of one that waited."""
    with mock.patch.object(updates, "AT_ONCE", at_once):
        reader = Upgraded(case, Way(seed, known=known), batches=batches)
        table = reader.run()
    if reader.batches > 0:
        return  # the log was read before

    assert_as_expected(table, case)


# ---------------------------------------------------------------- one by one


def of_former_version(
    *messages: Message, known: tuple[int, ...] = (), erased: tuple[int, ...] = ()
) -> UserMemory:
    """A memory that goes on where one of format 4 stopped; what it said is written.

    u1 is erased up to these moments, `known` from the start, `erased` at the end.
    """
    with by_digests():
        memory = UserMemory(0, hmac_key=KEY)
    low, high = user_key("u1")

    def erase(moments: tuple[int, ...]) -> None:
        values = [f'{{"user":"{high:016x}{low:016x}","at":{at}}}'.encode() for at in moments]
        found = read_erasures(values, range(len(values)), memory.keyed_names)
        memory.fold_erasures(found, len(values))

    erase(known)
    for offset, message in enumerate(messages):
        batch = record_batch(topic_of(message), [message], first_offset=offset)
        memory.fold(decode(batch, memory.keyed_names))
    erase(erased)
    updates.collect_updates(memory)
    hashes = former_hashes(("u1", "u2"), [*known, *erased])
    return converted(format_4(memory, hashes))


def told(memory: UserMemory) -> list[tuple[str, str, bool]]:
    """Order, user_hash and whether it stands, of the rows that a memory says now."""
    for rows in updates.collect_updates(memory).rows:
        if rows.table == "order_credit":
            columns = [plain(rows.columns[name]) for name in ("order_id", "user_hash", "kols")]
            return [(of, who, bool(kols)) for of, who, kols in zip(*columns, strict=True)]
    return []


def test_orders_are_stated_under_their_names_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updates, "AT_ONCE", 2)
    orders = [paid(f"o{n}", user_id=f"u{1 + n % 2}") for n in range(5)]
    memory = of_former_version(*orders)
    flushes = []
    while rows := told(memory):
        flushes.append(sorted(rows))

    assert flushes == [
        sorted(
            row
            for n in numbers
            for row in (
                (f"o{n}", user_hash(f"u{1 + n % 2}"), True),
                (f"o{n}", former_hash(f"u{1 + n % 2}").hex(), False),
            )
        )
        for numbers in ((0, 1), (2, 3), (4,))
    ]


def test_an_order_that_changes_does_not_wait_for_those_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updates, "AT_ONCE", 1)
    memory = of_former_version(*(paid(f"o{n}") for n in range(4)))
    memory.fold(decoded(PURCHASES, [refund("o3", ts=NOON + MINUTE)]))

    assert {of for of, _, _ in told(memory)} == {"o0", "o3"}
    assert {of for of, _, _ in told(memory)} == {"o1"}
    assert {of for of, _, _ in told(memory)} == {"o2"}
    assert told(memory) == []


def test_an_order_whose_time_moves_while_it_waits_leaves_no_row_behind() -> None:
    memory = of_former_version(paid("o1", event_id="later"))
    memory.fold(decoded(PURCHASES, [paid("o1", ts=NOON - 1, event_id="earlier")]))
    table = Table()
    table.take(updates.collect_updates(memory).rows)
    standing = {
        (row["ordered_at"], row["user_hash"]): bool(row["kols"]) for row in table.of("order_credit")
    }

    assert standing == {
        (NOON, former_hash("u1").hex()): False,
        (NOON, user_hash("u1")): False,
        (NOON - 1, user_hash("u1")): True,
    }


def test_what_waits_is_not_forgotten_when_memory_is_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "AT_ONCE", 0)
    memory = of_former_version(paid("old"), paid("older", user_id="u2"))
    memory.fold(decoded(PURCHASES, [paid("new", ts=NOON + 400 * 24 * HOUR)]))
    told(memory)
    memory.prune(NOON + 400 * 24 * HOUR)
    monkeypatch.setattr(updates, "AT_ONCE", 2)

    assert sorted(told(memory)) == sorted(
        row
        for of, user in (("old", "u1"), ("older", "u2"))
        for row in ((of, user_hash(user), True), (of, former_hash(user).hex(), False))
    )


def test_who_came_after_an_erasure_that_came_late_has_the_name_of_later() -> None:
    """The erasure is pending, and orders before and behind its moment are one user's in memory."""
    memory = of_former_version(
        paid("before"), paid("behind", ts=NOON + HOUR), erased=(NOON + MINUTE,)
    )

    assert (
        sorted(told(memory))
        == [
            ("behind", former_hash("u1", NOON + MINUTE).hex(), False),
            ("behind", later_hash(user_hash("u1"), NOON + MINUTE), True),
        ]
        or sorted(told(memory)) == []
    )


def test_persons_who_came_back_are_recognised_and_the_erased_stay_so() -> None:
    ends = NOON + MINUTE, NOON + HOUR
    memory = of_former_version(
        click(ts=NOON),
        click(ts=NOON + HOUR - 1, kol_id="k2"),
        click(ts=NOON + HOUR + 1, kol_id="k3"),
        paid("third", ts=NOON + HOUR + MINUTE),
        known=ends,
    )
    third = later_hash(user_hash("u1"), ends[1])
    waited = told(memory)
    memory.fold(decoded(PURCHASES, [paid("first", ts=NOON + 1)], first_offset=9))
    memory.fold(decoded(PURCHASES, [paid("again", ts=NOON + 4 * HOUR)], first_offset=10))
    table = Table()
    table.take(updates.collect_updates(memory).rows)
    rows = {row["order_id"]: row for row in table.of("order_credit")}

    assert sorted(waited) == sorted(
        [("third", third, True), ("third", former_hash("u1", ends[1]).hex(), False)]
    )
    assert rows["first"]["user_hash"] == NOBODY
    assert (rows["again"]["user_hash"], rows["again"]["kols"]) == (third, ["k3"])


def test_orders_of_nobody_stay_nobodys() -> None:
    memory = of_former_version(paid("o1"), erased=(NOON + MINUTE,))

    assert told(memory) == []
    memory.fold(decoded(PURCHASES, [refund("o1", ts=NOON + 2 * MINUTE)]))
    assert told(memory) == [("o1", NOBODY, True)]


# ---------------------------------------------------------------- an attempt to link


DEVICE, IP = "device-3f786850e387550fdab836ed7e6dc881", "ip-203.0.113.195"


def lived() -> list[tuple[str, list[Message]]]:
    where = {"device_hash": DEVICE, "ip_hash": IP}
    return [
        (CLICKSTREAM, [click(event_id="e-click", user_id="u-known", session_id="s-1", **where)]),
        (
            INTERACTIONS,
            [
                interaction("save", event_id="e-save", user_id="u-known", share_id="sh-1", **where),
                interaction("unfollow", event_id="e-un", user_id="u-known"),
                interaction("share", event_id="e-share", user_id="u-known", share_id="sh-1"),
            ],
        ),
        (
            PURCHASES,
            [
                paid("o-known", event_id="e-paid", user_id="u-known", ts=NOON + MINUTE),
                refund("o-known", event_id="e-back", user_id="u-known", ts=NOON + HOUR),
                paid("o-known", event_id="e-again", user_id="u-known", ts=NOON + HOUR),
            ],
        ),
    ]


SIGNS = signs_of(
    linkable(
        ["u-known"],
        ["e-click", "e-save", "e-un", "e-share", "e-paid", "e-back", "e-again"],
        ["o-known", "sh-1", "s-1", DEVICE, IP],
    )
)


def everything(memory: UserMemory) -> list[bytes]:
    """What a memory of this log leaves: rows of every table, cells as records, its snapshot."""
    for topic, messages in lived():
        read = record_batch(topic, list(messages))
        memory.fold(decode(read, memory.keyed_names, in_full=True))
    said, events = updates.collect_updates(memory), memory.take_events()
    assert events is not None
    parts = [*said.rows, events]
    rows = [as_bytes(plain(column)) for part in parts for column in part.columns.values()]
    cells = [msgspec.msgpack.encode(said.cells.kols), said.cells.fields.tobytes()]
    return [*rows, *cells, *(array.tobytes() for array in memory.arrays().values())]


def test_who_knows_all_ids_but_not_the_key_finds_none_of_them_by_any_hash() -> None:
    assert found_in(SIGNS, *everything(UserMemory(0, hmac_key=KEY))) == []


def test_the_attempt_would_have_linked_what_former_versions_kept() -> None:
    with by_digests():
        found = found_in(SIGNS, *everything(UserMemory(0, hmac_key=KEY)))

    assert {"xxh3_128 of b'u-known'", "xxh3_128 of b'purchases\\x00u-known\\x00e-paid'"} <= set(
        found
    )
    assert "xxh3_128 of b'u-known\\x00o-known'" in found
    assert f"xxh3_128 of {DEVICE.encode()!r}" in found


def test_no_device_ip_or_user_stands_in_the_clear() -> None:
    left = everything(UserMemory(0, hmac_key=KEY))

    assert not [raw for raw in left for one in ("u-known", DEVICE, IP) if one.encode() in raw]
