from streams.operations.doctor.findings import Severity
from streams.operations.doctor.twins import SHOWN, Kol, finding, near_twins

SPELLINGS = (  # one KOL in many spellings, and another in two forms of its accent
    *("kol-xia", "KOL-Xia", " kol-xia", "kol-xia\u200b", "ｋｏｌ-xia", "kol-xia\u00a0"),
    *("\u00e9milie", "e\u0301milie"),
)


def earned(*ids: str, cents: int = 1_000) -> list[Kol]:
    return [Kol(one, {"CNY": cents}) for one in ids]


def test_ids_that_look_alike_are_listed_with_their_cents_and_their_writing_is_seen() -> None:
    found = finding(near_twins(earned(*SPELLINGS, "kol-xi", "organic", "Organic")))

    assert found.severity is Severity.WARNING
    assert found.what.startswith("8 look like another one and earn apart (time_decay): ")
    for shown in ("'kol-xia' 1,000 cents CNY", r"'kol-xia\u200b'", r"'e\u0301milie'", "'émilie'"):
        assert shown in found.what
    assert "'kol-xi'" not in found.what
    assert "rganic" not in found.what


def test_what_is_earned_in_two_currencies_is_never_one_number() -> None:
    kols = [Kol("a", {"CNY": 5, "JPY": 7}), *earned("A", cents=5)]

    assert "'a' 7 cents JPY, 5 cents CNY" in finding(near_twins(kols)).what


def test_those_with_most_cents_are_listed_and_the_others_are_a_number() -> None:
    kols = [one for n in range(15) for one in earned(f"k{n}", f"K{n}", cents=n)]
    found = finding(near_twins(kols)).what

    assert "30 look like" in found
    assert found.endswith(f"; and {30 - SHOWN} more")
    assert "'k14' 14 cents" in found
    assert "'k4'" not in found


def test_two_of_one_display_name_are_near_twins_also_without_an_order() -> None:
    kols = [
        Kol("kol-1", {"CNY": 1_000}, "小米妈妈", "ab" * 16),
        Kol("kol-2", {}, "小米 妈妈", "cd" * 16),
        Kol("kol-3", {}, "小米\u200b妈妈", "ef" * 16),
        Kol("kol-4", {}, "小鱼妈妈"),
    ]
    found = finding(near_twins(kols)).what

    assert found == (
        "2 look like another one and earn apart (time_decay): "
        "'kol-1' ('小米妈妈', account abababab) 1,000 cents CNY; "
        r"'kol-3' ('小米\u200b妈妈', account efefefef) nothing"
    )


def test_one_that_calls_itself_by_another_s_id_is_a_near_twin() -> None:
    groups = near_twins([Kol("kol-xia"), Kol("k9", {"CNY": 1}, "KOL-Xia"), Kol("k8", {}, "k8")])

    assert [[one.kol_id for one in group] for group in groups] == [["k9", "kol-xia"]]


def test_a_kol_whose_name_is_its_id_is_alone_and_no_name_is_like_no_other() -> None:
    kols = [Kol("小夏", {}, "小夏"), *(Kol(one, {}, "null") for one in "ab"), Kol("c"), Kol("d")]

    assert near_twins(kols) == []


def test_one_that_is_like_two_is_named_once() -> None:
    kols = [Kol("a", {"CNY": 3}, "B"), Kol("A", {"CNY": 2}), Kol("b", {"CNY": 1})]

    assert finding(near_twins(kols)).what.endswith(
        ": 'a' ('B') 3 cents CNY; 'A' 2 cents CNY; 'b' 1 cents CNY"
    )


def test_where_all_ids_differ_all_is_fine() -> None:
    assert finding(near_twins(earned("a", "b", "ä"))).severity is Severity.FINE
