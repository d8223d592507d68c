import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrays.names import NO_TEXT, Names, Strings

texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=40)
WORDS = ["é", "z", "Z", "妈妈", "\U0001f476", "", "～", "a", "ab"]


@given(texts, texts)
def test_strings_come_back_by_number(first: list[str], more: list[str]) -> None:
    strings = Strings()
    strings.add(first)

    assert strings.add(more) == len(first)
    assert strings.texts(range(len(strings))) == first + more


@given(texts, texts)
def test_an_empty_text_has_no_number(first: list[str], more: list[str]) -> None:
    strings = Strings()
    kept = strings.numbers(first)
    numbers = np.concatenate([kept, strings.numbers(more)])

    assert strings.texts(numbers) == first + more
    assert len(strings) == sum(text != "" for text in first + more)
    assert [number == NO_TEXT for number in numbers] == [text == "" for text in first + more]


@given(texts, st.data())
def test_only_texts_whose_numbers_are_used_stay(given_: list[str], data: st.DataObject) -> None:
    strings = Strings()
    numbers = strings.numbers(given_)
    used = data.draw(st.lists(st.sampled_from(range(len(given_))))) if given_ else []
    one, other = numbers[used[::2]], numbers[used[1::2]]
    new = np.append(strings.keep_numbers(one, other), NO_TEXT)

    assert len(strings) == len({number for number in numbers[used].tolist() if number != NO_TEXT})
    assert strings.texts(new[one]) == [given_[i] for i in used[::2]]


@given(texts, st.data())
def test_strings_that_stay_are_numbered_anew(given_: list[str], data: st.DataObject) -> None:
    strings, again = Strings(), Strings()
    strings.add(given_)
    kept = data.draw(st.lists(st.booleans(), min_size=len(given_), max_size=len(given_)))
    strings.keep(np.array(kept, np.bool_))
    strings.add(["end"])
    again.restore("x", strings.arrays("x"))
    left = [text for text, stays in zip(given_, kept, strict=True) if stays]

    assert again.texts(range(len(again))) == [*left, "end"]


@given(st.lists(st.lists(st.sampled_from(WORDS)), max_size=5))
def test_names_keep_their_codes_and_are_ranked_by_their_bytes(batches: list[list[str]]) -> None:
    names, again = Names(), Names()
    for batch in batches:
        codes = names.codes(batch)
        ranks = names.rank()

        assert [names.names[code] for code in codes] == batch
        assert sorted(range(len(names)), key=lambda code: int(ranks[code])) == sorted(
            range(len(names)), key=lambda code: names.names[code].encode()
        )
    again.restore("x", names.arrays("x"))

    assert again.names == names.names
    assert again.rank().tolist() == names.rank().tolist()
    assert again.codes(names.names).tolist() == list(range(len(names)))


@given(st.lists(st.lists(st.text(max_size=3)), max_size=5))
def test_new_names_among_many_take_their_places(batches: list[list[str]]) -> None:
    names = Names()
    names.codes(f"{n:03}" for n in range(500))
    for batch in batches:
        names.rank()
        names.codes(batch)
    ranks = names.rank()

    assert sorted(range(len(names)), key=lambda code: int(ranks[code])) == sorted(
        range(len(names)), key=lambda code: names.names[code].encode()
    )


@given(st.lists(st.sampled_from(WORDS), unique=True), st.data())
def test_names_that_stay_are_numbered_anew_in_their_order(
    words: list[str], data: st.DataObject
) -> None:
    names, again = Names(), Names()
    names.codes(words)
    names.rank()
    kept = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    names.keep(np.array(kept, np.bool_))
    left = [word for word, stays in zip(words, kept, strict=True) if stays]
    codes = names.codes([*left, "a new one"])
    again.restore("x", names.arrays("x"))

    assert names.names == again.names == [*left, "a new one"]
    assert codes.tolist() == list(range(len(left) + 1))
    assert names.rank().tolist() == again.rank().tolist()


def test_only_names_that_a_row_uses_are_learned() -> None:
    names = Names()
    ours = names.recode(["unused", "b", "a"], np.array([2, -1, 1, 2], np.int32))

    assert names.names == ["b", "a"]
    assert ours.tolist() == [1, -1, 0, 1]
