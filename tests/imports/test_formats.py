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
        (b"user_id,movie_id,score,extra\n", "no header that we know"),
        (b"user_id,movie_id,score,score\n", "no header that we know"),
        ("user_id,movie_id,score\n".encode("utf-16"), "UTF-16"),
        ("user_id,movie_id,score\n".encode("utf-16-le"), "UTF-16"),
        (b"user_id,movie_id,score\r1,2,3\r", "CR alone"),
        (b"\x1f\x8b\x08nonsense", "damaged"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_a_way_out(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        checked(tmp_path, content)
    assert any(word in refused.value.detail for word in ("Expected", "Save it", "again"))
