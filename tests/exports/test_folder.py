"""An export as Parquet: what other programs read of it, to the last bit."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import commands
from app.config import Settings
from app.errors import BadRequest
from app.exports.folder import export, partition_of, update
from app.mark import Mark
from app.rating import Rating, RatingColumns
from app.recommender import evaluation
from app.recommender.interactions import Interactions
from app.repository import marks, movies, ratings
from app.storage import Database, open_database
from app.storage.parquet import Table

pandas = pytest.importorskip("pandas", reason="uv sync --group columns")

USERS, EACH = 900, 7
DUCKDB = """
import duckdb, hashlib, sys
from app.exports.folder import update
query = "SELECT user_id, movie_id, score, epoch(rated_at)::BIGINT AS at FROM read_parquet(?) ORDER BY 1, 2"
digest = hashlib.sha256()
update(digest, *duckdb.execute(query, sys.argv[1:]).fetchnumpy().values())
print(digest.hexdigest())
"""


@pytest.fixture
def full(database: Database) -> Database:
    """A database with ratings of every score, also of before 1970, and marks, one of them taken away."""
    choose = np.random.default_rng(5)
    users = np.repeat(np.sort(choose.choice(10**12, USERS, replace=False)), EACH)
    with database.write() as connection:
        known = np.array(movies.known_ids(connection))
    ids = np.concatenate([np.sort(choose.choice(known, EACH, replace=False)) for _ in range(USERS)])
    times = choose.integers(-(10**9), 10**9, len(users))
    columns = RatingColumns(users, ids, choose.integers(1, 11, len(users)).astype(np.uint8), times)
    with database.write() as connection:
        database.put_ratings(connection, columns)
        for user, mark, is_set in (
            (7, Mark.LIKE, True),
            (7, Mark.WATCHED, False),
            (10**12, Mark.WATCHLIST, True),
        ):
            marks.set_marks(connection, user, int(known[0]), {mark: is_set}, now=1_700_000_000)
    return database


def digest(*columns: Any) -> str:
    found = hashlib.sha256()
    update(found, *columns)
    return found.hexdigest()


def test_duckdb_and_pandas_read_what_the_database_has(full: Database, tmp_path: Path) -> None:
    made = export(full, tmp_path / "out", 3)
    said = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert said["sha256"] == made.sha256
    assert (made.ratings, made.users, made.marks) == (USERS * EACH, USERS, 2)

    command = [sys.executable, "-c", DUCKDB, f"{tmp_path}/out/ratings/*.parquet"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found.strip() == made.sha256

    frame = pandas.read_parquet(tmp_path / "out" / "ratings").sort_values(["user_id", "movie_id"])
    times = frame.rated_at.astype("datetime64[s, UTC]").astype("int64")
    assert digest(frame.user_id, frame.movie_id, frame.score, times) == made.sha256

    with full.read() as connection:
        rows = list(ratings.every(connection))
    assert (
        digest(*zip(*((r.user_id, r.movie_id, r.score, r.rated_at) for r in rows), strict=True))
        == made.sha256
    )


def test_a_user_is_in_the_partition_of_their_hash_and_in_no_other(full: Database, tmp_path: Path) -> None:
    made = export(full, tmp_path / "out", 4)
    files = sorted((tmp_path / "out" / "ratings").iterdir())
    assert [path.name for path in files] == [f"part-{n:05}.parquet" for n in range(4)]
    for number, path in enumerate(files):
        users = pandas.read_parquet(path).user_id.to_numpy()
        assert len(users)
        assert (partition_of(users, 4) == number).all()
    marked = pandas.read_parquet(tmp_path / "out" / "marks")
    assert sorted(zip(marked.user_id, marked.mark, strict=True)) == [(7, "like"), (10**12, "watchlist")]
    assert made.partitions == 4


def test_movies_and_held_out_users_are_those_of_the_service(full: Database, tmp_path: Path) -> None:
    made = export(full, tmp_path / "out", 1)
    frame = pandas.read_parquet(tmp_path / "out" / "movies")
    with full.read() as connection:
        listed = movies.listing(connection, limit=5_000)
        interactions = Interactions.from_sorted(ratings.columns(connection, 100))
    assert made.movies == len(listed)
    assert list(frame.title) == [movie.title for movie in listed]
    assert [None if pandas.isna(year) else int(year) for year in frame.year] == [
        movie.year for movie in listed
    ]
    _, held_out = evaluation.split(interactions)
    assert list(pandas.read_parquet(tmp_path / "out" / "held_out").user_id) == list(held_out.folded.user_ids)
    assert made.held_out == len(held_out.folded.user_ids) == 90


def test_what_comes_meanwhile_is_not_in_it(full: Database, engine_settings: Settings, tmp_path: Path) -> None:
    other = open_database(engine_settings)

    def write(*_: object) -> None:
        with other.write() as connection:
            ratings.put(connection, Rating(10**12 + 5, 1, 4.0, 1_000))
            marks.set_marks(connection, 10**12 + 5, 1, {Mark.LIKE: True}, now=1)

    made = export(full, tmp_path / "out", 2, write)
    other.close()
    assert (made.ratings, made.marks) == (USERS * EACH, 2)


def test_a_folder_with_something_in_it_is_refused_and_a_failure_leaves_nothing(
    full: Database, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    with pytest.raises(BadRequest, match="not an empty folder"):
        export(full, tmp_path / "there", 1)
    with pytest.raises(BadRequest, match="--partitions takes a number from 1"):
        export(full, tmp_path / "new", 0)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export(full, tmp_path / "new", 2, fail)
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["there"]


def test_rows_go_out_in_groups_that_bound_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.parquet.BUFFERED", 400)
    monkeypatch.setattr("app.storage.parquet.FEWEST", 10)
    most = 0
    with Table(tmp_path / "t", {"n": "int64"}, 2) as table:
        for start in range(0, 2_000, 50):
            numbers = np.arange(start, start + 50)
            table.add({"n": numbers}, numbers % 2)
            most = max(most, sum(table._sizes))
    assert most <= 2 * (100 + 25)
    assert sorted(pandas.read_parquet(tmp_path / "t").n) == list(range(2_000))


def test_without_pyarrow_one_line_says_what_to_install(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setenv("MATINEE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setattr("app.cli.exports.be_private", lambda: None)
    assert commands.main(["export", str(tmp_path / "out")]) == 1
    assert "install matinee[parquet]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setattr("app.cli.exports.be_private", lambda: None)
    assert commands.main(["export", "--format", "parquet", "--partitions", "2", str(tmp_path / "out")]) == 0
    said = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert f"0 ratings of 0 users, {said['movies']:,} movies" in capsys.readouterr().out
    assert said["sha256"] == hashlib.sha256().hexdigest()
