"""Writing many ratings at once, where the engines differ most."""

from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from app.storage.database import insert_for
from app.storage.schema import ratings

ROWS = 200
"""Rows of one INSERT on SQLite; more gain nothing."""


class RatingColumns(NamedTuple):
    """Ratings as lists of equal length."""

    user_id: list[int]
    movie_id: list[int]
    score: list[float]
    rated_at: list[int]


def put_ratings(connection: Connection, columns: RatingColumns, import_seq: int | None) -> None:
    """Write ratings over whatever is there; best sorted by user and movie."""
    if connection.dialect.name == "sqlite":
        _by_driver(connection, columns, import_seq)
        return
    values = [
        dict(zip(RatingColumns._fields, row, strict=True)) | {"import_seq": import_seq}
        for row in zip(*columns, strict=True)
    ]
    if values:
        statement = insert_for(connection.dialect.name)(ratings)
        changed = {name: statement.excluded[name] for name in ("score", "rated_at", "import_seq")}
        statement = statement.on_conflict_do_update(index_elements=["user_id", "movie_id"], set_=changed)
        connection.execute(statement, values)


def _by_driver(connection: Connection, columns: RatingColumns, import_seq: int | None) -> None:
    """By statements of many rows, past SQLAlchemy: its handling of parameters would take twice the time."""
    driver: Any = connection.connection.driver_connection
    width = len(columns)
    values: list[Any] = [None] * (width * len(columns.user_id))
    lists: tuple[list[Any], ...] = columns
    for place, column in enumerate(lists):
        values[place::width] = column
    seq = "NULL" if import_seq is None else str(int(import_seq))
    for start in range(0, len(values), width * ROWS):
        some = values[start : start + width * ROWS]
        rows = ",".join([f"(?,?,?,?,{seq})"] * (len(some) // width))
        driver.execute(
            f"INSERT OR REPLACE INTO ratings (user_id, movie_id, score, rated_at, import_seq) VALUES {rows}",  # noqa: S608
            some,
        )
