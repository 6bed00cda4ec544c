"""Exports of known services, each as a file, and in a zip where it comes in one."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import AppError
from app.imports import files
from app.imports.known_titles import KnownTitles
from app.imports.readers import reader, recognise, trakt
from app.imports.sizes import DEFAULT
from app.storage import Database
from tests.imports.conftest import Import, adds_up, ratings, table
from tests.imports.test_archives import packed

MOVIES = "id,title,year,genre\n21,Amélie,2001,\n22,Alien,1979,\n23,Heat,1995,\n24,Brazil,1985,\n"
LINKS = "movieId,imdbId,tmdbId\n22,9900078,99348\n23,9900113,99949\n"
START = 1_700_000_000
NOON = 43_200


@pytest.fixture(autouse=True)
def films(run_import: Import, catalogue: list[int]) -> None:
    run_import(MOVIES)
    run_import(LINKS)


def scores(database: Database) -> dict[int, float]:
    return {movie: row[0] for (user, movie), row in ratings(database).items() if user == 7}


def figures(task: Any) -> dict[str, int]:
    assert task.result is not None, task.error
    assert adds_up(task)
    return {
        name: task.result[name]
        for name in ("read", "new", "duplicate", "waiting", "marks", "rejected")
        if task.result[name]
    }


FILMS = "Date,Name,Year,Letterboxd URI\n2022-02-01,Alien,1979,https://boxd.it/1\n"
SCORES = "Date,Name,Year,Letterboxd URI,Rating\n2022-02-01,Alien,1979,https://boxd.it/1,4\n2022-02-01,Amélie,2001,x,2.5\n"
DIARY = (
    "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n"
    "2022-02-01,Alien,1979,https://boxd.it/2,3,,,2022-01-30\n"
    '2022-03-01,Alien,1979,https://boxd.it/3,4.5,Yes,"a, b",2022-02-27\n'
    "2022-03-02,Alien,1979,https://boxd.it/4,,Yes,,2022-03-01\n"
    "2022-03-03,Heat,1995,https://boxd.it/5,,,,2022-03-02\n"
)
REVIEWS = (
    "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date\n"
    '2022-02-01,Alien,1979,https://boxd.it/2,3,,"Two lines,\n\nand ""words"".",,2022-01-30\n'
)


def test_a_whole_export_of_letterboxd(run_import: Import, database: Database) -> None:
    archive = {
        "ratings.csv": SCORES, "diary.csv": DIARY, "reviews.csv": REVIEWS, "watched.csv": FILMS,
        "watchlist.csv": FILMS, "likes/films.csv": FILMS, "likes/lists.csv": "Date,URL\n",
        "deleted/diary.csv": DIARY,
        "orphaned/reviews.csv": REVIEWS, "lists/best.csv": "Letterboxd list\n", "profile.csv": "Username\n",
    }  # fmt: skip
    task = run_import(packed(archive), "letterboxd.zip", user_id=7)
    assert figures(task) == {"read": 10, "new": 2, "marks": 8}
    assert scores(database) == {22: 4.0, 21: 2.5}
    assert task.result is not None
    others = ("likes/l", "deleted", "orphaned", "lists", "pro")
    left_out = [name for name in archive if name.startswith(others)]
    assert sorted(task.result["left_out"]) == sorted(left_out)
    listed = 1_643_673_600 + NOON
    assert [row[:5] for row in table(database, "marks")] == [
        (7, 22, "like", True, listed),
        (7, 22, "watched", True, 1_646_092_800 + NOON),
        (7, 22, "watchlist", True, listed),
        (7, 23, "watched", True, 1_646_179_200 + NOON),
    ]


def test_a_diary_by_itself_gives_the_newest_watch_that_has_a_score(
    run_import: Import, database: Database
) -> None:
    assert figures(run_import(DIARY, "diary.csv", user_id=7)) == {
        "read": 4,
        "new": 1,
        "duplicate": 1,
        "marks": 2,
    }
    assert ratings(database) == {(7, 22): (4.5, 1_645_920_000 + NOON)}
    assert figures(run_import(REVIEWS, "reviews.csv", user_id=7))["read"] == 1


@pytest.mark.parametrize(
    ("name", "mark"), [("watched.csv", "watched"), ("watchlist.csv", "watchlist"), ("films.csv", "like")]
)
def test_lists_of_letterboxd_say_by_their_name_what_they_are(
    run_import: Import, database: Database, name: str, mark: str
) -> None:
    task = run_import(FILMS, name, user_id=7)
    assert task.status == "complete"
    assert figures(task) == {"read": 1, "marks": 1}
    assert [row[2] for row in table(database, "marks")] == [mark]


OLD_IMDB = (
    '"position","const","created","modified","description","Title","Title type","Directors","You rated",'
    '"IMDb Rating","Runtime (mins)","Year","Genres","Num. Votes","URL"\n'
    '"1","tt9900078","Sat Jan 30 00:00:00 2021","","","Other","Feature Film","","9","8","","1979","","",""\n'
    '"2","tt0000001","Sat Jan 30 00:00:00 2021","","","Heat","Video Game","","3","8","","1995","","",""\n'
)
IMDB_LIST = (
    "Position,Const,Created,Modified,Description,Title,Original Title,URL,Title Type,Year,Your Rating,"
    "Date Rated\n"
    '1,tt9900113,2021-01-01,x,"one\ntwo",Heat,Heat,u,Movie,1995,8,2021-05-05\n'
    "2,tt9900078,2021-01-01,x,,Alien,Alien,u,Movie,1979,,\n"
    "3,tt0000002,2021-01-01,x,,The Fabulous,Amélie,u,Movie,2001,7,2021-05-05\n"
    "4,tt0000003,2021-01-01,x,,Brazil,Brazil,u,TV Series,1985,7,2021-05-05\n"
)


def test_imdb_in_old_and_new_columns_by_the_type_of_the_title(run_import: Import, database: Database) -> None:
    task = run_import(OLD_IMDB.encode("latin-1"), "ratings.csv", user_id=7)
    assert figures(task) == {"read": 2, "new": 1, "rejected": 1}
    assert task.result is not None
    assert task.result["rejects"][0]["reason"] == "is no movie but another work (Video Game)"
    assert ratings(database)[7, 22] == (4.5, 1_611_964_800)
    task = run_import(IMDB_LIST, "My list.csv", user_id=7)
    assert figures(task) == {"read": 4, "new": 2, "rejected": 2}
    assert scores(database) == {22: 4.5, 23: 4.0, 21: 3.5}
    task = run_import(IMDB_LIST, "WATCHLIST.csv", user_id=7)
    assert (task.result or {})["marks"] == 1


def test_a_game_never_stands_for_the_film_of_its_name(run_import: Import, database: Database) -> None:
    header = "Const,Your Rating,Date Rated,Title,Title Type,Year\n"
    rows = "tt9900113,9,2023-01-05,Heat,Movie,1995\ntt9,3,2023-02-05,Heat,Video Game,1995\n"
    task = run_import(header + rows, user_id=7)
    assert figures(task) == {"read": 2, "new": 1, "rejected": 1}
    assert scores(database) == {23: 4.5}


TRAKT = [
    {"rated_at": "2024-01-05T10:00:00.000Z", "rating": 8, "type": "movie",
     "movie": {"title": "x", "year": 1, "ids": {"imdb": "tt9900113"}}},
    {"rated_at": "2023-01-05T10:00:00.000Z", "rating": 7, "type": "movie",
     "movie": {"title": "Brazil", "year": 1985, "ids": {"trakt": 1, "imdb": None}}},
    {"rated_at": "2023-01-05T10:00:00.000Z", "rating": 3, "type": "show", "show": {"title": "Alien"}},
    {"rated_at": "2023-01-05T10:00:00.000Z", "rating": 3, "type": "movie", "movie": {"ids": {"tmdb": 99348}}},
    5,
]  # fmt: skip


def test_an_export_of_trakt(run_import: Import, database: Database) -> None:
    body = json.dumps(TRAKT).replace("2024", "2023")
    assert figures(run_import(body, "ratings.json", user_id=7)) == {"read": 5, "new": 3, "rejected": 2}
    assert scores(database) == {23: 4.0, 24: 3.5, 22: 1.5}
    watched = json.dumps(
        [
            {
                "watched_at": "2022-01-01T00:00:00Z",
                "action": "watch",
                "type": "movie",
                "movie": {"ids": {"imdb": "tt9900113"}},
            }
        ]
    )
    listed = watched.replace("watched_at", "listed_at")
    shows = json.dumps([{"rated_at": "2022-01-01T00:00:00Z", "rating": 8, "type": "show", "show": {}}])
    archive = {"t/ratings-movies.json": body, "t/history.json": watched, "t/watchlist.json": listed,
               "t/ratings-shows.json": shows, "t/settings.json": "{}"}  # fmt: skip
    task = run_import(packed(archive), "trakt.zip", user_id=7)
    assert task.result is not None, task.error
    assert (task.result["read"], task.result["marks"], task.result["unchanged"]) == (7, 2, 3)
    assert task.result["left_out"][:2] == ["t/ratings-shows.json", "t/settings.json"]


@pytest.mark.parametrize(
    "content",
    [b'[{"movie":' + b"[" * 10_000, b"[" * 10_000, b'[{"a":1},', b'[{"rated_at":1,"movie":{}} x', b"[]"],
)
def test_damaged_or_deep_json_is_refused(run_import: Import, content: bytes) -> None:
    task = run_import(content, "a.json", user_id=7)
    assert task.status == "failed"
    assert task.error is not None
    assert task.error["status"] == 422


class Endless:
    """A gigabyte of one object, unless somebody stops."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        start = b'[{"rated_at":"' if not self.read_bytes else b""
        self.read_bytes += size
        return start + b"x" * (size - len(start)) if self.read_bytes < 1 << 30 else b""


