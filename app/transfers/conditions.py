"""What has to hold before a transfer: two databases, the one without processes, the other empty or begun."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import AppError, BadRequest, Conflict, Unavailable
from app.storage import Database, engine_of
from app.storage.revisions import head_revision, least, upgrade
from app.storage.rows import tables
from app.storage.schema import counters, movies
from app.storage.start_failures import advise
from app.storage.unfinished import Place, begin, find
from app.storage.upgrades import UNFINISHED
from app.transfers import files


def refuse_same(source: Settings, target: Settings) -> None:
    for settings, word in ((source, "FROM"), (target, "TO")):
        try:
            _name(settings)
        except (AppError, sa.exc.ArgumentError):
            raise BadRequest(
                f"{word} is no address of a database. Give sqlite:///FILE or postgresql://USER@HOST/NAME."
            ) from None
    if not engine_of(source).exists(source):
        raise BadRequest(f"There is no database at {_name(source)}, which FROM names.")
    if _name(source) == _name(target):
        raise BadRequest("FROM and TO are the same database.")


def _name(settings: Settings) -> str:
    copies = engine_of(settings).copies
    return f"{copies.engine} {copies.name(settings)}"


def opened(settings: Settings, word: str) -> Database:
    """Without showing it: the source is not to be changed, and the target not to be used."""
    database = engine_of(settings)(settings)
    try:
        database.revision()
    except Exception as error:
        database.close()
        if (line := advise(error, settings)) is None:
            raise
        raise Unavailable(line.replace("MATINEE_DATABASE_URL", word)) from None
    return database


@contextmanager
def stopped(here: Database) -> Iterator[None]:
    """The source has the schema of this release, and no process is at work on it, nor comes meanwhile."""
    found, head = here.revision(), head_revision()
    if found is not None and found.endswith(UNFINISHED):
        raise Conflict("FROM is itself being filled by a transfer that has not ended. Let that end first.")
    if found != head:
        advice = "Start the service of this release on it once, stop it, and try again."
        if found is not None and found > head:
            advice = "That is of a newer release; use its `matinee migrate-storage`."
        raise Conflict(f"FROM has schema {found or 'none'}, and this release has {head}. {advice}")
    with here.read() as connection:
        known = least(connection) or int(head)
    with here.presence.alone(range(min(known, int(head)), int(head) + 1)) as is_alone:
        if not is_alone:
            raise Conflict(
                "FROM is in use by a server, a worker or a command. Stop them all, and try again; then start "
                "the service on TO."
            )
        yield


def begun(here: Database, there: Database, source: Settings, target: Settings, reading: Connection) -> Place:
    """The place of an interrupted transfer of this source, or that of a new one. Raises `Conflict`."""
    name, mark = _name(source), _fingerprint(here, reading)
    with there.read() as connection:
        found = find(connection)
        names = sa.inspect(connection).get_table_names()
    if found is None and names:
        raise Conflict(f"TO holds tables already ({', '.join(sorted(names)[:3])}). Give an empty database.")
    if found is not None and found.source != name:
        raise Conflict(f"TO is being filled from {found.source}, not from {name}. Give an empty database.")
    if found is not None and found.fingerprint != mark:
        raise Conflict(
            "FROM has changed since this transfer was begun: it was in use in between. Start over with an "
            "empty TO (dropdb and createdb, or delete the file)."
        )
    if found is not None:
        _refuse_other_schema(there)
        return found
    if target.data_dir.absolute() != source.data_dir.absolute():
        files.refuse_files(target.data_dir)
    with there.write() as connection:
        there.unbounded(connection)
        upgrade(connection)
        there.titles.delete(connection, list(connection.execute(sa.select(movies.c.id)).scalars()))
        for table in tables():
            connection.execute(table.delete())
        return begin(connection, name, mark)


def _refuse_other_schema(there: Database) -> None:
    found = (there.revision() or "").removesuffix(UNFINISHED)
    if found != head_revision():
        raise Conflict(
            f"TO was begun with schema {found}, and this release has {head_revision()}. Go on with that "
            "release, or start over with an empty TO."
        )


def _fingerprint(here: Database, reading: Connection) -> str:
    """What moves with most changes of a service: its counters, and the numbers that were given last."""
    rows = [list(row) for row in reading.execute(sa.select(counters).order_by(counters.c.name))]
    known = json.dumps([rows, sorted(here.copies.numbers(reading).items())])
    return hashlib.sha256(known.encode()).hexdigest()
