"""Numbers of `kol-snapshots`: a replay finds at every record time what life found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from schemas import numbered
from schemas.columns import NONE
from schemas.entries import Entries, difference, no_entries, strings, texts
from schemas.number_log import FOREVER, NumberLog
from schemas.numbered import CONTENT, HOLDS_AFTER_MS, KINDS, KOL, RecordKey, decode_key
from schemas.numbered import encode_number as encoded
from schemas.values import Lists

Flags = Mapping[str, tuple[int, int]]  # id -> disclosed, sponsored


class Stored(NamedTuple):
    """A record as the broker has it."""

    key: bytes
    value: bytes | None
    at: int
    is_aborted: bool = False  # only who reads uncommitted records sees it


def contents(state: Flags) -> Entries:
    flags = np.array(list(state.values()), np.int8).reshape(-1, 2)
    return Entries(texts(list(state)), {"disclosed": flags[:, 0], "sponsored": flags[:, 1]})


def read(records: list[Stored]) -> NumberLog:
    log = NumberLog()
    for one in records:
        log.add(one.key, one.value, one.at)
    return log


def said(log: NumberLog, at: int, kind: str = CONTENT) -> Flags | None:
    """What holds at a record time, by asking for every id of it, and for one that is unknown."""
    values = log.holding(kind, at)
    if values is None:
        return None
    ids = values.ids(values.all_rows())
    assert len(ids) == len(values)
    assert strings(values.entries().ids) == ids
    rows = values.rows([*ids, "nobody"])
    flags = [values.flags(name, rows).tolist() for name in ("disclosed", "sponsored")]
    assert (rows[-1], flags[0].pop(), flags[1].pop()) == (NONE, -1, -1)
    return dict(zip(ids, zip(*flags, strict=True), strict=True))


@dataclass
class History:
    """What was published, and what has to be found of it."""

    records: list[Stored] = field(default_factory=list)
    held: list[tuple[int, int, Flags]] = field(default_factory=list)  # from when, number, state
    kols: list[tuple[int, int]] = field(default_factory=list)  # of the other kind: from when, which
    bases: dict[int, Flags] = field(default_factory=dict)
    number: int = 0
    now: int = 1_000_000
    asked_from: int = 0  # records before it are gone from the inputs

    def publish(self, state: Flags, base: int | None, damage: str) -> None:
        """Publish a number; `damage` says what becomes of it: nothing, or why it never holds."""
        self.number += 1
        entries = contents(state)
        if damage == "aborted":
            records, _ = encoded(CONTENT, self.number, entries)
            self.records += [Stored(*one, self.now, is_aborted=True) for one in records]
            self.number -= 1
            return
        if base is None:
            records, seal = encoded(CONTENT, self.number, entries)
        else:
            change = difference(contents(self.bases[base]), entries)
            records, seal = encoded(
                CONTENT,
                self.number,
                change.upserts,
                base=base,
                removed=change.removed,
                rows=len(state),
            )
        if damage == "lost" and len(records) > 1 and not self._was_aborted(*records[0]):
            records = records[1:]
        elif damage == "bent":
            key, value = records[0]
            records[0] = key, bytes([value[0] ^ 1]) + value[1:]
        else:
            damage = "unsealed" if damage == "unsealed" else ""
        self.records += [Stored(key, value, self.now) for key, value in records]
        if damage != "unsealed":
            self.now += 7
            self.records.append(Stored(*seal, self.now))
        if not damage:
            self.held.append((self.now + HOLDS_AFTER_MS, self.number, dict(state)))
            if base is None:
                self.bases[self.number] = dict(state)

    def _was_aborted(self, key: bytes, value: bytes) -> bool:
        """Whether an aborted transaction has left the same: who reads it misses nothing."""
        return any(one.is_aborted and one[:2] == (key, value) for one in self.records)

    def publish_kol(self, *, is_aborted: bool) -> None:
        """Publish a number of the other kind: all kinds share their digits."""
        records, seal = encoded(KOL, self.number + 1, kols(1))
        self.records += [Stored(*one, self.now, is_aborted=is_aborted) for one in records]
        if not is_aborted:
            self.number += 1
            self.now += 7
            self.records.append(Stored(*seal, self.now))
            self.kols.append((self.now + HOLDS_AFTER_MS, self.number))

    def retire(self, since: int) -> None:
        """Write the tombstones that are due once the oldest input record is as new as `since`."""
        self.asked_from = max(self.asked_from, since)
        log = read(committed(self.records))
        for kind in KINDS:
            for keys in log.superseded(kind, self.asked_from).values():
                self.records += [Stored(key, None, self.now) for key in keys]

    def is_found(self, log: NumberLog, at: int) -> bool:
        """Whether a log says at a record time what it has to say of both kinds."""
        number = int(log.numbers_at(KOL, np.array([at]))[0])
        assert not number or len(log.values_of(number)) == 1
        wanted = max((one for since, one in self.kols if since <= at), default=0)
        return number == wanted and said(log, at) == self.expected(at)

    def expected(self, at: int) -> Flags | None:
        """The state of the greatest number that holds at a record time."""
        holding = [(number, state) for since, number, state in self.held if since <= at]
        return max(holding, key=lambda one: one[0])[1] if holding else None

    def moments(self) -> Iterator[int]:
        """Record times that may be asked for: around every edge."""
        for since in [*(one[0] for one in self.held), *(one[0] for one in self.kols)]:
            yield from (at for at in (since - 1, since, since + 1) if at >= self.asked_from)
        yield from (self.asked_from, self.now + 10 * HOLDS_AFTER_MS)


def compacted(records: list[Stored], end: int, *, tombstones: bool) -> list[Stored]:
    """The topic after compaction up to an offset; old tombstones may go, too."""
    last = {one.key: at for at, one in enumerate(records[:end]) if not one.is_aborted}
    return [
        one
        for offset, one in enumerate(records)
        if offset >= end or (last.get(one.key) == offset and (one.value is not None or tombstones))
    ]


def committed(records: list[Stored]) -> list[Stored]:
    return [one for one in records if not one.is_aborted]


FLAG = st.sampled_from([-1, 0, 1])
STATES = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.tuples(FLAG, FLAG))


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    for _ in range(draw(st.integers(1, 8))):
        history.now += draw(st.integers(1, 3 * HOLDS_AFTER_MS))
        if draw(st.integers(0, 3)) == 0:
            history.retire(history.now - draw(st.integers(0, 5 * HOLDS_AFTER_MS)))
            continue
        if draw(st.integers(0, 3)) == 0:
            history.publish_kol(is_aborted=draw(st.booleans()))
            continue
        whole = [base for base in history.bases if base == max(history.bases)]
        base = draw(st.sampled_from([None, *whole]))
        damage = draw(
            st.sampled_from(["", "", "", "lost", "bent", "unsealed", "aborted", "aborted"])
        )
        history.publish(draw(STATES), base, damage)
    return history


@given(histories(), st.data())
def test_at_every_record_time_that_may_be_asked_for_the_same_holds_after_compaction(
    history: History, data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(history.records)))
    tombstones = data.draw(st.booleans())
    left = compacted(history.records, end, tombstones=tombstones)
    log = read(left if data.draw(st.booleans()) else committed(left))

    for at in history.moments():
        assert history.is_found(log, at)


@given(histories())
def test_who_reads_while_it_is_written_finds_what_a_replay_finds(history: History) -> None:
    for at in history.moments():
        so_far = [one for one in history.records if one.at <= at - HOLDS_AFTER_MS]

        assert history.is_found(read(so_far), at)


@given(histories(), st.integers(0, 10 * HOLDS_AFTER_MS))
def test_what_a_reader_gives_up_is_what_nobody_asks_for(history: History, ago: int) -> None:
    since = max(history.asked_from, history.now - ago)
    log = NumberLog()
    for one in history.records:
        log.add(one.key, one.value, one.at)
        for kind in KINDS:
            log.forget_before(kind, since)

    for at in history.moments():
        assert at < since or history.is_found(log, at)


@given(histories())
def test_a_number_is_never_used_twice(history: History) -> None:
    records = committed(history.records)
    compact = compacted(records, len(records), tombstones=True)

    assert read(compact).next_number == history.number + 1


ONE: Flags = {"a": (1, 0), "b": (-1, 1)}


def one_number(state: Flags = ONE, number: int = 1) -> list[Stored]:
    records, seal = encoded(CONTENT, number, contents(state))
    return [*(Stored(*record, 5) for record in records), Stored(*seal, 1_000)]


def test_a_number_holds_ten_seconds_after_its_seal() -> None:
    log = read(one_number())

    assert log.numbers_at(CONTENT, np.array([10_999, 11_000, FOREVER])).tolist() == [0, 1, 1]
    assert log.holding(CONTENT, 10_999) is None
    assert said(log, 11_000) == ONE


def test_what_is_not_sealed_does_not_hold() -> None:
    log = read(one_number()[:-1])

    assert log.holding(CONTENT, FOREVER) is None
    assert log.newest(CONTENT) is None
    assert log.unsealed() == [(CONTENT, 1)]
    assert not log.faults()


def test_a_record_time_of_a_producer_seals_nothing() -> None:
    log = NumberLog()
    for one in one_number():
        log.add(one.key, one.value, one.at, by_broker=False)

    assert "producer's" in log.faults()[0].why


def other(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def with_manifest(**changes: object) -> list[Stored]:
    """A number whose manifest says something else, and is sealed all the same."""
    part, manifest, seal = one_number()
    assert manifest.value is not None
    now = msgspec.structs.replace(numbered.decode_manifest(manifest.value), **changes)
    raw = numbered._encode_manifest(now)
    return [part, Stored(manifest.key, raw, 5), Stored(seal.key, xxh3_64_digest(raw), 9)]


def with_part(part: bytes, **changes: object) -> list[Stored]:
    """A number whose part says something else, with the right checksums."""
    _, *rest = with_manifest(sums=[xxh3_64_intdigest(part)], **changes)
    return [Stored(b"content/1/0", part, 5), *rest]


def packed(n: int, *, is_removal: bool = False, **columns: list[bytes]) -> bytes:
    """A part about ids `0` to `n - 1`."""
    ids = "".join(map(str, range(n))).encode()
    ends = np.arange(1, n + 1, dtype="<u4").tobytes()
    return msgspec.msgpack.encode([numbered.LAYOUT, is_removal, ids, ends, columns])


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (one_number()[1:], "part 0 of 1 is missing"),
        ([one_number()[0], *one_number()[2:]], "the manifest is missing"),
        (
            [Stored(one.key, other(one.value or b""), one.at) for one in one_number()[:1]]
            + one_number()[1:],
            "the checksum of part 0 is wrong",
        ),
        ([*one_number()[:-1], Stored(b"content/1/seal", b"x", 9)], "another manifest"),
        (
            [
                *one_number()[:-2],
                Stored(b"content/1/manifest", b"01234567x", 9),
                Stored(b"content/1/seal", xxh3_64_digest(b"01234567x"), 9),
            ],
            "the checksum of the manifest is wrong",
        ),
        (with_manifest(number=2), "the manifest is that of content/2"),
        (with_manifest(base=7), "its base, number 7, is not there"),
        (with_manifest(upserts=3), "another number of entries"),
        (with_manifest(kind="moods"), "manifest is that of moods"),
        (with_manifest(sums=["x"]), "the manifest cannot be read"),
        (with_part(b"\x90"), "part 0 cannot be read"),
        (with_part(packed(2, disclosed=[b"\1"], sponsored=[b"\1\0"])), "1 values of 2 ids"),
        (with_part(packed(2, disclosed=[])), "part 0 cannot be read"),
        (with_part(packed(2)[:-1]), "part 0 cannot be read"),
    ],
)
def test_a_number_that_is_not_whole_is_not_used_and_says_why(
    records: list[Stored], why: str
) -> None:
    log = read(records)
    (fault,) = log.faults()

    assert log.holding(CONTENT, FOREVER) is None
    assert (fault.kind, fault.number) == (CONTENT, 1)
    assert why in fault.why


@given(st.binary(max_size=60))
def test_bytes_that_are_no_part_are_a_fault(raw: bytes) -> None:
    assert len(read(with_part(raw)).faults()) == 1


def test_the_number_before_a_damaged_one_holds_on() -> None:
    later = [one._replace(at=one.at + 5_000) for one in one_number({"z": (0, 0)}, 2)]
    log = read(one_number() + later[1:])
    newest = log.newest(CONTENT)

    assert said(log, FOREVER) == ONE
    assert newest is not None
    assert newest.manifest.number == 1


def test_a_number_lives_whose_digits_another_kind_used_and_gave_up() -> None:
    records, seal = encoded(KOL, 1, kols(1))
    aborted = encoded(CONTENT, 1, contents(ONE))[0]
    later, its_seal = encoded(CONTENT, 2, contents(ONE))
    log = read([Stored(*one, 1_000) for one in (*aborted, *records, seal, *later, its_seal)])
    log.forget_before(CONTENT, FOREVER)

    assert [one.manifest.number for one in log.numbers(KOL)] == [1]
    assert log.superseded(KOL, FOREVER) == log.superseded(CONTENT, FOREVER) == {}


def test_a_kind_of_a_later_version_is_not_read() -> None:
    part, manifest, _ = with_manifest(kind="moods")
    assert manifest.value is not None
    keys = [RecordKey("moods", 1, one) for one in ("0", "manifest", "seal")]
    values = [part.value, manifest.value, xxh3_64_digest(manifest.value)]
    log = read([Stored(k.encode(), v, 1) for k, v in zip(keys, values, strict=True)])

    assert "knows no values of the kind moods" in log.faults()[0].why


def test_a_column_that_a_number_does_not_have_is_unknown() -> None:
    log = read(with_part(packed(2, disclosed=[b"\1\0"], mood=[b"\0\0"])))

    assert said(log, FOREVER) == {"0": (1, -1), "1": (0, -1)}


def test_a_record_with_another_key_says_nothing() -> None:
    log = read([Stored(b"kol", b"x", 1), Stored(b"content/01/0", b"x", 1)])
    log.add(None, b"x", 1)

    assert (log.next_number, log.faults()) == (1, [])


def test_a_tombstone_of_what_is_not_there_is_nothing() -> None:
    log = read([Stored(b"content/4/0", None, 1)])

    assert not log.unsealed()
    assert log.next_number == 5


def test_a_record_that_comes_again_changes_nothing() -> None:
    records = one_number()
    log = read([*records, *records, Stored(b"content/1/9", b"late", 1)])

    assert said(log, FOREVER) == ONE
    assert log.numbers(CONTENT)[0].stored_bytes == sum(len(one.value or b"") for one in records)


@pytest.mark.parametrize("key", [None, b"", b"kol/1", b"kol/x/0", b"kol/1/x", b"/1/0", b"a/1/2/3"])
def test_keys_that_are_none_of_ours(key: bytes | None) -> None:
    assert decode_key(key) is None


@pytest.mark.parametrize("part", ["0", "17", "manifest", "seal"])
def test_a_key_comes_back(part: str) -> None:
    key = RecordKey("kol", 12, part)

    assert decode_key(key.encode()) == key


def kols(n: int) -> Entries:
    names = [f"kol-{i}" for i in range(n)]
    keys = np.arange(2 * (n // 2), dtype=np.uint64).reshape(-1, 2)
    return Entries(
        texts(names),
        {
            "tier": texts([f"t{i % 3}" for i in range(n)]),
            "vertical": texts([""] * n),
            "display_name": texts([f"小夏 {i}" for i in range(n)]),
            "accounts": Lists(keys, np.cumsum(np.arange(n) % 2)),
        },
    )


def test_kols_have_texts_and_the_names_of_their_own_accounts() -> None:
    records, seal = encoded(KOL, 3, kols(4))
    more, its_seal = encoded(KOL, 4, kols(6).take(np.array([5, 1])), base=3, rows=5)
    log = read([Stored(*one, 1) for one in (*records, seal, *more, its_seal)])
    values = log.values_of(4)
    rows = values.rows(["kol-5", "kol-9", "kol-3", "kol-0"])

    assert values.texts("display_name", rows) == ["小夏 5", "", "小夏 3", "小夏 0"]
    assert [one.tolist() for one in values.keys("accounts", rows)] == [[[4, 5]], [], [[2, 3]], []]
    beside = np.array([[4, 5], [4, 5], [2, 4], [0, 1]], np.uint64)
    assert values.has("accounts", rows, beside).tolist() == [True, False, False, False]
    assert values.near("accounts", beside + np.uint64(1)).tolist() == [False] * 4
    assert values.near("accounts", beside).tolist() == [True] * 4  # by their first words
    assert values.ids(values.all_rows()) == ["kol-0", "kol-2", "kol-3", "kol-5", "kol-1"]


def test_a_delta_to_another_kind_is_damaged() -> None:
    base, its_seal = encoded(KOL, 1, kols(1))
    delta, seal = encoded(CONTENT, 2, contents(ONE), base=1)
    log = read([Stored(*one, 1) for one in (*base, its_seal, *delta, seal)])

    assert [fault.number for fault in log.faults()] == [2]


def test_a_part_is_no_longer_than_a_broker_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = numbered._HEAD_BYTES + 200
    monkeypatch.setattr(numbered, "PART_BYTES", limit)
    many = kols(60)
    records, seal = encoded(KOL, 1, many)
    removed, its_seal = encoded(KOL, 2, no_entries(KINDS[KOL]), base=1, removed=many.ids, rows=0)
    log = read([Stored(*one, 1) for one in (*records, seal, *removed, its_seal)])

    assert len(records) > 10
    assert max(len(value) for _, value in records[:-1]) <= limit
    assert log.values_of(1).ids(np.arange(60)) == strings(many.ids)
    assert len(log.values_of(2).all_rows()) == len(log.values_of(2)) == 0


def test_an_entry_that_is_longer_than_a_part_has_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbered, "PART_BYTES", numbered._HEAD_BYTES)
    records, _ = encoded(KOL, 1, kols(3))

    assert len(records) == 3 + 1


def test_an_id_stands_in_a_number_once() -> None:
    with pytest.raises(ValueError, match="content: an id is there twice"):
        encoded(CONTENT, 1, Entries(texts(["a", "a"]), contents(ONE).columns))


@pytest.mark.parametrize("ends", [[1, 0], [1, 1], [1, 3]])
def test_lists_that_do_not_end_where_they_should_are_damaged(ends: list[int]) -> None:
    part = msgspec.msgpack.encode(
        [numbered.LAYOUT, False, b"ab", np.array(ends, "<u4").tobytes(), {}]
    )

    assert "lists that do not end" in read(with_part(part)).faults()[0].why
