"""The starter catalogue: some sixty well-known movies under their MovieLens ids."""

import csv
import time

import sqlalchemy as sa
from alembic import op

from app.movie import search_key
from app.sample import MOVIES

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    columns = ("id", "title", "year", "genre", "source", "search_key", "created_at")
    movies = sa.table("movies", *(sa.column(name) for name in columns))
    now = time.time()
    with MOVIES.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            | {"id": int(row["id"]), "year": int(row["year"]), "source": "starter"}
            | {"search_key": search_key(row["title"]), "created_at": now}
            for row in csv.DictReader(file)
        ]
    op.bulk_insert(movies, rows)
