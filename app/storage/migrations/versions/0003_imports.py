"""What imports keep: rows as they were before, pending changes of movie counts, links to other catalogues."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "rating_before_images",
        sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("rated_at", sa.BigInteger, nullable=False),
        sa.Column("before_seq", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "catalogue_before_images",
        sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("noun", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("row", sa.JSON),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "later_writes",
        sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "count_changes",
        sa.Column("number", Key, primary_key=True, autoincrement=True),
        sa.Column("changes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "links",
        sa.Column("movie_id", Key, primary_key=True, autoincrement=False),
        sa.Column("imdb_id", sa.BigInteger),
        sa.Column("tmdb_id", sa.BigInteger),
    )
    op.create_index("ix_links_imdb_id", "links", ["imdb_id"])
