import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.placeholders import (
    DEFAULT,
    PLACEHOLDER_IDS,
    Placeholders,
    folded,
    is_reserved,
)
from tests.builders import click, decoded, interaction, paid, refund
from tests.schemas.plain import NOBODY, plain_fold
from tests.strategies import spellings, text

NEAR = st.text(st.sampled_from("oOrganicNULl0-[]ﬁﬂßıİ\u0338\u0301 \t\n\u200b\xadｎ～~\u3000\xa05"))
texts = st.one_of(spellings, spellings, text, NEAR)
ACCENTED = Placeholders(["né", "無", "a\u0338b c", "ß"])  # a list of the operator's own


# Laws


@given(texts)
@example("e\u200b\u0301")  # letter and accent meet when what is between them goes
@example("\u03d3\u0345")
def test_what_is_folded_stays_as_it_is(name: str) -> None:
    assert folded(folded(name)) == folded(name)
    assert folded(name) == plain_fold(name)


@given(texts)
def test_case_width_form_and_space_do_not_show_in_a_fold(name: str) -> None:
    for same in (
        unicodedata.normalize("NFD", name),
        unicodedata.normalize("NFKC", name),
        f" \u200b{name}\u3000\n",
        name.replace(" ", " \t "),
    ):
        assert folded(same) == folded(name)


@given(st.sets(texts, max_size=12), st.sampled_from([DEFAULT, ACCENTED]))
@example({"undefined\n"}, DEFAULT)
@example({"u1\nnull", "u2"}, DEFAULT)
@example({"\u0338", "="}, DEFAULT)  # a mark at the border of two ids belongs to neither
@example({"ne\u0301", "SS", "u5"}, ACCENTED)
@example({"無"}, ACCENTED)
def test_a_batch_is_searched_as_id_by_id(ids: set[str], placeholders: Placeholders) -> None:
    nobody = {one for one in ids if one in placeholders}
    reserved = {one for one in ids if is_reserved(one)}

    assert placeholders.among(ids) == nobody
    assert placeholders.among_kols(ids) == (frozenset(nobody), frozenset(reserved))


# Every character there is


def test_no_character_but_ideographs_and_its_own_letters_hides_a_placeholder() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x110000)):
        fold = folded.__wrapped__(chr(code))
        if 0x4000 <= code < 0xA000:
            assert fold == chr(code)
        elif code < 0x80 and chr(code).isprintable() and code != ord(" "):
            assert fold == chr(code).lower()
        if "~" in fold:
            assert chr(code) in "~\uff5e"


# Examples


def test_the_list_is_that_of_the_plain_reader() -> None:
    assert {plain_fold(one) for one in PLACEHOLDER_IDS} | {""} == NOBODY


@pytest.mark.parametrize(
    "name",
    [
        *(
            "undefined",
            "UNDEFINED",
            " Null ",
            "ＮａＮ",
            "nu\u200bll",
            "[object  Object]",
            "0",
            "-1",
        ),
        *(" ", "\u3000", "\u200b", "\n", "00000000-0000-0000-0000-000000000000"),
        *("\u202enull\u202c", "null\u200e", "NaN\ufe0f", "\u3164", "nil\U000e0020", "\u2066"),
    ],
)
def test_nobody_behaves_and_is_followed_by_nobody(name: str) -> None:
    assert [one.reason for one in decoded("clickstream", [click(user_id=name)]).rejected] == [
        "placeholder_id"
    ]
    for sent in (interaction(user_id=name), interaction(kol_id=name)):
        (rejected,) = decoded("content-interactions", [sent]).rejected
        assert rejected.reason == "placeholder_id"
    bought = decoded("purchases", [paid(user_id=name), refund(user_id=name), paid()])
    assert not bought.rejected
    assert bought.facts.placeholder_user.tolist() == [True, True, False]  # type: ignore[union-attr]
    lost = decoded("clickstream", [click(kol_id=name), click(kol_id="k"), click(kol_id="")])
    assert not lost.rejected
    assert lost.facts.kol.tolist() == [-2, 0, -1]  # type: ignore[union-attr]
    assert lost.facts.kols == ["k"]  # type: ignore[union-attr]


def test_every_character_without_a_picture_is_invisible() -> None:
    """Of Unicode's own: all format characters but those that are drawn, and its fillers."""
    drawn = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    drawn |= {*range(0xFFF9, 0xFFFC), *range(0x13430, 0x13440)}
    for code in range(0x110000):
        if unicodedata.category(chr(code)) == "Cf" and code not in drawn:
            assert folded.__wrapped__(chr(code)) == "", hex(code)


@pytest.mark.parametrize("name", ["na", "00", "u0", "nullish", "Null Nan", "[object", "1", "-"])
def test_who_only_resembles_nobody_is_somebody(name: str) -> None:
    assert not decoded("clickstream", [click(user_id=name, kol_id=name)]).rejected


def test_a_list_of_ones_own_takes_the_place_of_ours_but_for_blanks() -> None:
    own = Placeholders(["Guest "])

    assert own.among(["guest", "undefined", " "]) == {"guest", " "}
