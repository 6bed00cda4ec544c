"""What is recognised before the answer to an upload, and what is refused with a way out."""

import gzip
from pathlib import Path

import pytest

from app.errors import Invalid
from app.imports.readers import check


def checked(directory: Path, content: bytes, filename: str = "file.csv") -> str:
    path = directory / "upload"
    path.write_bytes(content)
    return check(path, filename).name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("user_id,movie_id,score", "ratings"),
        ("user_id,movie_id,score,rated_at", "ratings"),
        ("movie_id,rated_at,score,user_id", "ratings"),
        ('"user_id", "movie_id", "score"', "ratings"),
        ("id,title,year,genre", "movies"),
        ("userId,movieId,rating,timestamp", "movielens-ratings"),
        ("movieId,title,genres", "movielens-movies"),
        ("movieId,imdbId,tmdbId", "movielens-links"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n1,2,3\r\n"])
def test_formats_are_known_by_their_header(tmp_path: Path, header: str, name: str, end: bytes) -> None:
    assert checked(tmp_path, header.encode() + end) == name
    assert checked(tmp_path, b"\xef\xbb\xbf" + header.encode() + end) == name
    assert checked(tmp_path, gzip.compress(header.encode() + end)) == name


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,b,c\n1,2,3\n", "no header that we know"),
        (b"1,2,3\n", "no header that we know"),
        (b"user_id,movie_id\n", "no header that we know"),
        (b"user_id,movie_id,score,score\n", "several columns that could be its score"),
        (b"title,my rating,your score\n", "several columns that could be its score"),
        ("user_id,movie_id,score\n".encode("utf-32"), "UTF-32"),
        (b"Date,Name,Year,Letterboxd URI\n", "watched.csv, watchlist.csv or films.csv"),
        (b"Const,Title,IMDb Rating\ntt1,Heat,8.3\n", "no header that we know"),
        (b"user_id;book_id;rating\n1;2;3\n", "rates books"),
        (b'"User-ID";"ISBN";"Book-Rating"\n', "rates books"),
        (b"7:\n12,3,2005-09-06\n", "Netflix Prize"),
        (b"<films><film>x</film></films>", "XML or HTML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
        (b'{"rating": 8}', "no export of Trakt"),
        (b'[{"rated_at": "2024-01-01", "type": "show", "show": {}}]', "no movies"),
        (b"[" * 100_000, "cannot be read"),
        (b"user_id,movie_id,score\r1,2,3\r", "CR alone"),
        (b"\x1f\x8b\x08nonsense", "damaged"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_a_way_out(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        checked(tmp_path, content)
    assert any(
        word in refused.value.detail
        for word in ("xpected", "Save", "again", "Say which", "Send it", "no movies")
    )
