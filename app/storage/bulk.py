"""Writing many ratings at once, where the engines differ most."""

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.rating import RatingColumns
from app.storage.database import insert_for
from app.storage.image import MOST_ROWS, ratings_image
from app.storage.schema import rating_before_images, ratings

_ATTACHED = "images"
MOST_ATTACHED = 10
"""Databases that one connection of SQLite takes beside its own, unless it was built for more."""
_IMAGE = "user_id, movie_id, half_steps * 0.5, rated_at, nullif(import_seq, 0)"


def put_ratings(connection: Connection, columns: RatingColumns) -> None:
    """Write ratings over whatever is there; best sorted by user and movie."""
    if connection.dialect.name == "sqlite":
        into = "ratings (user_id, movie_id, score, rated_at, import_seq)"
        _put_images(connection, columns, f"INSERT OR REPLACE INTO {into} SELECT {_IMAGE}")
    elif len(columns.user_id):
        statement = insert_for(connection.dialect.name)(ratings)
        changed = {name: statement.excluded[name] for name in ("score", "rated_at", "import_seq")}
        statement = statement.on_conflict_do_update(index_elements=["user_id", "movie_id"], set_=changed)
        connection.execute(statement, _rows(columns, "import_seq"))


def put_before_images(connection: Connection, columns: RatingColumns, import_seq: int) -> None:
    """Note that these ratings are what an import replaces."""
    if connection.dialect.name == "sqlite":
        into = "rating_before_images (user_id, movie_id, score, rated_at, before_seq, import_seq)"
        _put_images(connection, columns, f"INSERT INTO {into} SELECT {_IMAGE}, {int(import_seq)}")
    elif len(columns.user_id):
        rows = _rows(columns, "before_seq")
        connection.execute(rating_before_images.insert().values(import_seq=import_seq), rows)


def execute_many(connection: Connection, statement: Any, columns: dict[str, list[Any]]) -> int:
    """Execute a statement for each row of `columns`, named by its parameters: how many rows it hit in all.

    Past SQLAlchemy, which takes longer over a dozen parameters a row than SQLite over the row.
    """
    text, order = _compiled(statement, connection.dialect)
    rows: Any = list(zip(*(columns[name] for name in order or columns), strict=True))
    if not order:
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
    return connection.exec_driver_sql(text, rows).rowcount if rows else 0


@functools.lru_cache(16)
def _compiled(statement: Any, dialect: sa.Dialect) -> tuple[str, list[str] | None]:
    """The text in the driver's form, and the order of its parameters unless they are named."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup


def _rows(columns: RatingColumns, seq: str) -> list[dict[str, Any]]:
    """A dictionary each. `seq`: the name of the column of the imports."""
    lists = (
        columns.user_id,
        columns.movie_id,
        columns.half_steps / 2,
        columns.rated_at,
        columns.import_seqs(),
    )
    names = ("user_id", "movie_id", "score", "rated_at", seq)
    rows = zip(*(column.tolist() for column in lists), strict=True)
    return [dict(zip(names, (*row[:4], row[4] or None), strict=True)) for row in rows]


def _put_images(connection: Connection, columns: RatingColumns, insert: str) -> None:
    """By one statement. A database must not be in a transaction when it becomes an image: hence a new one."""
    driver: Any = connection.connection.driver_connection
    names = connection.info.setdefault(_ATTACHED, [])
    for start in range(0, len(columns.user_id), MOST_ROWS):
        driver.execute(f"ATTACH ':memory:' AS image{len(names)}")
        names.append(f"image{len(names)}")
        some = columns.take(slice(start, start + MOST_ROWS))
        image = ratings_image(some.user_id, some.movie_id, some.half_steps, some.rated_at, some.import_seqs())
        driver.deserialize(image, name=names[-1])
        driver.execute(f"{insert} FROM {names[-1]}.rows")


def has_room(connection: Connection) -> bool:
    """Whether this transaction can put ratings and before-images once more."""
    return len(connection.info.get(_ATTACHED, [])) + 2 <= MOST_ATTACHED


def detach_images(connection: Connection) -> None:
    """Let go of what an earlier transaction has put; only outside of any."""
    driver: Any = connection.connection.driver_connection
    names = connection.info.get(_ATTACHED, [])
    while names:
        driver.execute(f"DETACH {names.pop()}")
