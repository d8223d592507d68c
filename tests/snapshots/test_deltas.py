"""A delta says how a chunk differs from its base, and no more."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.snapshots.deltas import apply_delta, encode_delta

ENDLESS = 1 << 20
chunks = st.binary(max_size=80)


@given(chunks, chunks)
def test_a_base_and_its_delta_are_the_chunk(base: bytes, chunk: bytes) -> None:
    delta = encode_delta(base, chunk, ENDLESS)

    assert delta is not None
    assert apply_delta(base, delta).tobytes() == chunk


def test_a_number_that_changed_costs_ten_bytes() -> None:
    base = np.arange(32_768)
    chunk = base.copy()
    chunk[[0, 77, 32_767]] = -1
    delta = encode_delta(base.tobytes(), chunk.data.cast("B"), ENDLESS)

    assert delta is not None
    assert len(delta) == 8 + 3 * 10


def test_a_chunk_that_changed_too_much_has_no_delta() -> None:
    base, chunk = np.zeros(100, np.int64), np.arange(100)  # the first one is alike

    assert encode_delta(base.tobytes(), chunk.tobytes(), 8 + 99 * 10) is not None
    assert encode_delta(base.tobytes(), chunk.tobytes(), 8 + 99 * 10 - 1) is None
