"""Many ratings at once, as columns; and statements for many rows."""

import functools
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.arrays import Selection


class RatingColumns(NamedTuple):
    """n ratings: `user_id`, `movie_id`, `rated_at` int64 [n]; `half_steps`, 1 to 10, uint8 [n];
    `import_seq`, the number of the import that wrote them or 0 for none, int32 [n].
    """

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    half_steps: NDArray[np.uint8]
    rated_at: NDArray[np.int64]
    import_seq: NDArray[np.int32]

    def take(self, rows: Selection) -> "RatingColumns":
        """Some of the ratings."""
        user_id, movie_id, half_steps, rated_at, import_seq = self
        return RatingColumns(
            user_id[rows], movie_id[rows], half_steps[rows], rated_at[rows], import_seq[rows]
        )


def execute_many(connection: Connection, statement: Any, columns: dict[str, list[Any]]) -> int:
    """Execute a statement once a row of `columns`, which are named by its parameters.

    Returns how many rows of the table it hit in all. It hands the driver tuples or dictionaries, whichever
    its form of parameters takes, and not through SQLAlchemy: that would take longer over a dozen
    parameters a row than SQLite over the row.
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
