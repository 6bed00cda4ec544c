"""The tables of media players: what was played, addresses that players send events to, addresses of lists."""

import sqlalchemy as sa

from app.storage.schema import Key, metadata

plays = sa.Table(  # what counted once: events of one person, movie and kind that lie together
    "plays",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),  # watched, rated, liked, unliked
    sa.Column("work", sa.Text, nullable=False),  # as of rows that wait
    sa.Column("movie_id", sa.BigInteger),  # null: its movie was not there
    sa.Column("first_at", sa.BigInteger, nullable=False),  # of its events
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("sessions", sa.JSON, nullable=False),  # of the player
    sa.Index(None, "user_id", "movie_id"),
    sa.Index(None, "user_id", "work"),
    sa.Index(None, "movie_id"),
    sqlite_autoincrement=True,
)

hooks = sa.Table(  # addresses that players send events to; of the secret its SHA-256 alone is kept
    "hooks",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("player", sa.Text, nullable=False),  # as `app.players.readers` names them
    sa.Column("user_id", sa.BigInteger, index=True),  # whose it is; null: of a household
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0")  # events
        for name in ("counted", "repeated", "ignored", "dropped")
    ),
    sqlite_autoincrement=True,
)

hook_names = sa.Table(  # who the users of a player are
    "hook_names",
    metadata,
    sa.Column("hook", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("user_id", sa.BigInteger, index=True),  # null: events of that name are ignored
    sqlite_with_rowid=False,
)

hook_events = sa.Table(  # events of names that are not known yet
    "hook_events",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("hook", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # of the event: a repeated one waits once
    sa.Column("event", sa.JSON, nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.UniqueConstraint("hook", "name", "digest"),
    sqlite_autoincrement=True,
)

list_addresses = sa.Table(  # where a person's recommendations can be read without logging in
    "list_addresses",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)
