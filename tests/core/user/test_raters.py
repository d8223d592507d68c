"""Who says something is believed by what is known of him when it is said."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.entries import Entries, names_of, texts
from schemas.keyed_names import as_hex
from schemas.numbered import HOLDS_AFTER_MS, RATER, encode_number
from streams.core.user.evidence import credibility
from streams.core.user.known_values import KnownValues
from tests.builders import KEY, NOON, SECOND, interaction
from tests.core.user.test_memory import Reader
from tests.keyed import user_hash

Said = dict[str, tuple[float, bool]]  # keyed name -> agreement, has bought


def publish(
    known: KnownValues, said: Said, holds_from: int, base: tuple[int, Said] | None = None
) -> int:
    number = known.log.next_number
    former = {} if base is None else base[1]
    new = {name: value for name, value in said.items() if former.get(name) != value}
    columns: dict[str, Any] = {
        "agreement": np.array([agreement for agreement, _ in new.values()], np.float64),
        "bought": np.array([bought for _, bought in new.values()], np.int8),
    }
    records, seal = encode_number(
        RATER,
        number,
        Entries(texts(list(new)), columns),
        base=None if base is None else base[0],
        removed=texts([name for name in former if name not in said]),
        rows=len(said),
    )
    for record in [*records, seal]:
        known.log.add(*record, holds_from - HOLDS_AFTER_MS)
    return number


@pytest.mark.parametrize(
    ("age", "agreement", "bought", "expected"),
    [
        (400.0, math.nan, False, 250_000),
        (400.0, 0.5, True, 500_000),
        (400.0, 0.9, True, 900_000),
        (15.0, 0.8, False, 100_000),
        (math.nan, 0.8, True, 392_000),  # 21 days: .49
        (0.0, 1.0, True, 0),
    ],
)
def test_credibility_is_agreement_times_age_squared_times_purchase(
    age: float,
    agreement: float,
    bought: bool,  # noqa: FBT001  # a case
    expected: int,
) -> None:
    found = credibility(np.array([age]), np.array([agreement]), np.array([bought]))

    assert found.tolist() == [expected]


def test_a_word_is_weighed_by_the_number_that_holds_when_it_comes() -> None:
    known = KnownValues()
    publish(known, {user_hash(KEY, "u1"): (0.8, True)}, NOON + 10 * SECOND)
    reader = Reader()
    reader.memory.ask(known)
    fields: dict[str, Any] = {"account_age_d": 400}
    for n, (user, second) in enumerate([("u1", 9), ("u1", 10), ("u2", 10)]):
        at = NOON + second * SECOND
        kol = f"k{n}"
        one = interaction("mark_correct", kol_id=kol, user_id=user, event_id=kol, ts=at, **fields)
        reader.fold(one)

    assert [reader.cell(f"k{n}")["for_E"] for n in range(3)] == [250_000, 800_000, 250_000]
    assert reader.cell("k1")["credible_days"] == 800_000


names = st.integers(0, 5).map(lambda n: as_hex((n % 3, 2**63 + n)))
states = st.dictionaries(names, st.tuples(st.sampled_from([0.25, 0.75]), st.booleans()))


@given(states, states)
def test_raters_are_found_in_a_delta_and_its_base(before: Said, after: Said) -> None:
    known = KnownValues()
    base = publish(known, before, NOON)
    publish(known, after, NOON + SECOND, (base, before))
    every = [as_hex((n % 3, 2**63 + n)) for n in range(6)]
    keys = names_of(texts(every))
    for said, at in ((before, NOON), (after, NOON + SECOND)):
        found = known.raters(keys, np.full(len(every), at))
        wanted = [said.get(name, (math.nan, False)) for name in every]

        assert [*zip(found.agreement.tolist(), found.bought.tolist(), strict=True)] == [
            (pytest.approx(agreement, nan_ok=True), bought) for agreement, bought in wanted
        ]


def test_an_id_that_is_no_keyed_name_is_none() -> None:
    with pytest.raises(ValueError, match="no keyed name"):
        names_of(texts(["u1"]))