def test_an_object_without_end_is_not_read_to_it() -> None:
    stream = Endless()
    source = files.Source(stream, lambda: 0, 1 << 30)  # type: ignore[arg-type]
    read = trakt.Json("a.json", "trakt-ratings", reader.RATINGS, "rated_at", "")
    context = reader.Context(set(), START, 7, lambda: KnownTitles([]), DEFAULT)
    with pytest.raises(AppError, match="object 1 cannot be read"):
        list(read.read(source, context))
    assert stream.read_bytes < 4 << 20


def test_json_is_read_alike_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps([{"a": "é[{", "n": number} for number in range(20)], indent=1) + "\n"
    for size in (1, 7, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert [item["n"] for item in trakt._objects(iter(pieces), "x")] == list(range(20))


def test_netflix_history_and_ratings(run_import: Import) -> None:
    series = '"Dark: Season 1: Secrets","6/18/22"\n"Alien: Limited Series: One: Episode 1","6/19/22"\n'
    task = run_import('Title,Date\n"Nobody Knows","6/19/22"\n' + series, "ViewingHistory.csv", user_id=7)
    assert task.result is not None, task.error
    assert (task.result["waiting"], task.result["rejected"]) == (1, 2)
    assert all(row["reason"].endswith("an episode of a series") for row in task.result["rejects"])
    header = "Profile Name,Title Name,Rating Type,Star Value,Thumbs Value,Device,Event Utc Ts,Region\n"
    rows = "A,Heat,star,5,,x,2022-06-19 19:13:22,\nB,Heat,thumb,,2,x,2022-06-19 19:13:22,\n"
    refused = run_import(header + rows, user_id=7)
    assert refused.error is not None
    assert "several profiles: A, B" in refused.error["detail"]


ML_1M = {
    "ml-1m/ratings.dat": "1::21::5::978300760\n1::22::3::978302109\n1,1::22::3::1\n",
    "ml-1m/movies.dat": "21::Déjà Vu (1997)::Animation|Children's\n22::Matrix, The (1999)::Action\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n",
}
ML_100K = {
    "ml-100k/u.data": "196\t21\t3\t881250949\n186\t22\t3\t891717742\n",
    "ml-100k/u.item": "21|Déjà Vu (1997)|01-Jan-1995||http://x|0|1|0|1\n22|Heat (1995)|||http://x|1|0|0|0\n",
    "ml-100k/u1.base": "196\t21\t3\t881250949\n",
}


@pytest.mark.parametrize(
    ("archive", "rows", "genre"), [(ML_1M, 2, "Animation|Children's"), (ML_100K, 2, "Action|Animation")]
)
def test_old_releases_of_movielens_as_they_are(
    run_import: Import, database: Database, archive: dict[str, str], rows: int, genre: str
) -> None:
    task = run_import(packed({name: text.encode("latin-1") for name, text in archive.items()}), "ml.zip")
    assert task.result is not None, task.error
    assert len(ratings(database)) == rows
    movies = {row[0]: row for row in table(database, "movies")}
    assert movies[21][1] == "Déjà Vu"
    assert genre in movies[21]
    assert task.result["left_out"] == [name for name in archive if name.endswith(("users.dat", ".base"))]


def test_a_workbook_is_refused_with_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(packed({"[Content_Types].xml": "", "xl/workbook.xml": ""}))
    with pytest.raises(AppError, match="CSV UTF-8"):
        files.contents(path, "x.xlsx")


def test_any_source_is_recognised_by_its_head() -> None:
    heads = {DIARY: "letterboxd-diary", REVIEWS: "letterboxd-reviews", SCORES: "letterboxd-ratings",
             OLD_IMDB: "imdb-ratings", IMDB_LIST: "imdb-list",
             json.dumps(TRAKT): "trakt-ratings"}  # fmt: skip
    assert [recognise(head.encode(), "x").name for head in heads] == list(heads.values())
