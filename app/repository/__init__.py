"""Every query, once, for any engine. Each function takes the connection of a transaction of `Database`.

Only `list_ratings()` opens the configured database by itself.
"""

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from app.config import Settings
from app.repository import ratings
from app.storage import Database, open_database


@lru_cache(maxsize=4)
def _configured(settings: Settings) -> Database:
    return open_database(settings)


def list_ratings() -> list[dict[str, Any]]:
    """Every rating of the configured database as `{"user_id", "movie_id", "score", "rated_at"}`."""
    with _configured(Settings.from_environment()).read() as connection:
        return [asdict(rating) for rating in ratings.every(connection)]
