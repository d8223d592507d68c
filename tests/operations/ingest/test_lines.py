"""A line of a file becomes a message, byte for byte."""

import json
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioner import partition_of
from streams.operations.ingest.lines import MOST_BYTES, as_bytes, parse_line
from tests.operations.ingest.cases import ODD_CHARACTERS, paid


def test_a_value_is_sent_byte_for_byte_as_it_stands_in_the_file() -> None:
    odd = b'{"user_id": "u1",  "ts":5, "a":1.50, "a":2, "big":123456789012345678901234567890}'

    assert parse_line(b'{"topic":"clickstream","value":' + odd + b"}").value == odd


def test_the_key_is_the_user_unless_it_is_given() -> None:
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":"u1"}}').key == b"u1"
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":"u1"},"key":"x"}').key == b"x"
    assert parse_line(b'{"topic":"clickstream","value":{"user_id":7}}').key is None


def test_a_reference_record_gets_the_key_that_its_value_says() -> None:
    notice = b'{"kol_id":"k/1","kind":"violation","ref":"r","ts":5}'

    assert parse_line(b'{"topic":"kol-notice","value":' + notice + b"}").key == b"k%2F1/violation/r"
    assert parse_line(b'{"topic":"kol-consents","value":{"user_id":"u1","ts":5}}').key == b"u1"
    given = parse_line(b'{"topic":"kol-notice","key":"x","value":' + notice + b"}")
    assert (given.key, given.value, given.at) == (b"x", notice, 5)


def test_a_reference_record_without_a_value_needs_a_key() -> None:
    gone = parse_line(b'{"topic":"kol-profile","key":"k1","raw":null}')

    assert (gone.key, gone.value) == (b"k1", None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"topic":"kol-profile","raw":null}', "says none$"),
        (b'{"topic":"kol-profile","key":"","value":{"kol_id":"k1"}}', "says none$"),
        (b'{"topic":"kol-profile","key":null,"value":{"kol_id":"k1"}}', "says none$"),
        (b'{"topic":"kol-profile","value":{"kol_id":7}}', r"says none: .*kol_id"),
        (b'{"topic":"kol-profile","raw":"{oops"}', "says none: "),
    ],
)
def test_a_reference_record_without_a_key_cannot_be_sent(line: bytes, why: str) -> None:
    """Brokers refuse it, and all that is under way with it."""
    with pytest.raises(ValueError, match=r"of kol-profile needs a \"key\", .*" + why):
        parse_line(line)


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
def test_a_line_that_names_no_message_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|topic|value|raw|key"):
        parse_line(bad)


@pytest.mark.parametrize(
    "value",
    [
        rb'{"user_id":"u1","ts":5,"note":"\udc00","score":1.10,"big":12345678901234567890123}',
        rb'{"a": 1.50 ,"note":"\ud83d","a":2, "b":[1e400,-0,1E+2, 0.10]}',
        rb'{"note":"\ud83d\u0041\/","b":{"c":{"d":[{},[]]}}}',
        b'{"price":NaN,"b":[Infinity,-Infinity]}',
        b'{"big":' + b"1" * 5_000 + rb',"half":"\udc00"}',
        '{"brand":"宝宝","half":"\\ud83d"}'.encode(),
        b'{"broken":"\xff\xfe","half":"\\ud83d"}',
        rb'"\ud800"',
        rb'["\ud800", 1.10]',
    ],
)
def test_what_only_a_lenient_reader_reads_is_sent_as_it_stands(value: bytes) -> None:
    for before, after in ((b"", b""), (b" ", b"\t"), (b'1.10,"value":', b',"note":"\\ud83d"')):
        line = b'{"topic": "purchases" , "value":' + before + value + after + b"}\r\n"

        assert parse_line(line).value == value


def test_half_an_emoji_beside_the_user_leaves_the_key_and_the_time() -> None:
    message = parse_line(rb'{"topic":"purchases","value":{"user_id":"u54","ts":5,"note":"\udc00"}}')

    assert (message.key, message.at) == (b"u54", 5)


def test_the_key_may_hold_what_is_no_text() -> None:
    line = rb'{"topic":"purchases","value":{"ts":5},"key":"\udcff\ud83d\udc76"}'

    assert parse_line(line).key == b"\xff" + "\U0001f476".encode()


@pytest.mark.parametrize("odd", ODD_CHARACTERS)
def test_odd_characters_are_kept_byte_for_byte_and_find_their_partition(odd: str) -> None:
    for ascii_only in (True, False):
        value = json.dumps(paid(f"o{odd}", user=odd), ensure_ascii=ascii_only).encode()
        message = parse_line(b'{"topic": "purchases", "value": ' + value + b"}")

        assert message.value == value
        assert message.key == odd.encode()
        assert message.partition(4) == partition_of(odd.encode(), 4)


def test_what_is_larger_than_a_topic_takes_is_no_message() -> None:
    def line(size: int) -> bytes:
        return b'{"topic":"purchases","raw":"' + b"x" * size + b'"}'

    assert len(parse_line(line(MOST_BYTES)).value or b"") == MOST_BYTES
    with pytest.raises(ValueError, match="more than a topic takes"):
        parse_line(line(MOST_BYTES + 1))


def test_whatever_a_line_is_its_value_stands_in_it_or_it_is_no_message() -> None:
    rng = random.Random(7)
    good = rb'{"topic":"purchases","value":{"user_id":"u","x":["\ud800",1.10,{}]},"key":"k"}'
    for _ in range(2_000):
        at = rng.randrange(len(good))
        bad = good[:at] + rng.randbytes(rng.randrange(3)) + good[at + rng.randrange(3) :]
        with suppress(ValueError):
            assert (parse_line(bad).value or b"") in bad
