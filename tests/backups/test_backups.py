"""A backup is of one moment, restored whole and verified, or not at all."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.backups import archive, ledger, making
from app.backups.restoring import Report, restore
from app.config import Settings
from app.errors import Conflict, Invalid
from app.people.forget import Asker, forget
from app.rating import Rating
from app.repository import ratings
from app.storage import Database, open_database
from app.storage.schema import metadata
from tests.postgres import PostgresServer

TABLES = [table for table in metadata.sorted_tables if table.name != "counters"]
Elsewhere = Callable[[], Settings]


@pytest.fixture
def elsewhere(engine_settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Elsewhere:
    """Makes settings of an empty folder and database, of the same engine."""
    numbers = iter(range(100))

    def make() -> Settings:
        made = replace(engine_settings, data_dir=tmp_path / f"elsewhere{next(numbers)}")
        if not engine_settings.database_url:
            return made
        server: PostgresServer = request.getfixturevalue("postgres")[0]
        return replace(made, database_url=server.url(server.create_database()))

    return make


def digest(connection: Connection) -> dict[str, str]:
    """Of every table, whatever the order of its rows."""
    return {
        table.name: hashlib.sha256(
            "\n".join(sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))).encode()
        ).hexdigest()
        for table in TABLES
    }


def rate(database: Database, *rows: tuple[int, int, float]) -> None:
    with database.write() as connection:
        for user_id, movie_id, score in rows:
            ratings.put(connection, Rating(user_id, movie_id, score, 1_000))


def backed_up(database: Database, settings: Settings) -> bytes:
    target = io.BytesIO()
    with making.moment(database, settings, lambda: 2_000.0) as moment:
        making.write(moment, database, target, settings.data_dir)
    return target.getvalue()


def restored(settings: Settings, content: bytes, forgotten: ledger.Entries | None = None) -> Report:
    return restore(settings, io.BytesIO(content), forgotten or set(), now=5_000.0)


def test_what_is_restored_is_as_of_the_moment_whatever_is_written_meanwhile(
    database: Database, engine_settings: Settings, elsewhere: Elsewhere
) -> None:
    rate(database, (7, 1, 4.5), (8, 1, 2.0))
    model = engine_settings.models_dir / "abc.npz"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"a model")
    with database.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO models (task_id, checksum, active, promoted, reason, settings, evaluation, "
                "ratings, users, movies, created_at) "
                "VALUES ('t', 'abc', true, true, '', '{}', '{}', 2, 2, 1, 1)"
            )
        )
    target = io.BytesIO()
    with making.moment(database, engine_settings) as moment:
        wanted = digest(moment.connection)
        rate(database, (7, 1, 0.5), (9, 1, 5.0))
        model.unlink()
        made = making.write(moment, database, target, engine_settings.data_dir)
    assert made.left_out == []
    there = elsewhere()
    assert restored(there, target.getvalue()).ratings == 2
    other = open_database(there)
    with other.read() as connection:
        assert digest(connection) == wanted
    rate(other, (7, 1, 0.5), (9, 1, 5.0))
    with other.read() as here, database.read() as there_too:
        assert digest(here)["ratings"] == digest(there_too)["ratings"]
    other.close()
    assert (there.models_dir / "abc.npz").read_bytes() == b"a model"
    assert oct(there.data_dir.stat().st_mode)[-3:] == "700"


def test_a_damaged_archive_is_refused_whole(
    database: Database, engine_settings: Settings, elsewhere: Elsewhere
) -> None:
    rate(database, (7, 1, 4.5))
    content, there = backed_up(database, engine_settings), elsewhere()
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        members = opened.getmembers()
    some = members if not engine_settings.database_url else members[::40]
    places = [member.offset_data + member.size // 2 for member in some]
    places += [members[1].offset + 3, members[-1].offset + 130]
    broken = [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in places]
    broken += [content[:length] for length in (100, len(content) // 2, members[-1].offset)]
    last, before = members[-1].offset, members[-2].offset
    broken += [content[:before] + content[last:], b"no archive at all" * 100]
    for one in broken:
        with pytest.raises(Invalid):
            restored(there, one)
        assert not there.data_dir.exists() or list(there.data_dir.iterdir()) == []
    assert restored(there, content).ratings == 1


def test_a_restore_over_data_is_refused(database: Database, engine_settings: Settings) -> None:
    rate(database, (7, 1, 4.5))
    content = backed_up(database, engine_settings)
    with pytest.raises(Conflict):
        restored(engine_settings, content)
    with database.read() as connection:
        assert len(connection.execute(sa.text("SELECT * FROM ratings")).all()) == 1


def test_a_backup_of_another_engine_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    archive.Writer(target, archive.Header("other", "0001", "1", 1.0)).finish()
    with pytest.raises(Invalid, match="of other"):
        restored(Settings(data_dir=tmp_path / "there"), target.getvalue())
    newer = io.BytesIO()
    archive.Writer(newer, archive.Header("sqlite", "9999", "2", 1.0)).finish()
    with pytest.raises(Invalid, match="newer release"):
        restored(Settings(data_dir=tmp_path / "there"), newer.getvalue())


def test_people_who_were_forgotten_since_are_dropped(
    database: Database, engine_settings: Settings, elsewhere: Elsewhere
) -> None:
    rate(database, (7, 1, 4.5), (8, 1, 2.0), (9, 1, 2.0))
    forget(database, engine_settings, 9, Asker(), now=1_500.0)
    rate(database, (9, 2, 3.0))  # somebody else by now
    content = backed_up(database, engine_settings)
    forget(database, engine_settings, 7, Asker(), now=2_500.0)
    with database.read() as connection:
        entries = ledger.known(connection)
    there = elsewhere()
    assert restored(there, content, entries).dropped == [7]
    other = open_database(there)
    with other.read() as connection:
        assert set(connection.execute(sa.text("SELECT user_id FROM ratings")).scalars()) == {8, 9}
        assert ledger.known(connection) >= {(9, 1_500.0)}
    other.close()
