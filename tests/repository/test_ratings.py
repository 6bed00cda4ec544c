"""Movies and ratings on every engine: counts and sums stay exact, whatever is written by how many."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import NotFound
from app.movie import Movie
from app.rating import Rating
from app.repository import catalogue, movies, ratings
from app.storage import Database
from app.storage.schema import FIRST_OWN_ID
from tests.catalogue import put_movies

SCORES = [step / 2 for step in range(1, 11)]


def check_counts(database: Database) -> None:
    with database.read() as connection:
        every = list(ratings.every(connection))
        for movie_id in movies.known_ids(connection):
            movie = movies.get(connection, movie_id)
            scores = [r.score for r in every if r.movie_id == movie_id]
            assert movie.rating_count == len(scores)
            assert movie.mean_score == (round(sum(scores) / len(scores), 3) if scores else None)
        assert ratings.count(connection) == len(every)


@given(
    writes=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([1, 2]), st.sampled_from([None, *SCORES])), max_size=25
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ratings_and_their_counts_follow_the_last_write(
    database: Database, writes: list[tuple[int, int, float | None]]
) -> None:
    with database.read() as connection:
        expected = {(r.user_id, r.movie_id): r.score for r in ratings.every(connection)}
    for user, movie, score in writes:
        with database.write() as connection:
            if score is not None:
                assert ratings.put(connection, Rating(user, movie, score, 100)) is (
                    (user, movie) not in expected
                )
                expected[user, movie] = score
            elif (user, movie) in expected:
                ratings.delete(connection, user, movie)
                del expected[user, movie]
    with database.read() as connection:
        assert {(r.user_id, r.movie_id): r.score for r in ratings.every(connection)} == expected
    check_counts(database)


def test_parallel_writers_of_one_rating_count_it_once(database: Database) -> None:
    def write(number: int) -> bool:
        with database.write() as connection:
            return ratings.put(connection, Rating(7, 1, SCORES[number % 10], 100 + number))

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(write, range(40)))
    assert created.count(True) == 1
    check_counts(database)


def test_a_refused_write_leaves_nothing(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as connection:
        ratings.put(connection, Rating(7, 1, 5.0, 100))
        ratings.put(connection, Rating(7, 424242, 5.0, 100))
    check_counts(database)
    with database.read() as connection:
        assert ratings.of_user(connection, 7) == []


def test_parallel_movies_get_ids_of_their_own(database: Database) -> None:
    def create(number: int) -> int:
        with database.write() as connection:
            return movies.create(connection, f"Film {number}", None, None, now=1.0).id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(create, range(24)))
    assert sorted(ids) == list(range(FIRST_OWN_ID, FIRST_OWN_ID + 24))


def test_a_catalogue_never_overwrites_what_the_api_made(database: Database) -> None:
    with database.write() as connection:
        movies.replace(connection, 1, "Mine", 2000, None)
        theirs = {1: "Theirs", 2: "Jumanji again", 77: "Nueba Yol"}
        rows = {key: {"title": title, "year": 1995, "genre": None} for key, title in theirs.items()}
        written = catalogue.write(connection, catalogue.MOVIE, rows, import_seq=1, now=1.0)
        assert (written.kept, written.replaced, written.new) == ([1], [2], [77])
        titles = [movies.get(connection, i).title for i in (1, 2, 77)]
    assert titles == ["Mine", "Jumanji again", "Nueba Yol"]


def test_columns_hold_every_score(database: Database) -> None:
    with database.write() as connection:
        for movie, score in zip(movies.known_ids(connection), SCORES, strict=False):
            ratings.put(connection, Rating(7, movie, score, 100))
    with database.read() as connection:
        ((_, _, scores),) = ratings.columns(connection, 9)
    assert scores.tolist() == SCORES


@pytest.mark.parametrize("largest", [922_337_203_685_477_579, 922_337_203_685_477_580, 2**63 - 1])
def test_columns_hold_the_largest_ids(database: Database, largest: int) -> None:
    given = [(1, 5.0), (2, 0.5), (largest, 4.5)]
    with database.write() as connection:
        put_movies(connection, [Movie(movie, "Film") for movie, _ in given])
        for movie, score in given:
            ratings.put(connection, Rating(7, movie, score, 100))
    with database.read() as connection:
        ((_, movie_ids, scores),) = ratings.columns(connection, 9)
    assert list(zip(movie_ids.tolist(), scores.tolist(), strict=True)) == given


def test_columns_can_be_those_of_some_users(database: Database) -> None:
    with database.write() as connection:
        for user in (3, 5, 2**63 - 1):
            ratings.put(connection, Rating(user, 1, 3.5, 100))
    with database.read() as connection:
        half = ratings.user_at(connection, 1)
        found = [
            [user for part in ratings.columns(connection, 9, *users) for user in part[0].tolist()]
            for users in ((0, half - 1), (half,), (0, -1))
        ]
        assert ratings.user_at(connection, 3) == 2**63 - 1  # there is none
    assert (half, found) == (5, [[3], [5, 2**63 - 1], []])


def test_columns_hold_every_rating_in_order(database: Database) -> None:
    with database.write() as connection:
        for user, movie, score in ((9, 2, 3.5), (2**63 - 1, 1, 0.5), (9, 1, 5.0)):
            ratings.put(connection, Rating(user, movie, score, 100))
    with database.read() as connection:
        parts = list(ratings.columns(connection, 1))
    assert [len(part[0]) for part in parts] == [2, 1]
    assert [row for part in parts for row in zip(*(c.tolist() for c in part), strict=True)] == [
        (9, 1, 5.0),
        (9, 2, 3.5),
        (2**63 - 1, 1, 0.5),
    ]
