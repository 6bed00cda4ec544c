"""Everything of a service comes into another database: each row, number and file, or nothing counts."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app import kinds  # noqa: F401  (registers them)
from app.config import Settings
from app.errors import BadRequest, ConfigurationError, Conflict, Damaged, Invalid
from app.imports.kinds import IMPORT, ImportParams
from app.rating import Rating
from app.repository import ratings, tasks
from app.repository.search import search
from app.storage import Database, engine_of, open_database, rows
from app.storage.schema import metadata
from app.tasks.start import queue
from app.tasks.worker import run_next
from app.transfers.transfer import Report, transfer
from tests.postgres import PostgresServer

WAYS = ("sqlite to postgres", "postgres to sqlite")
AHEAD = 1_000_000
"""Rows of a table that the engine numbers were deleted after this number."""
Pair = tuple[Settings, Settings]


one_way = pytest.mark.parametrize("pair", WAYS[:1], indirect=True)
"""For what is the same code both ways."""


class Stopped(Exception):
    """Ends a transfer in the middle, as a kill between two transactions does."""


@pytest.fixture(params=WAYS)
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Settings, postgres: tuple[PostgresServer, str]
) -> Iterator[Pair]:
    """Settings of a migrated database, and of an empty one of the other engine, in a folder each."""
    server, template = postgres
    name = server.create_database(template if request.param.startswith("postgres") else "template0")
    there = replace(settings, database_url=server.url(name), data_dir=tmp_path / "postgres")
    if request.param.startswith("sqlite"):
        yield settings, there
    else:
        yield there, replace(settings, data_dir=tmp_path / "sqlite")
    server.drop_database(name)


def value_of(column: sa.Column[Any], number: int) -> Any:
    """Something that its type takes, and that a careless copy would change."""
    if column.nullable and number % 3 == 0:
        return sa.null()
    json = {"ключ": [number, 1e-7, None, "\\x \u0000"]} if number % 2 else None
    values = {
        sa.Boolean: number % 2 == 0,
        sa.BigInteger: 2**52 + number,
        sa.Integer: 2**31 - 1 - number,
        sa.Double: (0.1 + 0.2) * number,
        sa.LargeBinary: bytes([0, 255, 92, number]),
        sa.JSON: json,
        sa.Text: f"{column.name} {number}: Ünï \\N \t\n'\"“日本” 🎬",
    }
    return next(value for kind, value in values.items() if isinstance(column.type, kind))


def fill(connection: Connection) -> None:
    """Rows in every table, with a value in every column, beside those of a new database."""
    for table in rows.tables():
        for number in range(1, 8):
            given = {column.name: value_of(column, number) for column in table.columns}
            if table in numbered() and (key := table.autoincrement_column) is not None:
                given[key.name] = 10_000 + number
            connection.execute(table.insert().values(given))


def numbered() -> list[sa.Table]:
    return [table for table in rows.tables() if table.dialect_options["sqlite"]["autoincrement"]]


def contents(settings: Settings) -> dict[str, list[str]]:
    """Of every table its rows, read without the code that copies them."""
    database = open_database(settings)
    with database.read() as connection:
        found = {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(raw(table)))
            for table in metadata.tables.values()
        }
    database.close()
    return found


def raw(table: sa.Table) -> sa.Select[Any]:
    return sa.select(
        *(sa.cast(one, sa.Text) if isinstance(one.type, sa.JSON) else one for one in table.columns)
    )


def filled(settings: Settings) -> dict[str, list[str]]:
    database = open_database(settings)
    with database.write() as connection:
        fill(connection)
        database.copies.set_numbers(connection, {table.name: AHEAD for table in numbered()})
    database.close()
    return contents(settings)


def rate(settings: Settings, *given: tuple[int, int, float]) -> None:
    database = open_database(settings)
    with database.write() as connection:
        for user_id, movie_id, score in given:
            ratings.put(connection, Rating(user_id, movie_id, score, 1_000))
    database.close()


def stopping(after: int) -> Callable[[str, int, int], None]:
    """Progress that ends the transfer at its report with this number."""
    seen = 0

    def told(_phase: str, _done: int, _total: int) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise Stopped

    return told


def test_every_value_of_every_table_is_the_same_on_the_other_engine(pair: Pair) -> None:
    source, target = pair
    wanted = filled(source)
    report = transfer(source, target)
    assert {name: one.rows for name, one in report.tables.items()} == {n: len(r) for n, r in wanted.items()}
    assert min(one.rows for one in report.tables.values()) >= 7
    assert contents(target) == contents(source) == wanted
    database = open_database(target)
    with database.write() as connection:
        for table in numbered():
            key = table.autoincrement_column
            assert key is not None
            given = {c.name: value_of(c, 8) for c in table.columns if c is not key}
            (number,) = connection.execute(table.insert().values(given)).inserted_primary_key or (0,)
            assert number == AHEAD + 1, table.name
        assert [found.movie.id for found in search(connection, "toy story", limit=1)] == [1]
    database.close()


def test_no_table_is_left_out(database: Database) -> None:
    """The index of titles is made of the movies; the revision is set at the end."""
    with database.read() as connection:
        there = set(sa.inspect(connection).get_table_names())
    copied = {table.name for table in rows.tables()}
    made = {name for name in there if name.startswith("title_terms")} | {"alembic_version"}
    assert copied == there - made


@one_way
def test_one_that_is_stopped_anywhere_goes_on_there(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = pair
    wanted = filled(source)
    monkeypatch.setattr(rows, "MANY", 3)
    monkeypatch.setattr(rows, "FEW", 20)
    written, put = [0], type(engine_of(target).copies).put_rows

    def counted(*given: Any) -> None:
        written[0] += len(given[-1])
        put(*given)

    monkeypatch.setattr(type(engine_of(target).copies), "put_rows", counted)
    runs, report = 0, None
    while report is None:
        runs += 1
        try:
            report = transfer(source, target, stopping(after=25))
        except Stopped:
            with pytest.raises(ConfigurationError, match="not whole"):
                open_database(target)
            if written[0] == sum(map(len, wanted.values())):
                report = transfer(source, target)
    assert runs > 2
    assert report.resumed
    assert written[0] == sum(map(len, wanted.values()))
    assert contents(target) == wanted


def test_a_source_in_use_is_refused_until_it_is_stopped(pair: Pair) -> None:
    source, target = pair
    server = open_database(source)
    with server.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    with pytest.raises(Conflict, match="in use"):
        transfer(source, target)
    server.close()
    seen: list[str] = []

    def started(_phase: str, _done: int, _total: int) -> None:
        if not seen:
            with pytest.raises(Exception, match="moved to another engine"):
                open_database(source)
            seen.append("refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.storage.presence.PATIENCE", 0.1)
        patch.setattr("app.storage.postgres.PATIENCE", 0.1)
        transfer(source, target, started)
    assert seen == ["refused"]
    open_database(source).close()


@one_way
def test_a_target_that_holds_anything_else_is_refused(pair: Pair, tmp_path: Path) -> None:
    source, target = pair
    rate(source, (7, 1, 4.5))
    open_database(target).close()
    with pytest.raises(Conflict, match="holds tables"):
        transfer(source, target)
    with pytest.raises(BadRequest, match="same database"):
        transfer(source, source)
    none = replace(source, database_url=f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(BadRequest, match="no database at"):
        transfer(none, target)
    assert not (tmp_path / "none.db").exists()
    for url in ("sqlite://", "mysql://x/y", "no url"):
        with pytest.raises(BadRequest, match="FROM is no address"):
            transfer(replace(source, database_url=url), target)


@one_way
def test_a_target_of_another_source_and_a_source_that_changed_are_refused(
    pair: Pair, tmp_path: Path, migrated: Path
) -> None:
    source, target = pair
    rate(source, (7, 1, 4.5))
    with pytest.raises(Stopped):
        transfer(source, target, stopping(after=2))
    other = tmp_path / "other" / "matinee.db"
    other.parent.mkdir()
    other.write_bytes(migrated.read_bytes())
    with pytest.raises(Conflict, match="being filled from"):
        transfer(replace(source, database_url=f"sqlite:///{other}"), target)
    rate(source, (8, 1, 2.0))
    with pytest.raises(Conflict, match="has changed since"):
        transfer(source, target)


@one_way
def test_what_differs_at_the_end_is_named_and_not_used(pair: Pair) -> None:
    source, target = pair
    rate(source, (7, 1, 4.5), (8, 1, 2.0))

    def changing(phase: str, done: int, total: int) -> None:
        if phase == "copying rows" and done == total:
            with there.write() as connection:
                connection.execute(sa.text("UPDATE ratings SET score = 4 WHERE user_id = 8"))

    there = engine_of(target)(target)
    with pytest.raises(Damaged, match="The table ratings is not the same: 2 rows"):
        transfer(source, target, changing)
    there.close()
    with pytest.raises(ConfigurationError, match="not whole"):
        open_database(target)


def test_a_value_that_the_target_does_not_take_is_named(
    settings: Settings, postgres: tuple[PostgresServer, str]
) -> None:
    database = open_database(settings)
    with database.write() as connection:
        insert = "INSERT INTO users (id, name, name_key, created_at) VALUES (41, :name, 'a', 1)"
        connection.execute(sa.text(insert), {"name": "A\0B"})
    database.close()
    server, _ = postgres
    target = replace(settings, database_url=server.url(server.create_database()))
    with pytest.raises(Invalid, match=r"a row of the table users, at \[41\], which has a NUL character"):
        transfer(settings, target)


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_source_of_another_schema_is_refused(settings: Settings, tmp_path: Path, revision: str) -> None:
    database = open_database(settings)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    database.close()
    with pytest.raises(Conflict, match=f"has schema {revision}"):
        transfer(settings, replace(settings, database_url=f"sqlite:///{tmp_path / 'there.db'}"))


def test_a_task_that_is_queued_before_is_completed_after_with_its_upload(pair: Pair) -> None:
    source, target = pair
    rate(source, (7, 1, 4.5))
    content = b"user_id,movie_id,score\n6,1,4.5\n6,32,3\n"
    database = open_database(source)
    source.uploads_dir.mkdir(parents=True)
    (source.uploads_dir / "a.csv").write_bytes(content)
    (source.data_dir / "secret.key").write_text("of-nobody's-business-" * 2)
    (source.models_dir).mkdir()
    (source.models_dir / "abc.npz").write_bytes(b"a model")
    with database.write() as connection:
        sha256 = hashlib.sha256(content).hexdigest()
        task = queue(connection, IMPORT.name, ImportParams("uploads/a.csv", "a.csv", len(content), sha256))
    database.close()
    report = transfer(source, target)
    assert (report.files, report.goes_on, report.missing) == (3, 1, [])
    assert (target.models_dir / "abc.npz").read_bytes() == b"a model"
    assert oct((target.data_dir / "secret.key").stat().st_mode)[-3:] == "600"
    there = open_database(target)
    assert run_next(there, target)
    with there.read() as connection:
        found = tasks.get(connection, task.id)
        assert found is not None
        assert (found.status, found.result and found.result["new"]) == ("complete", 2)
        assert {row.movie_id for row in ratings.of_user(connection, 6)} == {1, 32}
    there.close()


def test_files_that_are_not_found_are_named_and_others_not_written_over(
    settings: Settings, tmp_path: Path
) -> None:
    database = open_database(settings)
    with database.write() as connection:
        insert = (
            "INSERT INTO models (task_id, checksum, active, promoted, reason, settings, evaluation, ratings, "
            "users, movies, created_at) VALUES ('t', 'abc', true, true, '', '{}', '{}', 2, 2, 1, 1)"
        )
        connection.execute(sa.text(insert))
    database.close()
    (settings.models_dir).mkdir()
    (settings.models_dir / "other.npz").write_bytes(b"here")
    there = tmp_path / "there"
    (there / "models").mkdir(parents=True)
    (there / "models" / "other.npz").write_bytes(b"there")
    target = replace(settings, database_url=f"sqlite:///{there / 'a.db'}", data_dir=there)
    with pytest.raises(Conflict, match="holds files of a service"):
        transfer(settings, target)
    assert (there / "models" / "other.npz").read_bytes() == b"there"
    (there / "models" / "other.npz").unlink()
    report: Report = transfer(settings, target)
    assert report.missing == ["the model abc"]
    assert (there / "models" / "other.npz").read_bytes() == b"here"
