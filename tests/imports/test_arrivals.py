"""Movies that come: what was made here becomes theirs, rows that wait for them end; an undo takes it back."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.imports import arrivals, import_ratings
from app.imports.kinds import MISSING
from app.imports.names import search_keys
from app.mark import Mark, Marked
from app.rating import Rating
from app.repository import aliases, catalogue, marks, movies, plays, waiting
from app.repository import ratings as rating_queries
from app.repository.plays import Play
from app.repository.waiting import Waiting
from app.storage import Database
from app.task import Task
from tests.imports.conftest import Import, Undo, adds_up, counts_are_right, queue, ratings, table
from tests.merging import run_killed, undone

MOVIES = "movieId,title,genres\n"
NATIVE = "user_id,movie_id,score,rated_at\n"
DIARY = "Date,Name,Year,Letterboxd URI,Rating\n"
KEPT = (
    *("ratings", "marks", "waiting", "aliases", "movies", "links", "plays", "merged_movies", "count_changes"),
    *("rating_before_images", "catalogue_before_images", "personal_before_images"),
)


def digest(database: Database) -> dict[str, Any]:
    first = {(row[1], row[2]) for row in table(database, "first_raters")}
    return {name: table(database, name) for name in KEPT} | {"first": first}


def release(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"ml/{name}.csv", text)
    return buffer.getvalue()


def figures(task: Task) -> dict[str, int]:
    assert adds_up(task), task.error
    names = ("new", "replaced", "older", "waiting", "rejected", "made", "taken_over", "arrived")
    return {name: (task.result or {})[name] for name in names if (task.result or {})[name]}


def add(
    database: Database, title: str, year: int | None, imdb: int | None = None, tmdb: int | None = None
) -> int:
    with database.write() as connection:
        movie_id = movies.create(connection, title, year, None, now=1.0).id
        if imdb or tmdb:
            catalogue.put(connection, catalogue.LINK, {movie_id: {"imdb_id": imdb, "tmdb_id": tmdb}})
    return movie_id


def rate(database: Database, movie: int, *given: tuple[int, float, int]) -> None:
    with database.write() as connection:
        for user, score, at in given:
            rating_queries.put(connection, Rating(user, movie, score, at))


def wait(database: Database, user: int, title: str, year: int | None, **values: Any) -> None:
    work = f"imdb:{values['imdb_id']}" if "imdb_id" in values else f"title:{title}:{year}"
    row = Waiting(user, work, title, year, search_keys=search_keys(title), created_at=50.0, **values)
    with database.write() as connection:
        assert not waiting.put(connection, user, [row])


def titles_waiting(database: Database, user: int = 7) -> list[str]:
    with database.read() as connection:
        return [row.title for row in waiting.listing(connection, user, limit=100)]


def there(database: Database, movie: int) -> dict[int, tuple[float, int]]:
    return {user: row for (user, other), row in ratings(database).items() if other == movie}


pytestmark = pytest.mark.usefixtures("catalogue")


def test_what_was_made_here_becomes_the_imported_movie(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    made = add(database, "Nobody Knows", 2004, imdb=408664)
    rate(database, made, (1, 4.0, 100), (2, 3.0, 200), (3, 2.0, 300))
    with database.write() as connection:
        marks.add(connection, 1, made, {Mark.LIKE: Marked(True, 10)})
        aliases.remember(connection, 1, "title:nobody:", made, now=1)
        plays.count(connection, Play(1, "watched", "imdb:408664", made, 5, 5))
        waiting.put(connection, 4, [Waiting(4, "title:x:", "X", candidates=((made, "near"),))])
    before = digest(database)
    content = release(
        movies=MOVIES + "31,Nobody Knows (Dare mo shiranai) (2004),Drama\n32,Nobody Else (2004),Drama\n",
        links="movieId,imdbId,tmdbId\n31,408664,2517\n32,99,\n",
        ratings="userId,movieId,rating,timestamp\n2,31,5,100\n3,31,5,900\n9,31,1,900\n",
    )
    task = run_import(content, "ml.zip")
    assert figures(task) == {"new": 7, "taken_over": 1}
    assert there(database, 31) == {1: (4.0, 100), 2: (3.0, 200), 3: (5.0, 900), 9: (1.0, 900)}
    assert not there(database, made)
    assert counts_are_right(database)
    with database.read() as connection, pytest.raises(movies.Merged) as led:
        movies.get(connection, made)
    assert led.value.into == 31
    with database.read() as connection:
        assert marks.ask_of(connection, 1)().liked == {31: 10}
        assert aliases.of_user(connection, 1) == {"title:nobody:": 31}
        assert [play.movie_id for play in plays.of_user(connection, 1)] == [31]
        assert waiting.listing(connection, 4, limit=1)[0].candidates == ((31, "near"),)
        assert set(rating_queries.first_raters_of(connection, 31)) == {1, 2, 3}
    undo = run_undo(task, chunk=1)
    assert undo.result is not None and undo.result["kept"] == 0, undo.error
    assert digest(database) == before
    assert counts_are_right(database)


@pytest.mark.parametrize(
    ("made", "film", "link", "is_same"),
    [
        (("Heat", 1995), "Heat (1995)", "", True),
        (("Star Wars", 1977), "Star Wars: Episode IV - A New Hope (1977)", "", True),
        (("Heat", 1995), "Heat (1996)", "", False),
        (("Heat", None), "Heat (1995)", "", False),
        (("Heat", 1995, 1), "Heat (1995)", "31,2,", False),
        (("Other", 1990, 2), "Heat (1995)", "31,2,", True),
        (("Other", 1990, 1, 5), "Heat (1995)", "31,2,5", False),
        (("Other", 1990, None, 5), "Heat (1995)", "31,2,5", True),
        (("Heat", 1995, 1), "Heat (1995)\n32,Heat (1995)", "", False),
        (("Heat", 1995, 1), "Heat (1995)\n32,Heat (1995)", "32,1,", True),
    ],
)
def test_which_movies_are_surely_the_same(
    run_import: Import, database: Database, made: Any, film: str, link: str, is_same: bool
) -> None:
    movie_id = add(database, *made)
    links = {"links": f"movieId,imdbId,tmdbId\n{link}\n"} if link else {}
    content = release(movies=MOVIES + film.replace("\n", ",\n").join(("31,", ",\n")), **links)
    task = run_import(content, "ml.zip")
    with database.read() as connection:
        assert (movie_id not in movies.by_ids(connection, [movie_id])) == is_same, task
    assert (task.result or {})["taken_over"] == is_same


def test_two_that_were_made_of_one_title_are_rivals(run_import: Import, database: Database) -> None:
    add(database, "Heat", 1995)
    add(database, "The Heat", 1995)
    assert "taken_over" not in figures(run_import(MOVIES + "31,Heat (1995),\n"))


def test_links_take_over_too_and_what_a_file_made_is_not_there_twice(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    before = digest(database)
    diary = run_import(DIARY + "2022-02-01,Nobody Knows,2004,u,5\n", "ratings.csv", user_id=7, create=MISSING)
    assert figures(diary) == {"new": 1, "made": 1}
    middle = digest(database)
    task = run_import(MOVIES + "31,Nobody Knows (2004),\n32,Nobody Sees,\n")
    assert figures(task) == {"new": 2, "taken_over": 1}
    assert list(there(database, 31)) == [7]
    other = add(database, "Something", 2001, imdb=5)
    linked = run_import("movieId,imdbId,tmdbId\n32,5,\n")
    assert figures(linked) == {"new": 1, "taken_over": 1}
    assert run_undo(linked).status == run_undo(task).status == "complete"
    with database.write() as connection:
        movies.delete(connection, other, force=True)
    assert digest(database) == middle
    assert run_undo(diary).status == "complete"
    assert digest(database) == before


def test_a_movie_made_by_the_same_upload_is_not_there_twice(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    made = add(database, "Nobody Knows", 2004)
    rate(database, made, (1, 4.0, 100), (2, 4.0, 300))
    before = digest(database)
    content = release(
        movies=MOVIES + "31,Nobody Knows (2004),\n",
        ratings=f"userId,movieId,rating,timestamp\n1,{made},1,200\n2,{made},1,200\n3,{made},1,200\n3,31,2,100\n",
    )
    task = run_import(content, "ml.zip")
    assert figures(task) == {"new": 3, "replaced": 1, "older": 1, "taken_over": 1}
    assert there(database, 31) == {1: (1.0, 200), 2: (4.0, 300), 3: (1.0, 200)}
    assert counts_are_right(database)
    assert run_undo(task).status == "complete"
    assert digest(database) == before


def test_a_movie_that_was_rated_while_the_import_looked_loses_nothing(
    run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = add(database, "Nobody Knows", 2004)
    rate(database, made, (1, 4.0, 100))
    take_over = arrivals.ArrivalMerger.ranges

    def rated_meanwhile(self: Any, after: Any) -> Any:
        for some in take_over(self, after):
            rate(database, made, (2, 1.0, 200))
            yield some

    monkeypatch.setattr(arrivals.ArrivalMerger, "ranges", rated_meanwhile)
    task = run_import(MOVIES + "31,Nobody Knows (2004),\n")
    assert figures(task) == {"new": 1, "taken_over": 1}
    assert there(database, 31) == {1: (4.0, 100), 2: (1.0, 200)}
    assert counts_are_right(database)


def test_rows_that_wait_end_when_their_movie_comes_and_wait_again_after_the_undo(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    liked = {Mark.LIKE: Marked(True, 5)}
    wait(database, 7, "The Matrix", 1999, score=4.5, rated_at=1000, marks=liked)
    wait(database, 7, "Anything", 1990, imdb_id=77, score=2.0)
    wait(database, 7, "Godfather 2", 1974, marks={Mark.WATCHED: Marked(True, 9)})
    wait(database, 7, "Heat", 1986, score=1.0)
    wait(database, 8, "Matrix", 2000, score=3.0, rated_at=7)
    wait(database, 8, "Solaris", 1972, score=3.0)
    wait(database, 8, "Solyaris", 1972, score=3.5)
    before = digest(database)
    films = ("Matrix, The (1999)", "Mr. Nobody (1990)", "Godfather: Part II, The (1974)", "Heat (1995)",
             "Solaris (Solyaris) (1972)")  # fmt: skip
    content = release(
        movies=MOVIES + "".join(f'{number},"{title}",\n' for number, title in enumerate(films, 31)),
        links="movieId,imdbId,tmdbId\n32,77,\n",
        ratings="userId,movieId,rating,timestamp\n8,31,5,100\n",
    )
    task = run_import(content, "ml.zip")
    assert figures(task) == {"new": 7, "arrived": 5}
    assert titles_waiting(database) == ["Heat"]
    assert there(database, 31) == {7: (4.5, 1000), 8: (5.0, 100)}
    assert (there(database, 32), there(database, 35)) == ({7: (2.0, 50)}, {8: (3.0, 50)})
    with database.read() as connection:
        assert marks.ask_of(connection, 7)().liked == {31: 5}
        assert marks.ask_of(connection, 7)().hidden == {33}
        assert aliases.of_user(connection, 7) == {}
        (left,) = waiting.listing(connection, 8, limit=5)
    assert (left.title, left.candidates[0][0], "Another row" in left.reason) == ("Solyaris", 35, True)
    assert counts_are_right(database)
    again = run_import(content, "ml.zip")
    assert "arrived" not in figures(again), "what another row has is not taken by a second one"
    undone = run_undo(task)
    assert undone.result is not None and undone.result["kept"] == 0
    assert digest(database) == before
    assert counts_are_right(database)


def test_a_row_that_came_with_its_movie_ends_and_goes_with_the_undo(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    before = digest(database)
    first = run_import(DIARY + "2022-02-01,Nobody Knows,2004,u,5\n", "ratings.csv", user_id=7)
    task = run_import(DIARY + "2022-02-01,Nobody Knows,2004,u,5\n", "ratings.csv", user_id=8, create=MISSING)
    assert figures(first) == {"waiting": 1}
    assert figures(task) == {"new": 1, "made": 1, "arrived": 1}
    assert [user for user, _ in ratings(database)] == [7, 8]
    assert run_undo(task).status == run_undo(first).status == "complete"
    assert digest(database) == before


@pytest.mark.parametrize("comes", ["Solyaris (1972)", "Solaris (1972)", "Solaris (Solyaris) (1972)"])
def test_a_row_is_found_by_every_name_in_its_title(
    run_import: Import, run_undo: Undo, database: Database, comes: str
) -> None:
    wait(database, 7, "Solaris (a.k.a. Solaris 72) (Solyaris)", 1972, score=4.0)
    before = digest(database)
    task = run_import(MOVIES + f"31,{comes},\n")
    assert figures(task) == {"new": 1, "arrived": 1}
    assert run_undo(task).status == "complete"
    assert digest(database) == before


def test_rows_of_an_older_release_are_found(run_import: Import, database: Database) -> None:
    with database.write() as connection:
        waiting.put(connection, 7, [Waiting(7, "title:heat:1995", "Heat", 1995, score=4.0, search_keys=())])
    assert figures(run_import(MOVIES + "31,Heat (1995),\n")) == {"new": 1, "arrived": 1}


def test_a_dry_run_changes_nothing(run_import: Import, database: Database) -> None:
    add(database, "Heat", 1995)
    wait(database, 7, "Alien", 1979, score=4.0)
    before = digest(database)
    run_import(MOVIES + "31,Heat (1995),\n32,Alien (1979),\n", dry_run=True)
    assert digest(database) == before


RELEASE = release(
    movies=MOVIES + "31,Nobody Knows (2004),\n32,Heat (1995),\n33,Alien (1979),\n"
    "34,Dune (1984),\n35,Ran (1985),\n",
    links="movieId,imdbId,tmdbId\n33,78748,348\n34,99,5\n",
    ratings="userId,movieId,rating,timestamp\n1,31,5,150\n2,32,2,900\n9,32,1,900\n",
)
LIKED = "Date,Name,Year,Letterboxd URI\n2022-02-01,Nobody Knows,2004,u\n2022-02-01,Film 1,,u\n"
SAID = DIARY + "2022-02-01,Nobody Knows,2004,u,5\n2022-02-01,Film 1,,u,3\n2022-02-01,Unheard,2011,u,3\n"


def box(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"{name}.csv", text)
    return buffer.getvalue()


@pytest.fixture
def town(database: Database) -> Database:
    """Two movies that were made here, and rows that wait."""
    for title, year, ids in (("Nobody Knows", 2004, (None, None)), ("Xenomorph", 1980, (78748, None))):
        made = add(database, title, year, *ids)
        rate(database, made, (1, 4.0, 100), (2, 3.0, 200), (3, 2.0, 300))
        with database.write() as connection:
            marks.add(connection, 1, made, {Mark.LIKE: Marked(True, 10)})
            aliases.remember(connection, 1, title, made, now=1)
            plays.count(connection, Play(1, "watched", title, made, 5, 5))
    for user in (7, 8):
        wait(database, user, "Heat", 1995, score=4.0, rated_at=9, marks={Mark.LIKE: Marked(True, 5)})
        wait(database, user, "Anything", 1990, score=4.0, imdb_id=99)
        wait(database, user, "Unheard", 2011, score=4.0)
    return database


@pytest.mark.parametrize("at", range(1, 23, 3))
@pytest.mark.parametrize(
    ("name", "content"),
    [("ml.zip", RELEASE), ("letterboxd.zip", box(ratings=SAID, watched=LIKED, **{"likes/films": LIKED}))],
    ids=["movies", "personal"],
)
def test_a_kill_of_the_import_or_of_its_undo_changes_nothing(
    town: Database, engine_settings: Settings, tmp_path: Path, name: str, content: bytes, at: int
) -> None:
    before = digest(town)
    path = tmp_path / "upload"
    path.write_bytes(content)
    user_id = 8 if name != "ml.zip" else None
    task = queue(town, path, name, user_id=user_id, create=MISSING)
    task = run_killed(town, replace(engine_settings, import_chunk=2), task, import_ratings.run, at)
    expected = {"taken_over": 2, "arrived": 4} if user_id is None else {"made": 1, "arrived": 2}
    assert figures(task) == {"new": 10 if user_id is None else 3} | expected, task.error
    assert counts_are_right(town)
    assert digest(town) != before
    undo = undone(town, engine_settings, task, kill_at=at)
    assert undo.result is not None and undo.result["kept"] == 0, undo.error
    assert digest(town) == before
    assert counts_are_right(town)
