"""The tables. Times of ratings are epoch seconds (UTC); times of everything else epoch seconds as double.

Tables whose rows the engine numbers have `sqlite_autoincrement`: without it SQLite would give the number of a
deleted last row again, while other rows still refer to it. PostgreSQL's sequences never go back.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

FIRST_OWN_ID = 1_000_000_000
"""Movies made through the API have ids from here on, so that no catalogue import meets them by accident."""
LAST_OWN_ID = 2**53 - 1
"""The largest integer that every reader of JSON takes exactly; no counter gets that far."""

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""An integer key; on SQLite it is the rowid itself."""

Plain = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""A text that is compared by the codes of its characters, so that what begins alike lies together."""

movies = sa.Table(
    "movies",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("year", sa.Integer),
    sa.Column("genre", sa.Text),
    sa.Column("source", sa.Text, nullable=False),  # api, starter, import
    sa.Column("search_key", sa.Text, nullable=False),  # the words of the title, folded
    sa.Column("genre_key", sa.Text, nullable=False, server_default=""),  # folded genres between separators
    sa.Column("rating_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rating_sum", sa.Double, nullable=False, server_default="0"),
    sa.Column("created_at", sa.Double, nullable=False),
    *(sa.Column(f"scored_{n}", sa.BigInteger, nullable=False, server_default="0") for n in range(1, 11)),
    sa.Index(None, "rating_count", "id"),
)

SCORED = {n: movies.c[f"scored_{n}"] for n in range(1, 11)}
"""The columns that count a movie's ratings of each score, by half steps: 1 for 0.5 to 10 for 5.0."""

ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("rated_at", sa.BigInteger, nullable=False),
    sa.Column("import_seq", sa.BigInteger),  # tasks.seq of the import that wrote it; null: the API
    sqlite_with_rowid=False,
)

