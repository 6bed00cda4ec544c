"""Bringing the schema of a database up to date, and whether this release works with the one that it has."""

import logging

from app.errors import ConfigurationError, Unavailable
from app.storage.database import Database
from app.storage.revisions import current, head_revision, least, stops, upgrade

UNFINISHED = " unfinished"
"""Added to the revision of a database that is being filled from another one: no release opens it."""

log = logging.getLogger("matinee.storage")


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision; costs one query when it is there already.

    Raises `ConfigurationError` for a database that this release does not work with, `Unavailable` for an
    upgrade that would break processes of the schema before while they are at work.
    """
    if _is_done(database):
        return
    with database.exclusive("migrate"):
        if _is_done(database):  # another process has done it meanwhile
            return
        with database.read() as connection:
            found, known = current(connection), least(connection)
        steps = stops(found)
        older = [] if found is None or not steps else range(known or int(found), int(found) + 1)
        with database.presence.alone(older) as is_alone:
            if not is_alone:
                raise _stopped(found, steps)
            with database.write() as connection:
                database.serialize(connection, "migration")  # also if the session of the lock ends
                database.unbounded(connection)
                upgrade(connection)


def works(database: Database) -> bool:
    """Whether this release works with the schema: it is its own, or a newer one that only adds to it."""
    found = database.revision()
    return found == head_revision() or (
        found is not None and found > head_revision() and _fits(database, found)
    )


def _is_done(database: Database) -> bool:
    """Whether nothing is to be done. Raises `ConfigurationError` for what this release cannot work with."""
    found, head = database.revision(), head_revision()
    if found is None or found < head:
        return False
    if found == head:
        return True
    if found.endswith(UNFINISHED):
        raise ConfigurationError(
            "The database is being filled by `matinee migrate-storage`, and is not whole. Let that "
            "command end, run it again if it was interrupted, or set another MATINEE_DATABASE_URL."
        )
    if not _fits(database, found):
        raise ConfigurationError(
            f"The database was written by a newer release: schema {found}, here {head}. "
            "Install that release, or set MATINEE_DATA_DIR or MATINEE_DATABASE_URL to another database."
        )
    log.info("the database has the newer schema %s, which only adds to this release's %s", found, head)
    return True


def _fits(database: Database, found: str) -> bool:
    if not found.isdecimal():
        return False
    with database.read() as connection:
        known = least(connection)
    return known is not None and known <= int(head_revision())


def _stopped(found: str | None, steps: list[str]) -> Unavailable:
    return Unavailable(
        f"The upgrade from schema {found} to {head_revision()} has steps ({', '.join(sorted(steps))}) that "
        f"need the whole service to stop, and a process of an older schema is at work. Stop all servers, "
        "workers and commands of that release, then start this one.",
        headers={"Retry-After": "5"},
    )
