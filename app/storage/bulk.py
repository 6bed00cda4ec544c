"""Writing many ratings at once, where the engines differ most."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

from sqlalchemy.engine import Connection

from app.storage.database import insert_for
from app.storage.schema import ratings

ROWS = 200
"""Rows of one INSERT on SQLite; more gain nothing."""

Row = tuple[int, int, float, int]


def put_ratings(connection: Connection, rows: Iterable[Row], import_seq: int | None) -> None:
    """Write (user, movie, score, time) over whatever is there; best sorted by user and movie."""
    if connection.dialect.name == "sqlite":
        _by_driver(connection, rows, import_seq)
        return
    names = ("user_id", "movie_id", "score", "rated_at")
    values = [dict(zip(names, row, strict=True)) | {"import_seq": import_seq} for row in rows]
    if values:
        statement = insert_for(connection.dialect.name)(ratings)
        changed = {name: statement.excluded[name] for name in ("score", "rated_at", "import_seq")}
        statement = statement.on_conflict_do_update(index_elements=["user_id", "movie_id"], set_=changed)
        connection.execute(statement, values)


def _by_driver(connection: Connection, rows: Iterable[Row], import_seq: int | None) -> None:
    """By statements of many rows, past SQLAlchemy: its handling of parameters would take twice the time."""
    driver: Any = connection.connection.driver_connection
    seq = "NULL" if import_seq is None else str(int(import_seq))
    iterator = iter(rows)
    while some := list(islice(iterator, ROWS)):
        values = ",".join([f"(?,?,?,?,{seq})"] * len(some))
        driver.execute(
            "INSERT OR REPLACE INTO ratings (user_id, movie_id, score, rated_at, import_seq)"  # noqa: S608
            f" VALUES {values}",
            list(chain.from_iterable(some)),
        )
