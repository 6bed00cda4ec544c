"""People mark movies; rows without a movie wait for it; what was chosen for a title is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("is_set", sa.Boolean, nullable=False),
        sa.Column("marked_at", sa.BigInteger, nullable=False),
        sa.Column("import_seq", sa.BigInteger),
        sa.Index("ix_marks_movie_id", "movie_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "waiting",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("work", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("year", sa.Integer),
        sa.Column("imdb_id", sa.BigInteger),
        sa.Column("tmdb_id", sa.BigInteger),
        sa.Column("score", sa.Double),
        sa.Column("rated_at", sa.BigInteger),
        sa.Column("marks", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("candidates", sa.JSON, nullable=False),
        sa.Column("import_seq", sa.BigInteger),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("user_id", "work", name="uq_waiting_user_id_work"),
        sa.Index("ix_waiting_user_id_number", "user_id", "number"),
        sa.Index("ix_waiting_import_seq", "import_seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "aliases",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("work", sa.Text, primary_key=True),
        sa.Column("movie_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Index("ix_aliases_movie_id", "movie_id"),
        sqlite_with_rowid=False,
    )
