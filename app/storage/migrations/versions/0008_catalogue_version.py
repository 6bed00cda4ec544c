"""The version of the catalogue, and how many ratings of each score movies have."""

import secrets
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

SCORED = [f"scored_{n}" for n in range(1, 11)]


def upgrade() -> None:
    count_scores()
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    # A random start: a client that kept an ETag of another database never meets it again here.
    first = secrets.randbelow(2**48)
    op.bulk_insert(counters, [{"name": "catalogue", "value": first}, {"name": "counts_settled", "value": 0}])


def count_scores() -> None:
    for name in SCORED:
        op.add_column("movies", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    _count_ratings(op.get_bind())


def _count_ratings(connection: sa.Connection) -> None:
    """Count every rating once. Changes of counts that still wait are then made, and had another form."""
    waiting = sa.table("count_changes", sa.column("number"))
    counted = ("rating_count", "rating_sum", *SCORED)
    movies = sa.table("movies", *(sa.column(name) for name in ("id", *counted)))
    ratings = sa.table("ratings", sa.column("movie_id"), sa.column("score"))
    if connection.execute(
        waiting.delete()
    ).rowcount:  # of a movie that was deleted meanwhile: as they would do
        connection.execute(ratings.delete().where(ratings.c.movie_id.not_in(sa.select(movies.c.id))))
    scored: dict[int, list[int]] = defaultdict(lambda: [0] * len(SCORED))
    columns = (ratings.c.movie_id, ratings.c.score)
    for movie_id, score, count in connection.execute(sa.select(*columns, sa.func.count()).group_by(*columns)):
        scored[movie_id][int(score * 2) - 1] = count
    rows = [
        {"movie": movie_id, "rating_count": sum(counts)}
        | {"rating_sum": sum(count * (n + 1) / 2 for n, count in enumerate(counts))}
        | dict(zip(SCORED, counts, strict=True))
        for movie_id, counts in scored.items()
    ]
    connection.execute(movies.update().values(rating_count=0, rating_sum=0.0))
    if rows:
        values: dict[str, sa.BindParameter[float]] = {name: sa.bindparam(name) for name in counted}
        connection.execute(movies.update().where(movies.c.id == sa.bindparam("movie")).values(values), rows)
