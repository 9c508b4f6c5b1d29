"""How names are compared, whatever they are written with (ID-2)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyc.fullname import InvalidName, clean_full_name
from kyc.screening import names

# What looks like what; the one on the left is Cyrillic, Greek or a digit.
LOOKS = dict(
    zip(
        "АВЕІЈКМНОРСТУХаеіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο01",
        "ABEIJKMHOPCTYXaeijopcyxABEZHIKMNOPTYXool",
        strict=True,
    )
)
TWINS: dict[str, list[str]] = {}
for _twin, _letter in LOOKS.items():
    TWINS.setdefault(_letter, []).append(_twin)
UNSEEN = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u3164", "\ufe0f"]

latin = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEHIKMNOPTXYáçñöß"), min_size=2, max_size=9
)
full_names = st.lists(latin, min_size=2, max_size=5).map(" ".join)


@given(full_names, st.data())
def test_letters_that_look_alike_are_read_as_the_latin_ones(name: str, data: st.DataObject) -> None:
    disguised = "".join(data.draw(st.sampled_from([c, *TWINS.get(c, [])])) for c in name)

    assert names.compared(name) in names.given(disguised)


@given(full_names, st.data())
def test_what_nobody_sees_changes_nothing(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name)))
    inside = name[:at] + data.draw(st.sampled_from(UNSEEN)) + name[at:]

    assert names.given(inside) == names.given(name)


@given(full_names)
def test_full_width_letters_are_the_same_letters(name: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)

    assert names.compared(wide) == names.compared(name)


@given(st.text(max_size=60))
def test_the_form_as_written_is_always_among_those_compared(name: str) -> None:
    form = names.compared(name)

    assert form in [*names.spelled(name), ""]
    assert set(names.spelled(name)) <= set(names.given(name))


@given(st.text(max_size=60))
def test_a_name_on_a_list_is_found_by_itself(name: str) -> None:
    for form in names.spelled(name):
        assert form in names.given(name)
        assert set(names.sounds([form])) & set(names.sounds(names.given(name)))
        assert names.best(form, [form]) == [100.0]


@given(st.lists(latin.map(names.compared), min_size=1, max_size=4))
def test_parts_of_one_letter_only_add_candidates(forms: list[str]) -> None:
    long = {
        key
        for form in forms
        for key in names.sounds([" ".join(p for p in form.split() if len(p) > 1)])
    }

    assert long <= set(names.sounds(forms))


@pytest.mark.parametrize(
    ("written", "latin"),
    [
        ("Владимир Выдуманный", "Vladimir Vydumannyy"),
        ("Ελένη Παππά", "Eleni Pappa"),
        ("王 伟", "Wang Wei"),
        ("王伟", "Wang Wei"),
        ("Ørsted Łukasz", "Orsted Lukasz"),
    ],
)
def test_other_writings_are_read_in_latin_letters_too(written: str, latin: str) -> None:
    form = names.compared(latin)

    assert form in names.spelled(written)
    assert form in names.given(unicodedata.normalize("NFD", written))


@pytest.mark.parametrize(
    ("forms", "keys"),
    [(["a b"], ["a", "b"]), (["j silva"], ["i", "slv"]), (["j p silva souza"], ["s", "slv"])],
)
def test_parts_of_one_letter_count_where_there_is_little_else(
    forms: list[str], keys: list[str]
) -> None:
    assert names.sounds(forms) == keys


@pytest.mark.parametrize(
    "name",
    [
        "Pedro de Alcântara João Carlos Leopoldo Salvador Bibiano Francisco Xavier Miguel Rafael Gonzaga",
        "Isabel Cristina Leopoldina Augusta Micaela Gabriela Rafaela Gonzaga de Bragança e Bourbon",
        "María de los Ángeles del Carmen de la Cruz y de la Torre Fernández",
    ],
)
def test_the_longest_names_that_people_have_are_taken(name: str) -> None:
    assert clean_full_name(name) == name


@pytest.mark.parametrize("separator", [" ", "-", ".", "/", "\u3000"])
def test_a_name_of_too_many_parts_is_refused(separator: str) -> None:
    parts = ["Ana", "Jose", "Joao", "Luiz", "Rosa", "Lima", "Cruz"] * 3

    assert clean_full_name(separator.join(parts[:20]))
    with pytest.raises(InvalidName, match="more than 20 parts"):
        clean_full_name(separator.join(parts))


def test_syllables_of_other_writings_are_parts() -> None:
    with pytest.raises(InvalidName, match="more than 20 parts"):
        clean_full_name("王伟李娜张敏刘洋陈静杨勇赵磊黄艳周杰吴霞徐")
