"""What the demo takes of a folder: all that an import by hand would, in an order that works."""

import zipfile
from pathlib import Path

import pytest

from app.cli.folder import Found, find
from app.errors import BadRequest
from app.imports import readers

FILES = {
    "movies.csv": "movieId,title,genres\n1,Toy Story (1995),Comedy\n",
    "links.csv": "movieId,imdbId,tmdbId\n1,0114709,862\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n31,1,4.0,964982703\n",
    "tags.csv": "userId,movieId,tag,timestamp\n31,1,toys,964982703\n",
    "watched.csv": "Date,Name,Year,Letterboxd URI\n2024-01-01,Toy Story,1995,https://boxd.it/1\n",
    "likes/films.csv": "Date,Name,Year,Letterboxd URI\n2024-01-01,Toy Story,1995,https://boxd.it/1\n",
    "boxd/ratings.csv": "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Toy Story,1995,https://boxd.it/1,4\n",
    "1m/movies.dat": "1::Toy Story (1995)::Comedy\n",
    "1m/ratings.dat": "88::1::5::978300760\n",
}


def folder(tmp_path: Path, *names: str) -> tuple[Path, Path]:
    """A folder with these of the files, and an empty one beside it."""
    for name in names:
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name])
    (tmp_path / "scratch").mkdir()
    return tmp_path / "given", tmp_path / "scratch"


def members(found: Found) -> list[str]:
    (path,) = found.files
    assert path is not None
    return [one.member.name for one in readers.recognise_all(path, path.name)[0]]


def test_a_release_of_movielens_goes_as_a_whole(tmp_path: Path) -> None:
    found = find(*folder(tmp_path, "ratings.csv", "tags.csv", "links.csv", "movies.csv"))
    assert members(found) == ["movies.csv", "links.csv", "ratings.csv"]
    assert (found.user, found.personal) == (31, set())
    assert [reason.split()[0] for reason in found.left_out] == ["tags.csv"]
    assert "POST" not in found.left_out[0]


def test_the_files_of_1m_go_too(tmp_path: Path) -> None:
    found = find(*folder(tmp_path, "1m/movies.dat", "1m/ratings.dat"))
    assert (members(found), found.user) == (["1m/movies.dat", "1m/ratings.dat"], 88)


def test_an_unpacked_export_is_one_persons(tmp_path: Path) -> None:
    found = find(*folder(tmp_path, "boxd/ratings.csv", "watched.csv", "likes/films.csv"))
    assert members(found)[-1] == "boxd/ratings.csv"
    assert len(members(found)) == 3
    assert found.personal == set(found.files)


def test_a_packed_export_beside_other_files(tmp_path: Path) -> None:
    given, scratch = folder(tmp_path, "movies.csv", "ratings.csv")
    with zipfile.ZipFile(given / "letterboxd.zip", "w") as archive:
        archive.writestr("ratings.csv", FILES["boxd/ratings.csv"])
    found = find(given, scratch)
    assert [path.name for path in found.files if path] == ["given.zip", "letterboxd.zip"]
    assert found.personal == {given / "letterboxd.zip"}
    assert find(given / "letterboxd.zip", scratch).files == [given / "letterboxd.zip"]


def test_ratings_of_two_sources_go_one_after_the_other(tmp_path: Path) -> None:
    found = find(*folder(tmp_path, "movies.csv", "ratings.csv", "boxd/ratings.csv"))
    assert [path.name for path in found.files if path] == ["movies.csv", "ratings.csv", "ratings.csv"]


def test_a_folder_without_ratings_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"says what a person thinks of a movie. tags.csv begins with"):
        find(*folder(tmp_path, "movies.csv", "tags.csv"))
