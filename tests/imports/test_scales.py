"""The scale of a file's scores is judged over all of them, before anything is written."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.imports.readers import scales
from app.storage import Database
from tests.imports.conftest import Import, adds_up, ratings

HEADER = "user_id,movie_id,score\n"


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        (["0.5", "4,5", "5"], "0.5-5"),
        ([*["4"] * 99, "9"], "0.5-5"),
        ([*["4"] * 98, "9", "8"], "1-10"),
        ([*["4"] * 9, "5.5"], "0.5-5"),
        ([*["4.5"] * 9, "9"], "0.5-5"),
        ([*["4"] * 8, "9"], "1-10"),
        (["1", "7.5", "10"], "1-10"),
        (["0", "10"], "0-10"),
        (["85", "5"], "0-100"),
        (["85%", "0%"], "0-100"),
        (["0", "1"], "thumbs"),
        (["-1", "1"], "thumbs"),
        (["thumbs up", "Thumbs Down"], "thumbs"),
        ([], "0.5-5"),
    ],
)
def test_the_smallest_scale_that_holds_them_is_taken(scores: list[str], name: str) -> None:
    assert scales.judge(Counter(scores), "x").name == name


@pytest.mark.parametrize(
    "scores", [["0", "3.7", "5", "-1"], ["101", "4"], ["0", "2.5", "5"], ["0", "3.3"], [*["4"] * 98, "9"]]
)
def test_a_scale_that_cannot_be_known_is_asked_for(scores: list[str]) -> None:
    with pytest.raises(Invalid, match=r"lie off 0\.5 to 5") as refused:
        scales.judge(Counter(scores), "x.csv")
    assert refused.value.errors[0]["parameter"] == "scale"
    assert "10" in refused.value.errors[0]["candidates"]


@pytest.mark.parametrize(
    ("scale", "text", "steps"),
    [
        ("10", "7", 7), ("10", "7.5", 8), ("10", "7.4", 7), ("10", "0", 1), ("10", "10", 10),
        ("100", "85", 9),
        ("100", "5", 1), ("100", "0", 1), ("100", "100", 10), ("5", "0", 1), ("5", "3.7", 7),
        ("thumbs", "down", 1),
        ("thumbs", "1", 10), ("thumbs", "-1", 1),
    ],
)  # fmt: skip
def test_a_score_is_mapped_linearly_halves_up(scale: str, text: str, steps: int) -> None:
    declared = scales.declared(scale)
    assert declared is not None
    assert declared.half_steps("score", text) == steps


@given(st.lists(st.floats(-5, 200).map(lambda number: f"{number:.2f}"), min_size=1, max_size=30))
def test_every_score_of_a_judged_file_has_its_place_or_is_the_hundredth(scores: list[str]) -> None:
    try:
        scale = scales.judge(Counter(scores), "x")
    except Invalid:
        return
    assert scale is scales.STARS or all(1 <= scale.half_steps("score", text) <= 10 for text in scores)


@pytest.mark.usefixtures("catalogue")
def test_a_native_file_of_another_scale_is_read_again_as_a_whole(
    run_import: Import, database: Database
) -> None:
    rows = "".join(f"{user},{movie},{movie}\n" for user in range(30) for movie in range(1, 11))
    task = run_import(HEADER + rows + "1,99,8\nx,1,9\n")
    assert task.result is not None, task.error
    assert [one["scale"] for one in task.result["assumed"]] == ["1-10"]
    assert (task.result["read"], task.result["new"], task.result["rejected"]) == (302, 300, 2)
    assert [reject["line"] for reject in task.result["rejects"]] == [302, 303]
    assert adds_up(task)
    assert {movie: row[0] for (user, movie), row in ratings(database).items() if user == 3} == {
        movie: movie / 2 for movie in range(1, 11)
    }


@pytest.mark.usefixtures("catalogue")
def test_nothing_is_written_of_a_file_whose_scale_cannot_be_known(
    run_import: Import, database: Database
) -> None:
    task = run_import(HEADER + "1,1,0\n1,2,5\n1,3,3.7\n1,4,-1\n")
    assert task.status == "failed"
    assert task.error is not None
    assert "3 of its 4 scores" in task.error["detail"]
    assert task.error["errors"][0]["parameter"] == "scale"
    assert ratings(database) == {}
    task = run_import(HEADER + "1,1,0\n1,2,5\n1,3,3.7\n1,4,-1\n", scale="5")
    assert {key[1]: row[0] for key, row in ratings(database).items()} == {1: 0.5, 2: 5.0, 3: 3.5}
