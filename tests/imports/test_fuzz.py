"""No file crashes a reader; its figures add up, and blocks of any size come to the same."""

import io
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import AppError
from app.imports import files, readers
from app.imports.known_titles import KnownTitles
from app.imports.readers import reader
from app.imports.readers.tables import HEAD
from app.imports.sizes import Sizes

HEADERS = [
    "user_id;movie_id;score;rated_at", "Title,Year,Rating,Date", "const,title,your rating,title type,created",
    "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date", "Title,Date", "id\ttitle\tyear\tgenre",
    "movieId|imdbId|tmdbId", "Title Name,Rating Type,Star Value,Thumbs Value,Profile Name,Event Utc Ts",
]  # fmt: skip
cells = st.sampled_from(
    ["", "1", "7", "4.5", "4,5", "9", "Film 1", "1995", "2020-01-05", "31/12/2019", "1/2/2020", '"', '"a\nb"',
     "é", "tt0211915", "movie", "TV Series", "thumb", "0", "-1", "nan", ",", ";", "\t", "|", " ",
     "1e400", "9" * 30]
)  # fmt: skip
tables = st.tuples(
    st.sampled_from(HEADERS), st.lists(st.lists(cells, max_size=9), max_size=8), st.binary(max_size=9)
)


def outcome(content: bytes, sizes: Sizes, tmp_path: Path) -> Any:
    """All that a reader makes of a file, or why it is refused."""
    path = tmp_path / "file"
    path.write_bytes(content)
    member = files.Member("file.csv", len(content), lambda: files._plain(path))
    context = reader.Context(
        {1, 7},
        1_700_000_000,
        7,
        lambda: KnownTitles([(1, "Film 1", 1995)]),
        sizes,
        imdb_ids=lambda: [[211915], [7]],
        tmdb_ids=lambda: [[194], [7]],
    )
    try:
        read = readers.recognise(content[:HEAD], "file.csv")
        if isinstance(read, reader.Judging):
            read = read.settled(read.judge(member, sizes))
        with member.open() as source:
            batches = list(read.read(source, context))
    except AppError as error:
        return error.detail
    good = [len(batch.good) for batch in batches]
    rejects = [reject for batch in batches for reject in batch.rejects]
    marks = [mark for batch in batches for mark in batch.marks]
    missing = [row for batch in batches for row in batch.missing]
    assert sum(batch.read for batch in batches) == sum(good) + len(rejects) + len(marks) + len(missing)
    return sum(good), rejects, marks, missing


@given(table=tables, block=st.integers(1, 50), encoding=st.sampled_from(["utf-8", "cp1252", "utf-16"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_table_crashes_a_reader_and_blocks_of_any_size_give_the_same(
    tmp_path: Path, table: tuple[str, list[list[str]], bytes], block: int, encoding: str
) -> None:
    header, rows, noise = table
    separator = next((one for one in ";\t|" if one in header), ",")
    text = "\n".join([header, *(separator.join(row) for row in rows)])
    content = text.encode(encoding, "replace") + noise
    assert outcome(content, Sizes(block=block), tmp_path) == outcome(content, Sizes(), tmp_path)


@given(content=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_crash_a_reader(tmp_path: Path, content: bytes) -> None:
    outcome(content, Sizes(), tmp_path)
    outcome(b"Title,Year,Rating\n" + content, Sizes(block=16), tmp_path)
    outcome(b"[" + content, Sizes(), tmp_path)


def test_a_table_of_random_quotes_takes_no_time_out_of_proportion(tmp_path: Path) -> None:
    chooser = random.Random(1)
    text = io.StringIO("Title,Year,Rating\n")
    text.seek(0, io.SEEK_END)
    for _ in range(20_000):
        text.write("".join(chooser.choices('a,"\n', k=6)) + "\n")
    found = outcome(text.getvalue().encode(), Sizes(), tmp_path)
    assert not isinstance(found, str)
    assert len(found[1]) > 1000
