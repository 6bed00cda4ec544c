from pathlib import Path

import pytest

from benchmarks.end_to_end import ndcg, prepare


def test_a_list_is_judged_by_what_was_hidden() -> None:
    hidden = {1: {10, 11}, 2: {20}}
    assert ndcg(lambda user: {1: [10, 11, 5], 2: [20]}[user], hidden) == pytest.approx(1.0)
    assert ndcg(lambda user: {1: [5, 6], 2: [7, 20]}[user], hidden) == pytest.approx(0.5 / 1.58496, abs=1e-5)


def test_what_is_looked_for_is_in_no_file(tmp_path: Path) -> None:
    case = prepare(tmp_path, "100k")
    lines = [path.read_text().splitlines()[1:] for path in (case.ratings, case.more)]
    pairs = {tuple(map(int, line.split(",")[:2])) for some in lines for line in some}
    assert len(pairs) == sum(map(len, lines))
    assert len(lines[1]) == round(len(pairs) * 0.01)
    assert not any((user, movie) in pairs for user, movies in case.hidden.items() for movie in movies)
    assert all(any(user == other for other, _ in pairs) for user in list(case.hidden)[:3])
