"""Which of two marks wins."""

from hypothesis import given
from hypothesis import strategies as st

from app.mark import Mark, Marked, changed

STATES = st.builds(Marked, st.booleans(), st.integers(0, 4))
MARKS = st.dictionaries(st.sampled_from(Mark), STATES)
LIKE, NO = Mark.LIKE, Mark.NOT_INTERESTED


def after(*given: dict[Mark, Marked]) -> dict[Mark, Marked]:
    marks: dict[Mark, Marked] = {}
    for some in given:
        marks |= changed(marks, some)
    return marks


def test_the_newer_time_wins_and_of_equal_ones_the_later_writer() -> None:
    old, new = {Mark.WATCHED: Marked(True, 1)}, {Mark.WATCHED: Marked(False, 2)}
    assert after(old, new) == after(new, old) == new
    assert after({LIKE: Marked(True, 1)}, {LIKE: Marked(False, 1)}) == {LIKE: Marked(False, 1)}


def test_like_and_not_interested_exclude_each_other() -> None:
    assert after({LIKE: Marked(True, 1)}, {NO: Marked(True, 2)}) == {
        LIKE: Marked(False, 2),
        NO: Marked(True, 2),
    }
    assert after({NO: Marked(True, 2)}, {LIKE: Marked(True, 1)}) == {
        LIKE: Marked(False, 1),
        NO: Marked(True, 2),
    }


@given(st.lists(MARKS, max_size=6))
def test_never_both_and_never_older(given: list[dict[Mark, Marked]]) -> None:
    marks: dict[Mark, Marked] = {}
    for some in given:
        before = dict(marks)
        marks |= changed(marks, some)
        assert not all(marks.get(mark, Marked(False, 0)).is_set for mark in (LIKE, NO))
        assert all(marks[mark].at >= state.at for mark, state in before.items())
        assert changed(marks, marks) == {}
