"""Files of events become messages: byte for byte, in order, merged by event time."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streams.operations.ingest import Message, Unusable, as_bytes, merge_by_time, parse_line


def line(topic: str, ts: int, user: str = "u1") -> str:
    return json.dumps({"topic": topic, "value": {"ts": ts, "user_id": user}})


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_value_is_sent_byte_for_byte_as_it_stands_in_the_file() -> None:
    odd = b'{"user_id": "u1",  "ts":5, "a":1.50, "a":2, "big":123456789012345678901234567890}'

    assert parse_line(b'{"topic":"clickstream","value":' + odd + b"}").value == odd


def test_the_key_is_the_user_unless_it_is_given() -> None:
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":"u1"}}').key == b"u1"
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":"u1"},"key":"x"}').key == b"x"
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":7}}').key is None


def test_raw_is_sent_as_it_is_given_even_when_it_is_no_utf8() -> None:
    assert parse_line(b'{"topic":"clickstream","raw":"{oops"}').value == b"{oops"
    assert (
        parse_line(b'{"topic":"clickstream","raw":"\\udcff\\u597d"}').value == b"\xff\xe5\xa5\xbd"
    )
    assert parse_line(b'{"topic":"clickstream","raw":null}').value is None


@given(st.binary())
def test_any_bytes_can_be_written_as_raw(raw: bytes) -> None:
    assert as_bytes(raw.decode("utf-8", "surrogateescape")) == raw


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"[]",
        b'{"topic":"elsewhere","value":{}}',
        b'{"topic":"clickstream"}',
        b'{"topic":"clickstream","raw":5}',
        b'{"topic":"clickstream","raw":"x","key":5}',
        b'{"value":{}}',
    ],
)
def test_a_line_that_names_no_message_is_told_with_its_number(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n" + bad + b"\n" + line("clickstream", 1).encode())

    first, second = merge_by_time([path])

    assert isinstance(first, Unusable)
    assert first.line == 2
    assert isinstance(second, Message)


def test_one_file_keeps_its_order_and_several_are_merged_by_time(tmp_path: Path) -> None:
    a = written(
        tmp_path / "a.jsonl",
        line("clickstream", 10),
        line("clickstream", 4),
        line("clickstream", 30),
    )
    b = written(tmp_path / "b.jsonl", line("purchases", 5), line("purchases", 20))

    assert [m.at for m in merge_by_time([a]) if isinstance(m, Message)] == [10, 4, 30]
    assert [m.at for m in merge_by_time([a, b]) if isinstance(m, Message)] == [5, 10, 4, 20, 30]


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    text = (line("clickstream", 1) + "\n").encode()
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.zst").write_bytes(zstandard.compress(text))

    assert len(list(merge_by_time([tmp_path / "a.gz"]))) == 1
    assert len(list(merge_by_time([tmp_path / "a.zst"]))) == 1
