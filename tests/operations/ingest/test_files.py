"""Files are unpacked to their end or refused with a sentence, and merged by possible times."""

import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from schemas.events import FUTURE_MS, YEAR_2000
from streams.operations.ingest import files as ingest_files
from streams.operations.ingest.files import (
    DamagedFileError,
    FileError,
    merge_by_time,
    read_lines,
    read_messages,
)
from streams.operations.ingest.lines import Message, Unusable
from tests.operations.ingest.cases import (
    HOUR,
    NOW,
    T0,
    click,
    line,
    morning,
    paid,
    profile,
    written,
)

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
TEXT = b"".join(line(paid(f"o{n}", T0 + n, f"u{n % 977}")) for n in range(6_000))


def times(*paths: Path) -> list[int]:
    return [m.at - T0 for m in merge_by_time(paths, NOW) if isinstance(m, Message)]


def test_one_file_keeps_its_order_and_several_are_merged_by_time(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", [click("1", T0 + n) for n in (10, 4, 30)])
    b = written(tmp_path / "b.jsonl", [paid("1", T0 + n) for n in (5, 20)])

    assert times(a) == [10, 4, 30]
    assert times(a, b) == [5, 10, 4, 20, 30]


@pytest.mark.parametrize(
    "bad_clock", [T0 * 1_000, -T0, -1, 0, YEAR_2000 - 1, NOW + FUTURE_MS + 1, 2**62, 10**30]
)
def test_a_time_that_no_event_can_have_orders_no_file(tmp_path: Path, bad_clock: int) -> None:
    noon = written(tmp_path / "noon", morning(None, T0 + 5 * HOUR, "b"))
    early = written(tmp_path / "morning", morning(bad_clock))

    sent = [m.path.name for m in merge_by_time([noon, early], NOW) if isinstance(m, Message)]

    assert sent == ["morning"] * 81 + ["noon"] * 80


def test_the_latest_time_that_a_worker_accepts_orders_a_file(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [click("1", NOW + FUTURE_MS), click("2", T0)])
    b = written(tmp_path / "b", [click("3", T0 + 1)])

    assert [m.at for m in merge_by_time([a, b], NOW) if isinstance(m, Message)] == [
        *(T0 + 1, NOW + FUTURE_MS, T0)
    ]


def test_reference_records_go_before_events_of_the_same_time_and_by_time_among_themselves(
    tmp_path: Path,
) -> None:
    events = written(tmp_path / "events", [click("1", T0), click("2", T0 + 5)])
    late = written(tmp_path / "late", [profile("k1", T0 + 5)])
    early = written(tmp_path / "early", [profile("k1", T0), profile("k2", T0 + 9)])

    sent = [m for m in merge_by_time([events, late, early], NOW) if isinstance(m, Message)]

    assert [(m.topic, m.at - T0) for m in sent] == [
        *(("kol-profile", 0), ("clickstream", 0)),
        *(("kol-profile", 5), ("clickstream", 5), ("kol-profile", 9)),
    ]


def test_a_reference_record_among_events_does_not_hold_them_up(tmp_path: Path) -> None:
    mixed = [click("1", T0), profile("k1", NOW), click("2", T0 + 2)]
    first = written(tmp_path / "mixed", mixed)
    other = written(tmp_path / "other", [click("3", T0 + 1), click("4", T0 + 3)])

    assert times(first, other) == [0, NOW - T0, 1, 2, 3]


def test_a_reference_record_before_the_events_of_its_file_does_not_hold_them_up(
    tmp_path: Path,
) -> None:
    first = written(
        tmp_path / "first", [profile("k1", NOW), click("1", T0 + 1), click("2", T0 + 4)]
    )
    other = written(tmp_path / "other", [click("3", T0), click("4", T0 + 2)])
    odd = written(tmp_path / "odd", [profile("k2", T0 + 9), click("5", 0), click("6", T0 + 3)])

    assert times(first, other) == [0, NOW - T0, 1, 2, 4]
    assert times(odd, other) == [9, -T0, 0, 2, 3]  # as a time that no event can have: at once


def test_a_damaged_file_of_reference_records_gives_what_is_before_the_damage(
    tmp_path: Path,
) -> None:
    path = tmp_path / "profiles.gz"
    whole = gzip.compress(b"".join(line(profile(f"k{at}", T0 + at)) for at in range(2_000)))
    path.write_bytes(whole[:-50])

    messages = merge_by_time([path], NOW)

    assert isinstance(next(messages), Message)
    with pytest.raises(DamagedFileError):
        list(messages)


def test_a_line_that_is_no_message_is_given_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\nnot json\n" + line(click("1")))

    first, second = merge_by_time([path], NOW)

    assert isinstance(first, Unusable)
    assert first.line == 2
    assert isinstance(second, Message)
    assert second.line == 3


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_unpacked_whatever_their_name(tmp_path: Path, suffix: str) -> None:
    for name in (f"a{suffix}", f"a{suffix.upper()}", "a.jsonl"):
        path = tmp_path / name
        path.write_bytes(PACK[suffix](TEXT))

        assert b"".join(text or b"" for _, text in read_lines(path)) == TEXT


@pytest.mark.parametrize("suffix", PACK)
def test_archives_one_after_the_other_in_a_file_are_read_to_the_last(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACK[suffix](TEXT) + PACK[suffix](TEXT[:0]) + PACK[suffix](b"\n" + TEXT))

    assert b"".join(text or b"" for _, text in read_lines(path)) == TEXT + b"\n" + TEXT


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.999])
def test_an_archive_that_is_cut_short_says_so_after_its_whole_lines(
    tmp_path: Path, suffix: str, kept: float
) -> None:
    packed = PACK[suffix](TEXT)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(packed[: int(len(packed) * kept)])
    lines: list[bytes] = []

    with pytest.raises(DamagedFileError, match="cut short after line"):
        lines.extend(text or b"" for _, text in read_lines(path))

    assert TEXT.startswith(b"".join(lines))


@pytest.mark.parametrize("suffix", PACK)
def test_a_damaged_archive_says_so(tmp_path: Path, suffix: str) -> None:
    packed = bytearray(PACK[suffix](TEXT))
    packed[len(packed) // 2 :] = random.Random(1).randbytes(len(packed) - len(packed) // 2)
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(packed)

    with pytest.raises(DamagedFileError, match="damaged"):
        list(read_lines(path))


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("content", [b"", b"{}", TEXT])
def test_a_false_archive_says_so(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"false{suffix}"
    path.write_bytes(content)

    with pytest.raises(FileError, match=f"is no {suffix} archive"):
        list(read_lines(path))


@pytest.mark.parametrize("name", ["folder", "missing"])
def test_a_folder_and_a_missing_file_are_refused_before_anything_is_given(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    good = written(tmp_path / "good", [click("1")])

    with pytest.raises(FileError, match=f"{name} cannot be read: "):
        next(merge_by_time([good, tmp_path / name], NOW))


def test_of_a_line_without_end_only_a_bounded_part_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_files, "MOST_LINE_BYTES", 200)
    path = tmp_path / "long"
    path.write_bytes(b"x" * 199 + b"\n" + b"x" * 1_000 + b"\n" + line(click("1")) + b"x" * 200)

    first, second, third, fourth = read_messages(path)

    assert isinstance(first, Unusable)
    assert first.why == "not JSON, or no object"
    assert isinstance(second, Unusable)
    assert second.why == "more than 200 bytes"
    assert isinstance(third, Message)
    assert third.line == 3
    assert isinstance(fourth, Unusable)
