"""Images of ratings (`app.storage.image`), attached to a connection of SQLite as databases in memory.

SQLite takes no new content for a database that the running transaction has read, and does not detach it
either. So every image gets a database of its own, and all are detached before the next transaction.
"""

from typing import Any

from sqlalchemy.engine import Connection

from app.arrays import Integers
from app.rating import RatingColumns
from app.storage.image import MOST_ROWS, ratings_image

MOST = 10
"""Databases that one connection takes beside its own, unless SQLite was built for more."""
COLUMNS = "user_id, movie_id, half_steps * 0.5, rated_at, nullif(import_seq, 0)"
"""What an image holds, as values of the tables."""
_NAMES = "images"


def put(connection: Connection, columns: RatingColumns, insert: str) -> None:
    """Write ratings by one statement an image: `insert`, an INSERT ... SELECT that lacks its FROM."""
    driver: Any = connection.connection.driver_connection
    names = connection.info.setdefault(_NAMES, [])
    for start in range(0, len(columns.user_id), MOST_ROWS):
        name = f"image{len(names)}"
        driver.execute(f"ATTACH ':memory:' AS {name}")
        names.append(name)
        some = columns.take(slice(start, start + MOST_ROWS))
        image = ratings_image(some.user_id, some.movie_id, some.half_steps, some.rated_at, some.import_seqs())
        driver.deserialize(image, name=name)
        driver.execute(f"{insert} FROM {name}.rows")


def delete(connection: Connection, user_id: Integers, movie_id: Integers) -> None:
    """Delete ratings by their keys: an image has no index by which the table could be joined to it."""
    pairs = list(zip(user_id.tolist(), movie_id.tolist(), strict=True))
    if pairs:
        connection.exec_driver_sql("DELETE FROM ratings WHERE user_id = ? AND movie_id = ?", pairs)


def has_room(connection: Connection) -> bool:
    """Whether two more images can be attached: for ratings, and for what they replace."""
    return len(connection.info.get(_NAMES, [])) + 2 <= MOST


def detach(connection: Connection) -> None:
    """Let go of the images of an earlier transaction; only outside of any."""
    driver: Any = connection.connection.driver_connection
    names = connection.info.get(_NAMES, [])
    while names:
        driver.execute(f"DETACH {names.pop()}")
