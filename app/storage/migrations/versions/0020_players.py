"""Players send events to addresses; what was played counts once; lists have addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _plays()
    _hooks()
    op.create_table(
        "list_addresses",
        sa.Column("number", KEY, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("hash", name="uq_list_addresses_hash"),
        sa.Index("ix_list_addresses_user_id", "user_id"),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('plays', 0)")


def _plays() -> None:
    op.create_table(
        "plays",
        sa.Column("number", KEY, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("work", sa.Text, nullable=False),
        sa.Column("movie_id", sa.BigInteger),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("sessions", sa.JSON, nullable=False),
        sa.Index("ix_plays_user_id_movie_id", "user_id", "movie_id"),
        sa.Index("ix_plays_user_id_work", "user_id", "work"),
        sa.Index("ix_plays_movie_id", "movie_id"),
        sqlite_autoincrement=True,
    )


def _hooks() -> None:
    op.create_table(
        "hooks",
        sa.Column("number", KEY, primary_key=True, autoincrement=True),
        sa.Column("player", sa.Text, nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
        sa.Column("counted", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("repeated", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ignored", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("dropped", sa.BigInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("hash", name="uq_hooks_hash"),
        sa.Index("ix_hooks_user_id", "user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "hook_names",
        sa.Column("hook", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("user_id", sa.BigInteger),
        sa.Index("ix_hook_names_user_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hook_events",
        sa.Column("number", KEY, primary_key=True, autoincrement=True),
        sa.Column("hook", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("event", sa.JSON, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.UniqueConstraint("hook", "name", "digest", name="uq_hook_events_hook_name_digest"),
        sqlite_autoincrement=True,
    )
