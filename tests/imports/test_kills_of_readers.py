"""Files of every source, killed in import and undo, with rows that wait and films that are made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.imports import import_ratings
from app.imports.kinds import MISSING
from app.storage import Database
from app.task import Task
from tests.imports import test_arrivals as arrivals
from tests.imports.conftest import adds_up, counts_are_right, queue
from tests.merging import run, run_killed, undone

town = arrivals.town
pytestmark = pytest.mark.usefixtures("catalogue")

FILMS = (("Nobody Knows", 2004, 408664), ("Film 1", "", ""), ("Unheard", 2011, 777), ("Heat", 1995, 113277))
DAY = "2022-02-01"


def lines(header: str, row: str) -> str:
    """A table with a row a film: title, year, IMDb id."""
    return header + "\n" + "".join(row.format(*film) + "\n" for film in FILMS)


TRAKT = [
    {"rated_at": f"{DAY}T20:00:00Z", "rating": 8, "type": "movie"}
    | {"movie": {"title": title, "year": year or None, "ids": {"imdb": f"tt{imdb:07}" if imdb else None}}}
    for title, year, imdb in FILMS
]
MARKS = "movie_id,title,year,imdb_id,tmdb_id,what,value,at"
FILES: dict[str, str | bytes] = {
    "ml.zip": arrivals.RELEASE,
    "letterboxd.zip": arrivals.box(ratings=arrivals.SAID, watched=arrivals.LIKED),
    "diary.csv": lines(
        "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date", f"{DAY},{{}},{{}},u,3,,,{DAY}"
    ),
    "ratings.csv": lines(
        "Const,Your Rating,Date Rated,Title,Title Type,Year", f"tt{{2}},8,{DAY},{{0}},Movie,{{1}}"
    ),
    "WATCHLIST.csv": lines(
        "Position,Const,Created,Title,Title Type,Year", f"1,tt{{2}},{DAY},{{0}},Movie,{{1}}"
    ),
    "ratings-movies.json": json.dumps(TRAKT),
    "NetflixViewingHistory.csv": lines("Title,Date", f"{{}},{DAY}"),
    "marks.csv": lines(MARKS, "5,{},{},,,watched,1,9")
    + "".join(f"5,{title},{year},,,rating,4.5,9\n" for title, year, _ in FILMS),
    "mine.csv": lines("Film;Year;Mark", "{0};{1};9").replace("Film;", "title;").replace("Mark", "rating")
    + "x;1;1\n",
    "native.csv": "user_id,movie_id,score\n8,1,4\n8,2,3\n9,1,2\n9,99,2\n",
}


def figures(task: Task) -> dict[str, object]:
    assert adds_up(task), task.error
    return {name: value for name, value in (task.result or {}).items() if name != "seconds"}


@pytest.mark.parametrize("name", FILES)
def test_a_killed_import_of_any_source_says_the_same_and_its_undo_takes_all_back(
    town: Database, engine_settings: Settings, tmp_path: Path, name: str
) -> None:
    before, path, content = arrivals.digest(town), tmp_path / "upload", FILES[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = replace(engine_settings, import_chunk=2)
    user_id = None if name in ("ml.zip", "native.csv") else 8

    def queued() -> Task:
        return queue(town, path, name, user_id=user_id, create=MISSING)

    whole = run(town, settings, queued(), import_ratings.run)
    expected = figures(whole)
    assert undone(town, engine_settings, whole).status == "complete"
    assert arrivals.digest(town) == before
    for at in range(2, 20, 3):
        task = run_killed(town, settings, queued(), import_ratings.run, at)
        assert figures(task) == expected, f"killed at {at}"
        assert counts_are_right(town)
        undo = undone(town, engine_settings, task, kill_at=at)
        assert undo.result is not None and undo.result["kept"] == 0, undo.error
        assert arrivals.digest(town) == before, f"killed at {at}"
