"""What a record of a reference topic says in a row, and of whom it says nothing."""

from typing import Any

import numpy as np
import pytest

from schemas.erasures import Erasures
from schemas.keyed_names import KeyedNames, as_hex
from schemas.reference import Tombstone
from schemas.reference_types import Coupon, Identity, KolProfile, Perception, Policy
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.rows import Stated, moment, rows_of

NAMES = KeyedNames(b"k" * 32)
TS = 1_767_225_600_000
MOMENT = "2026-01-01 00:00:00.000"


def persons(**erased: int) -> Persons:
    """Everybody, of whom these were erased up to a record time."""
    count = len(erased)
    found = Persons(NAMES)
    found.add(
        Erasures(
            NAMES.users(list(erased)),
            np.array(list(erased.values()), np.int64),
            np.arange(count),
            unreadable=0,
        )
    )
    return found


def name(user: str) -> str:
    return as_hex(NAMES.users([user])[0].tolist())


def later(user: str, since: int) -> str:
    return as_hex(NAMES.later(NAMES.users([user]), np.array([since]))[0].tolist())


def identity(anon: str, user: str) -> Identity:
    return Identity(anon_id=anon, ts=TS, user_id=user)


def row(what: Any, topic: str, at: int, who: Persons) -> dict[str, Any] | None:  # noqa: ANN401  # a record
    rows = rows_of(topic, 3, [Stated(41, at, what)], who)
    return rows[0] if rows else None


def test_a_row_stands_under_its_reading_and_offset() -> None:
    found = row(Policy(policy_id="p", ts=TS), "policy", TS, persons())

    assert found is not None
    assert {key: found[key] for key in ("reading", "version", "received_at", "deleted")} == {
        "reading": 3,
        "version": 42,
        "received_at": MOMENT,
        "deleted": False,
    }


def test_of_a_key_in_a_batch_only_the_last_record_becomes_a_row() -> None:
    stated = [
        Stated(1, TS, Policy(policy_id="p", ts=TS, type="first")),
        Stated(2, TS, Policy(policy_id="q", ts=TS)),
        Stated(3, TS, Tombstone("policy", ("p",))),
    ]

    rows = rows_of("policy", 1, stated, persons())

    assert [(one["policy_id"], one["version"], one["deleted"]) for one in rows] == [
        ("p", 4, True),
        ("q", 3, False),
    ]


def test_no_id_of_a_person_stands_in_a_row() -> None:
    found = [
        row(identity("anon-17", "user-17"), "identity", TS, persons()),
        row(
            Perception(kol_id="k", respondent="who-17", wave="w", ts=TS, user_id="user-17"),
            "perception",
            TS,
            persons(),
        ),
        row(KolProfile(kol_id="k", user_id="user-17"), "kol-profile", TS, persons()),
    ]

    assert "-17" not in str(found)
    assert name("user-17") in str(found[0])
    assert name("anon-17") in str(found[0])
    assert name("who-17") in str(found[1])
    assert name("user-17") in str(found[2])


def test_what_is_about_an_erased_person_is_taken_back_and_a_key_that_names_one_is_no_row() -> None:
    who = persons(u1=TS)

    assert row(identity("a1", "u1"), "identity", TS, who) == {
        "anon_hash": name("a1"),
        "bound_at": MOMENT,
        "deleted": True,
        "reading": 3,
        "version": 42,
        "received_at": MOMENT,
    }
    assert row(identity("u1", "u2"), "identity", TS, who) is None
    assert row(Tombstone("identity", ("u1", TS)), "identity", TS, who) is None


def test_who_comes_after_an_erased_person_has_another_name() -> None:
    found = row(identity("u1", "u1"), "identity", TS + 1, persons(u1=TS))

    assert found is not None
    assert (found["anon_hash"], found["user_hash"]) == 2 * (later("u1", TS),)


def test_a_kol_whose_account_was_erased_is_still_a_kol() -> None:
    found = row(KolProfile(kol_id="k", user_id="u1", tier="koc"), "kol-profile", TS, persons(u1=TS))

    assert found is not None
    assert (found["tier"], found["user_hash"], found["deleted"]) == ("koc", "", False)


@pytest.mark.parametrize(("geo", "text"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), (None, "")])
def test_a_region_is_the_same_text_as_in_events_however_its_number_is_written(
    geo: float | None, text: str
) -> None:
    found = row(Identity(anon_id="a", ts=TS, user_id="u", geo=geo), "identity", TS, persons())

    assert found is not None
    assert found["geo"] == text


@pytest.mark.parametrize("ms", [2**63 - 1, 10_413_792_000_000])
def test_a_moment_that_no_column_can_hold_is_the_last_one(ms: int) -> None:
    coupon = Coupon(coupon_id="c", since=ms)
    found = row(KolProfile(kol_id="k", coupon_ids=(coupon,)), "kol-profile", TS, persons())

    assert found is not None
    assert found["coupons_since"] == ["2299-12-31 23:59:59.999"]


@pytest.mark.parametrize("ms", [-(2**63), -2_208_988_800_001])
def test_a_moment_before_all_that_a_column_can_hold_is_its_first(ms: int) -> None:
    assert moment(ms) == "1900-01-01 00:00:00.000"


def test_names_of_all_persons_behind_an_erased_id_are_known() -> None:
    moments = Erasures(NAMES.users(["u1", "u1", "u2"]), np.array([5, 9, 2]), np.arange(3), 0)
    who = Persons(NAMES)
    who.add(moments)
    who.add(moments)

    assert set(who.erased_since(6)) == {name("u1"), later("u1", 5)}
    assert set(who.erased_since(0)) == {name("u1"), later("u1", 5), name("u2")}


def test_bytes_that_may_be_about_an_erased_person_are_known() -> None:
    who = persons(u1=TS)

    assert who.is_about_erased(b'{"user_id": "u1"', TS)
    assert not who.is_about_erased(b'{"user_id": "u1"', TS + 1)
    assert not who.is_about_erased(b'{"user_id": "u2"', TS)
