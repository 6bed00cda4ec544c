"""Genres are found whatever their case, in any script and on any engine."""

import sqlalchemy as sa
from alembic import op

from app.movie import genre_key

revision = "0011"
down_revision = "0009"

AT_ONCE = 10_000


def upgrade() -> None:
    op.add_column("movies", sa.Column("genre_key", sa.Text, nullable=False, server_default=""))
    movies = sa.table("movies", *(sa.column(name) for name in ("id", "genre", "genre_key")))
    connection = op.get_bind()
    key = movies.update().where(movies.c.id == sa.bindparam("movie")).values(genre_key=sa.bindparam("key"))
    query = sa.select(movies.c.id, movies.c.genre).where(movies.c.genre.is_not(None))
    found = connection.execute(query).all()
    for start in range(0, len(found), AT_ONCE):
        rows = [{"movie": row.id, "key": genre_key(row.genre)} for row in found[start : start + AT_ONCE]]
        connection.execute(key, rows)
