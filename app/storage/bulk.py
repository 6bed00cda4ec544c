"""Writing many ratings at once, where the engines differ most."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.storage.database import insert_for
from app.storage.image import MOST_ROWS, ratings_image
from app.storage.schema import ratings

_INSERT = (
    "INSERT OR REPLACE INTO ratings (user_id, movie_id, score, rated_at, import_seq) "
    "SELECT user_id, movie_id, half_steps * 0.5, rated_at, nullif(import_seq, 0) FROM "
)
_ATTACHED = "images"


class RatingColumns(NamedTuple):
    """n ratings: `user_id`, `movie_id`, `rated_at` int64 [n]; `half_steps`, 1 to 10, uint8 [n];
    `import_seq`, the number of the import that wrote them or 0 for none, int32 [n].
    """

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    half_steps: NDArray[np.uint8]
    rated_at: NDArray[np.int64]
    import_seq: NDArray[np.int32]


def put_ratings(connection: Connection, columns: RatingColumns) -> None:
    """Write ratings over whatever is there; best sorted by user and movie."""
    if connection.dialect.name == "sqlite":
        for start in range(0, len(columns.user_id), MOST_ROWS):
            _put_image(connection, [column[start : start + MOST_ROWS] for column in columns])
        return
    lists = (columns.user_id, columns.movie_id, columns.half_steps / 2, columns.rated_at, columns.import_seq)
    values = [
        {"user_id": user_id, "movie_id": movie_id, "score": score, "rated_at": at, "import_seq": seq or None}
        for user_id, movie_id, score, at, seq in zip(*(column.tolist() for column in lists), strict=True)
    ]
    if values:
        statement = insert_for(connection.dialect.name)(ratings)
        changed = {name: statement.excluded[name] for name in ("score", "rated_at", "import_seq")}
        statement = statement.on_conflict_do_update(index_elements=["user_id", "movie_id"], set_=changed)
        connection.execute(statement, values)


def _put_image(connection: Connection, columns: list[NDArray[Any]]) -> None:
    """By one statement. A database must not be in a transaction when it becomes an image: hence a new one."""
    driver: Any = connection.connection.driver_connection
    names = connection.info.setdefault(_ATTACHED, [])
    names.append(f"image{len(names)}")
    driver.execute(f"ATTACH ':memory:' AS {names[-1]}")
    driver.deserialize(ratings_image(*columns), name=names[-1])
    driver.execute(f"{_INSERT} {names[-1]}.rows")


def detach_images(connection: Connection) -> None:
    """Let go of what `put_ratings` has attached in an earlier transaction; only outside of any."""
    driver: Any = connection.connection.driver_connection
    for name in connection.info.pop(_ATTACHED, ()):
        driver.execute(f"DETACH {name}")
