"""The tables of what people say beside scores: marks, rows that wait for their movie, and chosen titles, and
what these were before an import changed them.
"""

import sqlalchemy as sa

from app.storage.schema import Key, metadata

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("mark", sa.Text, primary_key=True),  # as `app.mark.Mark`
    sa.Column("is_set", sa.Boolean, nullable=False),  # false: taken away, kept for its time
    sa.Column("marked_at", sa.BigInteger, nullable=False),
    sa.Column("import_seq", sa.BigInteger),  # as of ratings
    sa.Index(None, "movie_id"),
    sqlite_with_rowid=False,
)

waiting = sa.Table(  # a person's rows whose movie is not there
    "waiting",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column(
        "work", sa.Text, nullable=False
    ),  # by which rows of one work are known: an id, or title and year
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("year", sa.Integer),
    sa.Column("imdb_id", sa.BigInteger),
    sa.Column("tmdb_id", sa.BigInteger),
    sa.Column("score", sa.Double),
    sa.Column("rated_at", sa.BigInteger),
    sa.Column("marks", sa.JSON, nullable=False),  # {mark: [is set, time]}
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("candidates", sa.JSON, nullable=False),  # [[movie id, why], ...], best first
    sa.Column("import_seq", sa.BigInteger),  # tasks.seq of the import that brought it
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("search_key", sa.Text),  # by which a movie that comes finds it; null: of an older release
    sa.UniqueConstraint("user_id", "work"),
    *(sa.Column(name, sa.Text) for name in ("second_key", "third_key")),  # of further names in the title
    *(sa.Index(None, name) for name in ("search_key", "second_key", "third_key", "imdb_id", "tmdb_id")),
    sa.Index(None, "user_id", "number"),
    sa.Index(None, "import_seq"),
    sqlite_autoincrement=True,
)

aliases = sa.Table(  # what a person chose for a title
    "aliases",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("work", sa.Text, primary_key=True),
    sa.Column("movie_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)

personal_before_images = sa.Table(
    "personal_before_images",
    metadata,
    sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("noun", sa.Text, primary_key=True),  # as in `repository.personal_images`
    sa.Column("key", sa.Text, primary_key=True),  # movie id and mark, as in 7:like; a work
    sa.Column("row", sa.JSON(none_as_null=True)),  # null: there was none
    sqlite_with_rowid=False,
)
