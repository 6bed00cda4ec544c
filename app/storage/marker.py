"""Which store belongs to a database: both have the same mark, so that no process mixes two services up.

A store that is not the data folder gets its mark from the first process that opens it for a database.
"""

import json
import logging
import secrets
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import ConfigurationError, Unavailable
from app.storage.database import Database
from app.storage.schema import metadata
from app.storage.store import Store, store_of

KEY = "matinee-store.json"

stores = sa.Table(
    "stores",
    metadata,
    sa.Column("mark", sa.Text, primary_key=True),  # of the only row
    sa.Column("address", sa.Text, nullable=False),  # as the process named it that claimed the store
    sa.Column("is_marked", sa.Boolean, nullable=False),  # whether the store was seen to have the mark
)

log = logging.getLogger("matinee.store")


class _Known(NamedTuple):
    mark: str
    address: str
    is_marked: bool


def claim(database: Database, settings: Settings) -> None:
    """Claim the store for the database, or see that it is claimed for it.

    Raises `ConfigurationError` for a store of another database, for a database of another store, and for what
    `Store.check` raises. A store that cannot be reached now is looked at by the next process that starts.
    """
    with database.read() as connection:
        known = _known(connection)
    if not settings.store:
        _refuse_folder(known)
        return
    store = store_of(settings)
    try:
        store.check()
        _claim(database, store, known or _noted(database, store))
    except Unavailable as error:
        log.warning("%s", error.detail)


def check(connection: Connection, settings: Settings) -> None:
    """Raises as `claim` does, and claims nothing."""
    known = _known(connection)
    if not settings.store:
        _refuse_folder(known)
        return
    store = store_of(settings)
    store.check()
    mark = _mark_of(store)
    if known is not None or mark is not None:
        _refuse_other(store, known or _Known("", "", False), mark)


def _refuse_folder(known: _Known | None) -> None:
    if known is not None and known.is_marked:
        raise ConfigurationError(
            f"The files of this database are in {known.address}, not in the data folder. Set MATINEE_STORE "
            "to that."
        )


def _refuse_other(store: Store, known: _Known, mark: str | None) -> None:
    if mark is None and known.is_marked:
        raise ConfigurationError(
            f"The files of this database are in {known.address}, not in {store.where}. Correct "
            f"MATINEE_STORE; if the files were moved there, move {KEY} along."
        )
    if mark not in (None, known.mark):
        raise ConfigurationError(
            f"The store {store.where} belongs to another database. Correct MATINEE_STORE or "
            f"MATINEE_DATABASE_URL; if that database is gone, delete what is there, with {KEY}."
        )


def _claim(database: Database, store: Store, known: _Known) -> None:
    mark = _mark_of(store)
    _refuse_other(store, known, mark)
    if mark is None:
        store.put(KEY, json.dumps({"mark": known.mark}).encode())
    if not known.is_marked:
        with database.write() as connection:
            claimed = {"is_marked": True, "address": store.where}
            connection.execute(stores.update().where(sa.not_(stores.c.is_marked)).values(claimed))
            now = _known(connection)
        if now is not None and now.address != store.where:
            raise ConfigurationError(
                f"Another process has claimed {now.address} for this database, and this one {store.where}, "
                "at the same moment. Set MATINEE_STORE to the same for all, and start again."
            )


def _noted(database: Database, store: Store) -> _Known:
    """Note a mark that the store is about to get: if this process is killed, another goes on with it."""
    with database.write() as connection:
        database.serialize(connection, "store")
        if (known := _known(connection)) is None:
            known = _Known(secrets.token_hex(16), store.where, False)
            connection.execute(stores.insert().values(known._asdict()))
    return known


def forget(connection: Connection) -> None:
    """The next process that opens the database claims its store, as after a restore."""
    connection.execute(stores.delete())


def _known(connection: Connection) -> _Known | None:
    row = connection.execute(sa.select(stores)).first()
    return _Known(*row) if row else None


def _mark_of(store: Store) -> str | None:
    try:
        return str(json.loads(store.read(KEY))["mark"])
    except FileNotFoundError:
        return None
