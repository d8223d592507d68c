import pytest

from schemas.cells import NAMES
from schemas.doors import Door, RejectReason
from schemas.events import INPUTS, KINDS, Kind


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_known_on_its_own_topic_only(kind: Kind) -> None:
    assert [topic for topic in INPUTS if kind.label in KINDS[topic]] == [kind.topic]
    assert KINDS[kind.topic][kind.label] is kind


def test_codes_that_snapshots_hold_are_never_renumbered() -> None:
    assert {kind.label: int(kind) for kind in Kind} == {
        "impression": 0,
        "click": 1,
        "search": 2,
        "pdp_view": 3,
        "add_cart": 4,
        "checkout": 5,
        "coupon_view": 6,
        "service_push": 7,
        "view": 32,
        "like": 33,
        "save": 34,
        "comment": 35,
        "danmaku": 36,
        "share": 37,
        "follow": 38,
        "unfollow": 39,
        "screenshot": 40,
        "revisit": 41,
        "search_after_view": 42,
        "join_private": 43,
        "leave_private": 44,
        "qa_attend": 45,
        "co_create": 46,
        "ugc_post": 47,
        "report": 48,
        "kol_reply": 49,
        "mark_helpful": 50,
        "mark_correct": 51,
        "expert_correction": 52,
        "paid": 96,
        "refund": 97,
        "cancel": 98,
        "refund_reversed": 99,
    }
    assert [door.label for door in Door] == ["written", "duplicate", "duplicate_order", "too_late"]
    assert [int(door) for door in Door] == [0, 1, 2, 3]
    assert [reason.label for reason in RejectReason] == [
        "not_json",
        "invalid",
        "unknown_kind",
        "reserved_id",
        "too_large",
        "bad_time",
        "from_the_future",
        "null_value",
        "wrong_partition",
        "placeholder_id",
        "null_key",
        "wrong_key",
    ]
    assert [int(reason) for reason in RejectReason] == [*range(12)]


def test_every_field_of_a_cell_has_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
