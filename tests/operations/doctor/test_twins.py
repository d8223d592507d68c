from streams.operations.doctor.findings import Severity
from streams.operations.doctor.twins import SHOWN, Earned, finding, near_twins

SPELLINGS = (  # one KOL in many spellings, and another in two forms of its accent
    *("kol-xia", "KOL-Xia", " kol-xia", "kol-xia\u200b", "ｋｏｌ-xia", "kol-xia\u00a0"),
    *("\u00e9milie", "e\u0301milie"),
)


def earned(*ids: str, cents: int = 1_000, currency: str = "CNY") -> list[Earned]:
    return [Earned(one, currency, cents) for one in ids]


def test_ids_that_look_alike_are_listed_with_their_cents_and_their_writing_is_seen() -> None:
    found = finding(near_twins(earned(*SPELLINGS, "kol-xi", "organic", "Organic")))

    assert found.severity is Severity.WARNING
    assert found.what.startswith("8 look like another one and earn apart (time_decay): ")
    for shown in ("'kol-xia' 1,000 cents CNY", r"'kol-xia\u200b'", r"'e\u0301milie'", "'émilie'"):
        assert shown in found.what
    assert "'kol-xi'" not in found.what
    assert "rganic" not in found.what


def test_what_is_earned_in_two_currencies_is_never_one_number() -> None:
    rows = [*earned("a", "A", cents=5), *earned("a", cents=7, currency="JPY")]

    assert "'a' 7 cents JPY, 5 cents CNY" in finding(near_twins(rows)).what


def test_those_with_most_cents_are_listed_and_the_others_are_a_number() -> None:
    rows = [one for n in range(15) for one in earned(f"k{n}", f"K{n}", cents=n)]
    found = finding(near_twins(rows)).what

    assert "30 look like" in found
    assert found.endswith(f"; and {30 - SHOWN} more")
    assert "'k14' 14 cents" in found
    assert "'k4'" not in found


def test_where_all_ids_differ_all_is_fine() -> None:
    assert finding(near_twins(earned("a", "b", "ä"))).severity is Severity.FINE
