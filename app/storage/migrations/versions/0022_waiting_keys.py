"""By what a movie that comes finds the rows that wait for it: a key of their title, and their ids."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("waiting", sa.Column("search_key", sa.Text))
    for name in ("search_key", "imdb_id", "tmdb_id"):
        op.create_index(f"ix_waiting_{name}", "waiting", [name])
