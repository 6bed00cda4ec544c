"""Movies that were merged into others, and an index for those with a TMDB id."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "merged_movies",
        sa.Column("movie_id", key, primary_key=True, autoincrement=False),
        sa.Column("into_id", sa.BigInteger, nullable=False),
        sa.Column("task_seq", sa.BigInteger, nullable=False),
        sa.Column("movie", sa.JSON),
        sa.Column("link", sa.JSON),
    )
    op.create_index("ix_merged_movies_into_id", "merged_movies", ["into_id"])
    op.create_index("ix_merged_movies_task_seq", "merged_movies", ["task_seq"])
    op.create_index("ix_links_tmdb_id", "links", ["tmdb_id"])
