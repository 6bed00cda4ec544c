"""Marks, rows that wait and chosen titles, on every engine."""

import pytest

from app.errors import NotFound
from app.mark import Mark, Marked
from app.rating import Rating
from app.repository import aliases, marks, movies, ratings, waiting
from app.repository.marks import UserMarks
from app.repository.waiting import Waiting
from app.storage import Database

HEAT = Waiting(7, "title:heat:1995", "Heat", 1995, score=4.0, rated_at=50, created_at=60.0)


def test_marks_are_set_taken_away_and_listed(database: Database) -> None:
    with database.write() as connection:
        marks.set_marks(connection, 7, 1, {Mark.WATCHED: True, Mark.LIKE: True}, now=10)
        marks.set_marks(connection, 7, 2, {Mark.WATCHLIST: True}, now=11)
        marks.set_marks(connection, 7, 6, {Mark.NOT_INTERESTED: True}, now=12)
        marks.set_marks(connection, 7, 32, {Mark.WATCHED: True}, now=12)
        marks.set_marks(connection, 7, 32, {Mark.WATCHED: False}, now=13)
        marks.set_marks(connection, 8, 2, {Mark.WATCHED: True}, now=12)
        with pytest.raises(NotFound):
            marks.set_marks(connection, 7, 999_999, {Mark.WATCHED: True}, now=1)
    with database.read() as connection:
        assert marks.ask_of(connection, 7)() == UserMarks(frozenset((1, 6)), {1: 10}, frozenset((2,)))
        page = marks.listing(connection, 7, limit=2)
        assert [one.movie.id for one in page] == [1, 2]
        assert page[0].marks == {Mark.WATCHED: Marked(True, 10), Mark.LIKE: Marked(True, 10)}
        assert [one.movie.id for one in marks.listing(connection, 7, limit=2, after=2)] == [6]
        (listed,) = marks.listing(connection, 7, limit=9, mark=Mark.WATCHLIST)
        assert (listed.movie.id, listed.movie.title) == (2, "Jumanji")


def test_an_older_mark_changes_nothing_but_a_persons_word_always_stands(database: Database) -> None:
    with database.write() as connection:
        marks.set_marks(connection, 7, 1, {Mark.LIKE: True}, now=100)
        assert marks.add(connection, 7, 1, {Mark.LIKE: Marked(False, 99)}) == {}
        assert marks.set_marks(connection, 7, 1, {Mark.NOT_INTERESTED: True}, now=5) == {
            Mark.LIKE: Marked(False, 100),
            Mark.NOT_INTERESTED: Marked(True, 100),
        }


def test_a_deleted_movie_takes_its_marks_and_aliases_along(database: Database) -> None:
    with database.write() as connection:
        marks.set_marks(connection, 7, 1, {Mark.LIKE: True}, now=1)
        aliases.remember(connection, 7, "title:x:", 1, now=1.0)
        movies.delete(connection, 1, force=True)
        assert marks.of_movie(connection, 7, 1) == {}
        assert aliases.of_user(connection, 7) == {}


def test_a_work_waits_once_with_its_newest_score_and_marks(database: Database) -> None:
    liked, watched = {Mark.LIKE: Marked(True, 5)}, {Mark.WATCHED: Marked(True, 9)}
    older = Waiting(7, HEAT.work, "HEAT", 1995, score=1.0, rated_at=40, marks=liked)
    with database.write() as connection:
        assert waiting.put(connection, 7, [HEAT, Waiting(7, "imdb:1", "Dune", imdb_id=1)]) == []
        waiting.put(connection, 7, [older, Waiting(7, HEAT.work, "Heat", 1995, marks=watched)])
        waiting.put(connection, 8, [HEAT])
        first, second = waiting.listing(connection, 7, limit=9)
        assert waiting.count(connection, 7) == 2
        assert (first.title, first.score, first.rated_at) == ("Heat", 4.0, 50)
        assert first.marks == liked | watched
        assert waiting.listing(connection, 7, limit=9, after=first.number) == [second]


def test_there_is_room_for_so_many_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 3)
    rows = [Waiting(7, f"imdb:{n}", "x") for n in range(5)]
    with database.write() as connection:
        assert waiting.put(connection, 7, rows[:2]) == []
        assert waiting.put(connection, 7, rows) == rows[3:]
        assert waiting.put(connection, 7, rows[:3]) == []
        assert waiting.count(connection, 7) == 3


def test_a_choice_gives_the_movie_score_and_marks_and_is_remembered(database: Database) -> None:
    row = Waiting(7, "imdb:1", "Hate", score=4.5, rated_at=50, marks={Mark.LIKE: Marked(True, 5)})
    with database.write() as connection:
        waiting.put(connection, 7, [row, HEAT])
        number = waiting.listing(connection, 7, limit=1)[0].number
        with pytest.raises(NotFound):
            waiting.resolve(connection, 8, number, 1, now=9.0)
        with pytest.raises(NotFound):
            waiting.resolve(connection, 7, number, 999_999, now=9.0)
        waiting.resolve(connection, 7, number, 1, now=9.0)
        assert ratings.of_user(connection, 7) == [Rating(7, 1, 4.5, 50)]
        assert marks.of_movie(connection, 7, 1) == row.marks
        assert aliases.of_user(connection, 7) == {"imdb:1": 1}
        assert [left.work for left in waiting.listing(connection, 7, limit=9)] == [HEAT.work]


def test_a_newer_rating_stays_when_a_row_finds_its_movie(database: Database) -> None:
    with database.write() as connection:
        ratings.put(connection, Rating(7, 6, 2.0, 51))
        waiting.put(connection, 7, [HEAT])
        waiting.resolve(connection, 7, waiting.listing(connection, 7, limit=1)[0].number, 6, now=99.0)
        assert ratings.of_user(connection, 7) == [Rating(7, 6, 2.0, 51)]


def test_what_is_anothers_becomes_ones_own_and_the_newer_stays(database: Database) -> None:
    with database.write() as connection:
        marks.set_marks(connection, 7, 1, {Mark.LIKE: True}, now=10)
        marks.set_marks(connection, 8, 1, {Mark.LIKE: False, Mark.WATCHED: True}, now=20)
        marks.set_marks(connection, 8, 2, {Mark.WATCHLIST: True}, now=20)
        waiting.put(connection, 7, [HEAT])
        waiting.put(connection, 8, [Waiting(8, HEAT.work, "Heat", score=1.0, rated_at=99)])
        waiting.put(connection, 8, [Waiting(8, "imdb:1", "Dune")])
        aliases.remember(connection, 7, "a", 1, now=1.0)
        aliases.remember(connection, 8, "a", 2, now=2.0)
        aliases.remember(connection, 8, "b", 2, now=2.0)
        moved = [table.move(connection, 8, 7, 1, 99) for table in (marks, waiting, aliases)]
        assert moved == [3, 2, 2]
        assert marks.of_movie(connection, 7, 1) == {
            Mark.LIKE: Marked(False, 20),
            Mark.WATCHED: Marked(True, 20),
        }
        assert marks.ask_of(connection, 7)().watchlist == {2}
        scores = {row.work: row.score for row in waiting.listing(connection, 7, limit=9)}
        assert scores == {HEAT.work: 1.0, "imdb:1": None}
        assert aliases.of_user(connection, 7) == {"a": 1, "b": 2}
        assert marks.ask_of(connection, 8)() == UserMarks()
        assert waiting.count(connection, 8) == len(aliases.of_user(connection, 8)) == 0
