"""The version of what is shown: it grows with every change, in the transaction of the change."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository.counters import value
from app.storage.prepared import Prepared
from app.storage.schema import counters

_OF_RATINGS = sa.or_(counters.c.name.startswith("ratings_changed_"), counters.c.name == "counts_settled")
SHOWN = sa.select(sa.cast(sa.func.sum(counters.c.value), sa.BigInteger)).where(
    sa.or_(counters.c.name == "catalogue", _OF_RATINGS)
)
_SHOWN = Prepared(SHOWN)


def catalogue(connection: Connection) -> int:
    """The version of which movies exist and what is shown of them; `movies.note_change` moves it."""
    return int(connection.execute(value("catalogue")).scalar() or 0)


def shown(connection: Connection) -> int:
    """The version of all movies with their counts, and of all ratings. No counter in it ever goes back."""
    row = _SHOWN.first(connection)
    return int(row[0]) if row else 0
