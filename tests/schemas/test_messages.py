"""Whatever a scanner takes, and whatever it leaves: what is read is the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.messages import Rows, parse
from schemas.placeholders import Placeholders
from schemas.scanning import CompiledScanner, Field, Scanned
from tests.builders import NAMES, record_batch
from tests.schemas.test_scanning import read
from tests.strategies import messages

TOPICS = pytest.mark.parametrize("topic", INPUTS)


@dataclass(frozen=True)
class Choosy:
    """Takes those of some messages that can be read, in the readable way."""

    wanted: frozenset[int]

    def rows(
        self, batch: RecordBatch, placeholders: Placeholders, *, in_full: bool
    ) -> tuple[Rows, NDArray[np.int64]]:
        places = [place for place in range(len(batch.values)) if place in self.wanted]
        some = replace(batch, values=[batch.values[place] for place in places])
        rows = parse(some, NAMES, placeholders, in_full=in_full).rows
        taken = np.array(places, np.int64)[rows.place]
        left = np.setdiff1d(np.arange(len(batch.values)), taken)
        return replace(rows, place=taken), left


class Idle:
    """Compiled functions that are certain of nothing."""

    version = "0"

    def layout(self, fields: Sequence[Field], *_: object) -> Sequence[Field]:
        return fields

    def scan(self, messages: list[bytes | None], layout: Sequence[Field], *_: object) -> Scanned:
        numbers, bytes_ = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        empty: dict[str, Any] = {
            "int": numbers,
            "float": np.zeros(0),
            "flag": bytes_,
            "digest": bytes_,
            "number": (np.zeros(0, np.int32), []),
            "text": [],
        }
        return {
            "taken": numbers,
            "left": np.arange(len(messages)),
            "at": numbers,
            "identities": bytes_,
            "users": bytes_,
            "murmurs": np.zeros(0, np.uint32),
            "near": [],
            "fields": {one.name: empty[one.keep] for one in layout if one.keep},
        }


@TOPICS
@given(st.data())
def test_which_messages_a_scanner_takes_does_not_matter(topic: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(messages(topic), max_size=10))
    wanted = data.draw(st.frozensets(st.integers(0, 9)))
    in_full = data.draw(st.booleans())
    batch = record_batch(topic, sent)

    with_it = decode(batch, NAMES, scanner=Choosy(wanted), in_full=in_full)

    assert read(with_it) == read(decode(batch, NAMES, in_full=in_full))


@TOPICS
def test_a_scanner_that_takes_nothing_changes_nothing(topic: str) -> None:
    batch = record_batch(topic, [None, b"{}", b"[]"])

    with_it = decode(batch, NAMES, scanner=CompiledScanner(Idle()))

    assert read(with_it) == read(decode(batch, NAMES))
