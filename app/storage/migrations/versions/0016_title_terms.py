"""Movies are found by terms of their titles, and titles and genres are compared in plain letters."""

import sqlalchemy as sa
from alembic import op

from app.movie import keys
from app.storage.database import database_of
from app.storage.schema import Key, Plain
from app.titles import terms, words

revision = "0016"
down_revision = "0015"

AT_ONCE = 10_000


def upgrade() -> None:
    for name in ("title_words", "title_terms"):  # some databases have them in another form
        op.execute(f"DROP TABLE IF EXISTS {name}")
    op.create_table(
        "title_words",
        sa.Column("id", Key, primary_key=True),
        sa.Column("word", Plain, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_title_words_word", "title_words", ["word"])
    connection = op.get_bind()
    titles = database_of(connection).titles
    titles.create(connection)
    columns = ("id", "title", "genre", "search_key", "genre_key")
    movies = sa.table("movies", *(sa.column(name) for name in columns))
    key = movies.update().where(movies.c.id == sa.bindparam("movie"))
    key = key.values(search_key=sa.bindparam("new_title"), genre_key=sa.bindparam("new_genre"))
    found = connection.execute(sa.select(movies.c.id, movies.c.title, movies.c.genre)).all()
    for start in range(0, len(found), AT_ONCE):
        some = [(row.id, row.title, keys(row.title, row.genre)) for row in found[start : start + AT_ONCE]]
        rows = [{"movie": i, "new_title": k["search_key"], "new_genre": k["genre_key"]} for i, _, k in some]
        connection.execute(key, rows)
        titles.put(connection, [(movie_id, terms(title)) for movie_id, title, _ in some])
        titles.add_words(connection, sorted({word for _, title, _ in some for word in words(title)}))
