"""Titles: reading and comparing them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.titles import (
    fold,
    name_key,
    names,
    numerals,
    spellings,
    split_title,
    without_article,
    words,
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Amélie \t Poulain ", "amelie poulain"),
        ("Æon Ørsted Łódź Straße Œuvre", "aeon orsted lodz strasse oeuvre"),
        ("Đà Þór Ħal İstanbul ılık", "da thor hal istanbul ilik"),
        ("Schindler’s “List” ‘a’ ´b` «c»", "schindler's \"list\" 'a' 'b' \"c\""),
        ("Spider‐Man – No — Way − Home", "spider-man - no - way - home"),
        ("WALL·E WALL•E", "wall e wall e"),
        ("ﬁn Ⅳ ８½ ½", "fin iv 8 1⁄2 1⁄2"),
        ("DRAMA", "drama"),
        ("Драма Ёлки", "драма елки"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
    ],
)  # fmt: skip
def test_text_is_folded_to_plain_letters(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Schindler’s List", "schindlers list"),
        ("Schindler's List", "schindlers list"),
        ("L'avventura", "l avventura"),
        ("O'Brother, you're Hawai'i", "o brother youre hawaii"),
        ("Singin' in the 'Rain'", "singin in the rain"),
        ("WALL·E", "wall e"),
        ("M*A*S*H", "m a s h"),
        ("E.T. the Extra-Terrestrial", "et the extra terrestrial"),
        ("L.A. Story and S.W.A.T", "la story and swat"),
        ("Willy Wonka & the Chocolate Factory", "willy wonka and the chocolate factory"),
        ("Romeo + Juliet", "romeo and juliet"),
        ("8½", "8 1 2"),
        ("Monsters, Inc.", "monsters inc"),
        ("千と千尋", "千 と 千 尋"),
        ("under_score\x00\ud800nul", "under score nul"),
        ("फ़िल्म", "फिल्म"),
        ("?!", ""),
    ],
)
def test_a_title_has_words(title: str, expected: str) -> None:
    assert " ".join(words(title)) == unicodedata.normalize("NFKD", expected).replace("\u094d", "")


@given(st.text())
def test_words_are_words_of_themselves_and_can_be_stored(text: str) -> None:
    found = words(text)
    assert all(found)
    assert " ".join(found).encode().decode() == " ".join(found)
    assert words(" ".join(found)) == found
    assert "\x00" not in name_key(text).encode().decode()


@given(st.text())
def test_folding_does_not_depend_on_case_or_composition(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rocky ii", "rocky 2"),
        ("rocky two", "rocky 2"),
        ("twelve monkeys", "12 monkeys"),
        ("rocky v", "rocky 5"),
        ("star wars episode i the phantom menace", "star wars episode 1 the phantom menace"),
        ("v for vendetta", "v for vendetta"),
        ("i tonya", "i tonya"),
        ("x", "x"),
        ("m", "m"),
        ("vi", "vi"),
        ("what i did", "what i did"),
        ("louis xiv", "louis 14"),
    ],
)
def test_numerals_are_written_in_digits(text: str, expected: str) -> None:
    assert " ".join(numerals(text.split())) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("2", {"2", "two", "ii"}),
        ("ii", {"2", "two", "ii"}),
        ("two", {"2", "two", "ii"}),
        ("1", {"1", "one", "i"}),
        ("i", {"i", "1"}),
        ("one", {"one", "1"}),
        ("x", {"x", "10"}),
        ("matrix", {"matrix"}),
        ("1999", {"1999"}),
    ],
)
def test_a_number_has_spellings(word: str, expected: set[str]) -> None:
    assert spellings(word)[0] == word
    assert set(spellings(word)) == expected


@pytest.mark.parametrize(
    "same",
    [
        ("WALL·E", "Wall-E", "walle", "wall e"),
        ("Blade Runner", "bladerunner"),
        ("The Godfather", "Godfather"),
        ("Terminator II", "The Terminator 2", "terminator two"),
        ("M*A*S*H", "MASH"),
        ("Se7en", "SE7EN"),
        ("Smørrebrød", "smorrebrod"),
    ],
)
def test_whole_titles_are_compared_by_a_key(same: tuple[str, ...]) -> None:
    assert len({name_key(title) for title in same}) == 1


def test_different_titles_have_different_keys() -> None:
    different = (
        "M",
        "X",
        "I",
        "A",
        "The",
        "It",
        "Up",
        "Alien",
        "Aliens",
        "Rocky",
        "Rocky II",
        "$",
        "?",
        "1984",
        "",
    )
    assert len({name_key(title) for title in different}) == len(different)
    assert without_article(["the"]) == ["the"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Heat", ["Heat"]),
        ("The City of Lost (Cité des perdus, La)", ["The City of Lost", "La Cité des perdus"]),
        ("Léon: One (a.k.a. The Professional) (Léon)", ["Léon: One", "The Professional", "Léon"]),
        ("City of Lost Children, The (Cité, La)", ["The City of Lost Children", "La Cité"]),
        ("(500) Days of Summer", ["Days of Summer", "500"]),
        ("()", ["()"]),
    ],
)  # fmt: skip
def test_a_title_has_names(title: str, expected: list[str]) -> None:
    assert names(title) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Matrix, The (1999)", ("The Matrix", 1999)),
        ("Avventura, L' (1960)", ("L'Avventura", 1960)),
        ("Avventura, L’ (1960)", ("L’Avventura", 1960)),
        ("Fugitive, The (1963-1967)", ("The Fugitive", 1963)),
        ("Good, the Bad, The (Buono, Il) (1966)", ("The Good, the Bad (Buono, Il)", 1966)),
        ("Heat", ("Heat", None)),
    ],
)  # fmt: skip
def test_a_catalogue_title_is_split(text: str, expected: tuple[str, int | None]) -> None:
    assert split_title(text) == expected