_AT_WORK = sa.text("status IN ('running', 'cancelling')")

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("seq", Key, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("checkpoint", sa.JSON),  # where the next attempt takes up; null: from the start
    sa.Column("phase", sa.Text),
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total", sa.BigInteger),
    sa.Column("unit", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),  # the fencing number
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),  # since the last progress
    sa.Column("result", sa.JSON),
    sa.Column("error", sa.JSON),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("rate", sa.Double),  # units a second in this phase
    sa.Column("worker", sa.Text),  # that runs it, or ran it last
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # transient, since progress
    sa.Column("not_before", sa.Double, nullable=False, server_default="0"),  # when a retry is due
    sa.Column("undo_refused", sa.Text),  # why an import cannot be undone although it wrote something
    sa.Column("owner", sa.BigInteger),  # the person who asked for it, if known
    sa.Column("request_id", sa.Text),  # of the request that started it
    sa.Column("traceparent", sa.Text),  # of the span of that request (W3C Trace Context)
    sa.Column("lane", sa.Text),  # in which it runs, or ran last
    sa.Column("leased_until", sa.Double),  # by the clock of the database: until then its worker has it
    sa.Index("ix_tasks_lane", "lane", unique=True, sqlite_where=_AT_WORK, postgresql_where=_AT_WORK),
    sa.Index(None, "status", "seq"),
    sa.Index(None, "kind", "seq"),
    sa.Index(None, "owner", "seq"),
    sqlite_autoincrement=True,
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),  # caller, method and path
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("task_id", sa.Text),  # of the task that the request started
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),  # the answer; null only within the transaction that makes it
    sa.Column("headers", sa.JSON),
    sa.Column("body", sa.Text),
    sa.Index(None, "created_at"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("version", Key, primary_key=True, autoincrement=True),
    sa.Column("task_id", sa.Text, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False),  # SHA-256 of the file, which is named by it
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("promoted", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("evaluation", sa.JSON, nullable=False),
    sa.Column("ratings", sa.BigInteger, nullable=False),
    sa.Column("users", sa.BigInteger, nullable=False),
    sa.Column("movies", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("rating_changes", sa.BigInteger, nullable=False, server_default="0"),  # ever, when it was built
    sa.Column("forgotten", sa.BigInteger, nullable=False, server_default="0"),  # people ever, likewise
    sqlite_autoincrement=True,
)

first_raters = sa.Table(
    "first_raters",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("movie_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("movie_id", "user_id", name="uq_first_raters_movie_id_user_id"),
    sqlite_autoincrement=True,
)

users = sa.Table(  # people with a name; any other id may have ratings too
    "users",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),  # as names are compared
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("together", sa.Boolean, nullable=False, server_default=sa.false()),  # others may ask for a list
)

door = sa.Table(  # one row
    "door",
    metadata,
    sa.Column("version", sa.BigInteger, nullable=False),  # moves with every right that is given or taken
    sa.Column("is_open", sa.Boolean, nullable=False),  # to callers with a token, also from other machines
)

accounts = sa.Table(  # people who may log in
    "accounts",
    metadata,
    sa.Column("user_id", Key, primary_key=True, autoincrement=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password", sa.Text),  # Argon2id; null: none yet
    sa.Column("created_at", sa.Double, nullable=False),
)

sessions = sa.Table(  # one a login: of a browser, or of a client with tokens
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # of a browser: SHA-256 of its cookie
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),  # SHA-256
    sa.Column("session_id", sa.Text, nullable=False, index=True),
    sa.Column("used_at", sa.Double),  # a second use ends the session
)

invitations = sa.Table(  # links for one use, to set a password
    "invitations",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),  # SHA-256
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("expires_at", sa.Double, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),  # the part that is shown
    sa.Column("hash", sa.Text, nullable=False, unique=True),  # SHA-256 of the whole key
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),  # the owner
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("address", sa.Text),  # the only path it is good for; null: every one
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("used_at", sa.Double),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("key", sa.Text),  # prefix of the API key
    sa.Column("address", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text),
    sqlite_autoincrement=True,
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

retired_movie_ids = sa.Table(
    "retired_movie_ids",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=False),
)
"""Ids of deleted movies that the counter of movies has not reached yet."""

rating_before_images = sa.Table(
    "rating_before_images",
    metadata,
    sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),  # the one that replaced it
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("rated_at", sa.BigInteger, nullable=False),
    sa.Column("before_seq", sa.BigInteger),  # import_seq of the row that was replaced
    sqlite_with_rowid=False,
)

catalogue_before_images = sa.Table(
    "catalogue_before_images",
    metadata,
    sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("noun", sa.Text, primary_key=True),  # movie, link
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("row", sa.JSON),  # null: there was none
    sqlite_with_rowid=False,
)

later_writes = sa.Table(
    "later_writes",
    metadata,
    sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),  # whose row was changed
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("movie_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

count_changes = sa.Table(
    "count_changes",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("changes", sa.LargeBinary, nullable=False),  # as `app.repository.count_changes` packs them
    sqlite_autoincrement=True,
)

links = sa.Table(
    "links",
    metadata,
    sa.Column("movie_id", Key, primary_key=True, autoincrement=False),
    sa.Column("imdb_id", sa.BigInteger),  # 114709 for tt0114709
    sa.Column("tmdb_id", sa.BigInteger),
    sa.Index(None, "imdb_id"),
    sa.Index(None, "tmdb_id"),
)

merged_movies = sa.Table(  # from the start of a merge on; the movie itself goes at its end
    "merged_movies",
    metadata,
    sa.Column("movie_id", Key, primary_key=True, autoincrement=False),
    sa.Column("into_id", sa.BigInteger, nullable=False, index=True),  # which may be merged itself
    sa.Column("task_seq", sa.BigInteger, nullable=False, index=True),
    sa.Column("movie", sa.JSON),  # what it was, for the undo; null while it is still there
    sa.Column("link", sa.JSON),
)
