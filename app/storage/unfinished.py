"""A database that is being filled from another one: from where, how far, and that no release may open it."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.revisions import head_revision
from app.storage.rows import Key
from app.storage.upgrades import UNFINISHED

_place = sa.Table(  # of one row; it goes when the database is whole
    "storage_move",
    sa.MetaData(),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("at_table", sa.Text, nullable=False),
    sa.Column("after", sa.JSON(none_as_null=True)),
)


@dataclass(frozen=True)
class Place:
    """How far it is: `table`, up to the row with the key `after`; those with a lower name are whole.

    `source`: which database it is filled from; `fingerprint`: what changes with that.
    """

    source: str
    fingerprint: str
    table: str = ""
    after: Key | None = None


def begin(connection: Connection, source: str, fingerprint: str) -> Place:
    """Note where from, in a database with the newest schema."""
    _place.create(connection)
    connection.execute(_place.insert().values(source=source, fingerprint=fingerprint, at_table=""))
    _set_revision(connection, head_revision() + UNFINISHED)
    return Place(source, fingerprint)


def find(connection: Connection) -> Place | None:
    """The place, if the database is being filled."""
    if not sa.inspect(connection).has_table(_place.name):
        return None
    return Place(*connection.execute(sa.select(_place)).one())


def move(connection: Connection, table: str, after: Key | None) -> None:
    """The rows up to that one are written by the transaction."""
    connection.execute(_place.update().values(at_table=table, after=after))


def finish(connection: Connection) -> None:
    """From the end of this transaction on the database is one like any other."""
    _place.drop(connection)
    _set_revision(connection, head_revision())


def _set_revision(connection: Connection, revision: str) -> None:
    connection.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
