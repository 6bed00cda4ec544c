"""The bundled sample: made by its generator, of the starter catalogue only."""

import csv

from app.sample import FIRST_USER, MOVIES, RATINGS
from benchmarks.sample import FIRST_TIME, USERS, rows


def test_the_file_is_what_its_generator_makes() -> None:
    with RATINGS.open(encoding="utf-8", newline="") as file:
        stored = [
            (int(r["user_id"]), int(r["movie_id"]), float(r["score"]), int(r["rated_at"]))
            for r in csv.DictReader(file)
        ]
    assert stored == list(rows())


def test_it_rates_the_whole_starter_catalogue_by_users_of_its_own() -> None:
    with MOVIES.open(encoding="utf-8", newline="") as file:
        films = {int(row["id"]) for row in csv.DictReader(file)}
    made = list(rows())
    assert {movie for _, movie, _, _ in made} == films
    assert {user for user, _, _, _ in made} <= set(range(FIRST_USER, FIRST_USER + USERS))
    assert all(FIRST_TIME <= at < 1_200_000_000 for _, _, _, at in made)
