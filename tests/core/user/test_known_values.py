"""Numbered values as events ask for them: each at its own record time."""

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.columns import Keys
from schemas.entries import UNKNOWN, Entries, texts
from schemas.events import CLICKSTREAM
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, HOLDS_AFTER_MS, KOL, encode_number
from schemas.values import Coded, Lists, plain
from streams.core.user.known_values import KnownValues, disclosure
from streams.core.user.memory import UserMemory
from tests.builders import KEY, NAMES, NOON, SECOND, click, record_batch

Flags = Mapping[str, tuple[int, int]]  # content_id -> sponsored, disclosed
Accounts = Mapping[str, Sequence[int]]  # kol_id -> low words of its accounts


def key(account: int) -> tuple[int, int]:
    return account, account % 3  # some have a word in common


def contents(said: Flags) -> Entries:
    flags = np.array(list(said.values()), np.int8).reshape(-1, 2)
    return Entries(texts(list(said)), {"sponsored": flags[:, 0], "disclosed": flags[:, 1]})


def kols(said: Accounts) -> Entries:
    keys = [key(one) for some in said.values() for one in some]
    ends = np.cumsum([len(some) for some in said.values()], dtype=np.int64)
    empty = texts([""] * len(said))
    accounts = Lists(np.array(keys, np.uint64).reshape(-1, 2), ends)
    columns = {"tier": empty, "vertical": empty, "display_name": empty, "accounts": accounts}
    return Entries(texts(list(said)), columns)


def publish(known: KnownValues, kind: str, entries: Entries, holds_from: int) -> int:
    number = known.log.next_number
    records, seal = encode_number(kind, number, entries)
    for record in [*records, seal]:
        known.log.add(*record, holds_from - HOLDS_AFTER_MS)
    return number


def users(*accounts: int) -> Keys:
    return np.array([key(one) for one in accounts], np.uint64).reshape(-1, 2)


def at(*seconds: int) -> np.ndarray:
    return np.array([NOON + second * SECOND for second in seconds], np.int64)


def test_before_any_number_nothing_is_known() -> None:
    known = KnownValues()
    found = disclosure(Coded(np.zeros(2, np.int32), ["c1"]), known.asked(CONTENT, at(0, 1)))
    own = known.own_accounts(["k1"], np.zeros(2, np.int32), users(1, 2), at(0, 1))

    assert found.sponsored.tolist() == found.disclosed.tolist() == [UNKNOWN, UNKNOWN]
    assert (found.number.tolist(), own.tolist()) == ([0, 0], [False, False])


def test_each_event_of_a_batch_is_told_by_the_number_that_holds_for_it() -> None:
    known = KnownValues()
    first = publish(known, CONTENT, contents({"c1": (1, 0)}), NOON + 10 * SECOND)
    second = publish(known, CONTENT, contents({"c1": (1, 1), "c2": (0, UNKNOWN)}), NOON + 20_000)
    code = np.array([0, 0, 0, 1, 1, -1, 2], np.int32)
    asked = known.asked(CONTENT, at(9, 10, 20, 19, 20, 20, 20))
    found = disclosure(Coded(code, ["c1", "c2", "c3"]), asked)

    assert found.sponsored.tolist() == [-1, 1, 1, -1, 0, -1, -1]
    assert found.disclosed.tolist() == [-1, 0, 1, -1, -1, -1, -1]
    assert found.number.tolist() == [0, first, second, first, second, 0, second]


def test_an_account_is_its_own_kol_s_and_nobody_else_s() -> None:
    known = KnownValues()
    publish(known, KOL, kols({"k1": [1, 4], "k2": [], "k3": [7]}), NOON)
    code = np.array([0, 0, 0, 1, 2, 2, 3], np.int32)
    own = known.own_accounts(
        ["k1", "k2", "k3", "k4"], code, users(1, 4, 7, 1, 7, 5, 7), at(0, 0, 0, 0, 0, 0, 0)
    )

    assert own.tolist() == [True, True, False, False, True, False, False]


def test_a_row_of_an_event_says_whether_its_content_is_sponsored_as_far_as_that_is_known() -> None:
    known = KnownValues()
    number = publish(known, CONTENT, contents({"c1": (1, 0), "c2": (0, UNKNOWN)}), NOON + SECOND)
    memory = UserMemory(0, hmac_key=KEY)
    memory.ask(known)
    said = [
        click(content_id=content, ts=NOON + second * SECOND)
        for content, second in (("c1", 0), ("c1", 1), ("c2", 1), ("c3", 1), (None, 1), ("", 2))
    ]
    memory.fold(decode(record_batch(CLICKSTREAM, said), NAMES, in_full=True))
    rows = memory.take_events()

    assert rows is not None
    found = [plain(rows.columns[name]) for name in ("sponsored", "disclosed", "snapshot")]
    unknown, said_by = (-1, -1, 0), (-1, -1, number)
    assert sorted(zip(plain(rows.columns["content_id"]), *found, strict=True)) == [
        *[("", *unknown)] * 2,
        ("c1", *unknown),
        ("c1", 1, 0, number),
        ("c2", 0, -1, number),
        ("c3", *said_by),
    ]


def test_a_row_says_what_was_known_when_its_event_was_folded_though_the_log_is_gone() -> None:
    known = KnownValues()
    number = publish(known, CONTENT, contents({"c1": (1, 0)}), NOON)
    memory = UserMemory(0, hmac_key=KEY)
    memory.ask(known)
    memory.fold(decode(record_batch(CLICKSTREAM, [click(content_id="c1")]), NAMES, in_full=True))
    known.log = NumberLog()
    publish(known, CONTENT, contents({"c1": (0, 1)}), NOON)
    said = click(content_id="c1", event_id="b")
    memory.fold(decode(record_batch(CLICKSTREAM, [said], first_offset=1), NAMES, in_full=True))
    rows = memory.take_events()

    assert rows is not None
    assert [plain(rows.columns[name]) for name in ("sponsored", "disclosed", "snapshot")] == [
        [1, 0],
        [0, 1],
        [number, number],
    ]


# ---------------------------------------------------------------- laws

SECONDS = st.integers(0, 30)
events = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), SECONDS), max_size=12)
histories = st.lists(
    st.tuples(
        SECONDS,
        st.dictionaries(
            st.sampled_from(["k0", "k1"]), st.lists(st.integers(0, 5), max_size=3), min_size=1
        ),
    ),
    max_size=4,
)


@given(histories, events, st.data())
def test_how_events_are_cut_into_batches_does_not_matter(
    history: list[tuple[int, Accounts]],
    said: list[tuple[int, int, int]],
    data: st.DataObject,
) -> None:
    known = KnownValues()
    for second, accounts in history:
        publish(known, KOL, kols(accounts), NOON + second * SECOND)
    expected = [
        any(
            account in accounts.get(f"k{kol}", ())
            for accounts in [now for since, now in history if since <= second][-1:]
        )
        for kol, account, second in said
    ]
    found: list[bool] = []
    while len(found) < len(said):
        count = data.draw(st.integers(1, len(said) - len(found)))
        some = said[len(found) : len(found) + count]
        own = known.own_accounts(
            ["k0", "k1", "k2"],
            np.array([kol for kol, _, _ in some], np.int32),
            users(*(account for _, account, _ in some)),
            at(*(second for _, _, second in some)),
        )
        found += own.tolist()

    assert found == expected
