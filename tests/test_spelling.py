"""How many slips two words are apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.spelling import distance, slips

WORDS = st.text("abc", max_size=7)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("matrix", "matrix", 0),
        ("martix", "matrix", 1),
        ("matrx", "matrix", 1),
        ("mattrix", "matrix", 1),
        ("natrix", "matrix", 1),
        ("redemtoin", "redemption", 2),
        ("alien", "aliens", 1),
        ("", "ab", 2),
        ("abcd", "wxyz", 3),
        ("a", "abcdef", 3),
    ],
)
def test_slips_are_counted_up_to_a_bound(one: str, other: str, expected: int) -> None:
    assert distance(one, other, 2) == expected


def plain(one: str, other: str) -> int:
    """Optimal string alignment as it is defined."""
    if not one or not other:
        return len(one) + len(other)
    found = [plain(one[:-1], other) + 1, plain(one, other[:-1]) + 1]
    found.append(plain(one[:-1], other[:-1]) + (one[-1] != other[-1]))
    if one[-2:] == other[-2:][::-1] and len(one) > 1:
        found.append(plain(one[:-2], other[:-2]) + 1)
    return min(found)


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 3))
def test_the_distance_is_that_of_the_definition(one: str, other: str, most: int) -> None:
    assert distance(one, other, most) == min(plain(one, other), most + 1)


@given(WORDS, WORDS)
def test_the_distance_is_symmetric(one: str, other: str) -> None:
    assert distance(one, other, 9) == distance(other, one, 9)


def test_short_words_and_numbers_have_no_slips() -> None:
    assert [slips(word) for word in ("up", "cat", "jaws", "2001", "godfather", "20010203")] == [
        0,
        0,
        1,
        0,
        2,
        0,
    ]
