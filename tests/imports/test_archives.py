"""Uploads in .gz and .zip, and what is wrong with some."""

import gzip
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.errors import AppError, Invalid, TooLarge
from app.imports import files
from app.imports.readers import check
from app.storage import Database
from tests.imports.conftest import Import, ratings, table

HEADER = "user_id,movie_id,score\n"


def packed(entries: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def checked(directory: Path, content: bytes, filename: str = "upload.zip") -> str:
    path = directory / "upload"
    path.write_bytes(content)
    return check(path, filename).name


def test_a_movielens_release_is_imported_as_it_is(
    run_import: Import, database: Database, catalogue: list[int]
) -> None:
    release: dict[str, str | bytes] = {
        "ml/README.txt": "hello",
        "ml/README.md": "# hello",
        "ml/poster.PNG": b"\x89PNG",
        "ml/": "",
        "__MACOSX/ml/._movies.csv": b"\0",
        "ml/ratings.csv": "userId,movieId,rating,timestamp\n1,50,4.0,964982703\n1,1,4.5,964982703\n1,98,1,\n",
        "ml/links.csv": "movieId,imdbId,tmdbId\n50,0114709,862\n",
        "ml/tags.csv": "userId,movieId,tag,timestamp\n1,1,pixar,1\n",
        "ml/movies.csv": "movieId,title,genres\n50,Toy Story (1995),Comedy\n",
    }
    task = run_import(packed(release), "ml.zip")
    assert task.result is not None
    assert task.result["formats"] == ["movielens-movies", "movielens-links", "movielens-ratings"]
    assert task.result["left_out"] == ["ml/tags.csv", "ml/README.md", "ml/poster.PNG", "ml/README.txt"]
    assert (task.result["read"], task.result["new"], task.result["rejected"]) == (5, 4, 1)
    assert ratings(database) == {(1, 50): (4.0, 964982703), (1, 1): (4.5, 964982703)}
    assert table(database, "links") == [(50, 114709, 862)]


def test_one_file_in_a_zip(tmp_path: Path) -> None:
    assert checked(tmp_path, packed({"my.csv": HEADER + "1,1,5\n", "__MACOSX/._my.csv": b"\0"})) == "ratings"


def test_a_text_file_in_a_zip_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    text = "user_id\tmovie_id\tscore\n1\t1\t5\n".encode("utf-16")
    assert checked(tmp_path, packed({"export.TXT": text, "logo.png": b"x"})) == "table"
    assert checked(tmp_path, packed({"export.txt": text, "my.csv": HEADER + "1,1,5\n"})) == "ratings"


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({}, "no CSV file"),
        ({"readme.md": "x"}, "no CSV file"),
        ({"readme.txt": "x"}, "no header that we know"),
        ({"films.xml": "<films></films>", "readme.md": "x"}, "films.xml is XML"),
        ({"a.csv": "x,y\n1,2\n"}, "no header that we know"),
        ({"a.csv": HEADER, "b/ratings.csv": HEADER}, "2 files of ratings: a.csv, b/ratings.csv"),
        ({"../a.csv": HEADER}, "leads out of it"),
        ({"/etc/a.csv": HEADER}, "leads out of it"),
        ({"x\\..\\..\\a.csv": HEADER}, "leads out of it"),
        ({"C:/a.csv": HEADER}, "leads out of it"),
        ({f"{i}.txt": "" for i in range(1001)}, "holds 1001 files"),
    ],
)
def test_zips_that_cannot_be_imported(tmp_path: Path, entries: dict[str, str | bytes], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        checked(tmp_path, packed(entries))


def test_bombs_are_refused_before_they_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "HARMLESS", 1_000_000)
    bomb = HEADER.encode() + bytes(4_000_000)
    for content in (packed({"a.csv": bomb}), gzip.compress(bomb)):
        with pytest.raises(TooLarge, match="unpacks to more than 200 times"):
            checked(tmp_path, content)


def test_a_bomb_that_lies_about_its_size_is_stopped(
    run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "HARMLESS", 1_000_000)
    bomb = bytearray(gzip.compress(HEADER.encode() + bytes(40_000_000)))
    bomb[-4:] = (100).to_bytes(4, "little")
    task = run_import(bytes(bomb), "a.csv.gz")
    assert task.error is not None
    assert task.error["status"] == TooLarge.status


@pytest.mark.parametrize("cut", [1, 8, 20, 60, 200])
def test_damaged_archives_are_refused_or_fail_and_say_so(
    run_import: Import, tmp_path: Path, cut: int
) -> None:
    text = HEADER + "".join(f"{i},{i % 7},5\n" for i in range(500))
    for content, name in (
        (packed({"a.csv": text})[:-cut], "a.zip"),
        (gzip.compress(text.encode())[:-cut], "a.gz"),
    ):
        try:
            checked(tmp_path, content, name)
        except AppError as refused:
            assert "damaged" in refused.detail
            continue
        task = run_import(content, name)
        assert task.error is not None
        assert "damaged" in task.error["detail"]
