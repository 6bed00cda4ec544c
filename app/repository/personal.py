"""Queries on all that is kept of one person, page by page, for them to have."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository import forgetting
from app.repository.import_order import WRITERS
from app.storage.personal import aliases, marks, personal_before_images, waiting
from app.storage.players import hook_names, hooks, list_addresses, plays
from app.storage.schema import (
    accounts,
    api_keys,
    audit,
    first_raters,
    idempotency_keys,
    invitations,
    later_writes,
    movies,
    rating_before_images,
    ratings,
    sessions,
    tasks,
    users,
)


class Section(NamedTuple):
    """Rows of one kind. `query` makes them for a user; `key`: columns by which the pages go on."""

    name: str
    query: Callable[[int], Any]
    key: tuple[sa.ColumnElement[Any], ...]


def page(
    connection: Connection, section: Section, user_id: int, *, limit: int, after: Sequence[Any] | None = None
) -> list[dict[str, Any]]:
    """The next rows after the key `after`; the key of each stands in it as `key_0`, `key_1`."""
    keys = [column.label(f"key_{number}") for number, column in enumerate(section.key)]
    query = section.query(user_id).add_columns(*keys).order_by(*section.key).limit(limit)
    if after is not None:
        query = query.where(sa.tuple_(*section.key) > sa.tuple_(*after))
    return [dict(row) for row in connection.execute(query).mappings()]


def is_known(connection: Connection, user_id: int) -> bool:
    """Whether anything is kept of them."""
    return any(page(connection, section, user_id, limit=1) for section in SECTIONS)


def _ratings(user_id: int) -> Any:
    columns = (ratings.c.movie_id, movies.c.title, movies.c.year, ratings.c.score, ratings.c.rated_at)
    rated = sa.select(*columns).join_from(ratings, movies, movies.c.id == ratings.c.movie_id, isouter=True)
    return rated.where(ratings.c.user_id == user_id)


def _kept(table: sa.Table, *columns: sa.Column[Any]) -> Callable[[int], Any]:
    """What is kept of ratings for the undo of a task."""

    def query(user_id: int) -> Any:
        seqs = sa.select(tasks.c.seq).where(tasks.c.kind.in_(WRITERS))  # leads the engine into the key
        kept = sa.select(tasks.c.id.label("task_id"), table.c.movie_id, movies.c.title, *columns)
        kept = kept.join_from(table, tasks, tasks.c.seq == table.c.import_seq)
        kept = kept.join(movies, movies.c.id == table.c.movie_id, isouter=True)
        return kept.where(table.c.import_seq.in_(seqs), table.c.user_id == user_id)

    return query


def _personal_images(user_id: int) -> Any:
    """What marks and waiting rows were, for the undo of a task."""
    image, seqs = personal_before_images.c, sa.select(tasks.c.seq).where(tasks.c.kind.in_(WRITERS))
    kept = sa.select(tasks.c.id.label("task_id"), image.noun, image.key, image.row)
    kept = kept.join_from(personal_before_images, tasks, tasks.c.seq == image.import_seq)
    return kept.where(image.import_seq.in_(seqs), image.user_id == user_id)


def _tasks(user_id: int) -> Any:
    names = ("kind", "status", "params", "result", "error", "created_at", "started_at", "finished_at")
    columns = (tasks.c[name] for name in names)
    theirs = sa.or_(tasks.c.owner == user_id, forgetting.named_in(user_id))
    return sa.select(tasks.c.id.label("task_id"), *columns).where(theirs)


def _prefixes(user_id: int) -> Any:
    return sa.select(api_keys.c.prefix).where(api_keys.c.user_id == user_id)


def _answers(user_id: int) -> Any:
    record = idempotency_keys.c
    columns = (record.scope, record.key, record.status, record.body, record.created_at)
    by_key = sa.func.substr(record.scope, 1, sa.func.length(api_keys.c.prefix) + 1) == api_keys.c.prefix + " "
    of_key = sa.exists().where(api_keys.c.user_id == user_id, by_key)
    return sa.select(*columns).where(sa.or_(forgetting.records_of(user_id, ()), of_key))


def _audit(user_id: int) -> Any:
    names = ("at", "key", "address", "action", "target", "request_id")
    theirs = sa.or_(audit.c.user_id == user_id, audit.c.key.in_(_prefixes(user_id)))
    return sa.select(*(audit.c[name] for name in names)).where(theirs)


def _rows(table: sa.Table, *names: str, user_id: str = "user_id") -> Callable[[int], Any]:
    columns = [table.c[name] for name in names]
    return lambda user: sa.select(*columns).where(table.c[user_id] == user)


_IMAGE, _KEY = rating_before_images.c, api_keys.c
_SHOWN_OF_KEY = ("prefix", "name", "role", "address", "created_at", "expires_at", "used_at")
_SHOWN_OF_WAITING = (
    *("number", "title", "year", "imdb_id", "tmdb_id", "score", "rated_at", "marks", "reason"),
    "created_at",
)
_SHOWN_OF_PLAY = ("what", "work", "movie_id", "first_at", "last_at", "sessions")
SECTIONS = (
    Section("names", _rows(users, "name", "created_at", "together", user_id="id"), (users.c.id,)),
    Section("accounts", _rows(accounts, "role", "created_at"), (accounts.c.user_id,)),
    Section("ratings", _ratings, (ratings.c.movie_id,)),
    Section(
        "before_images",
        _kept(rating_before_images, _IMAGE.score, _IMAGE.rated_at),
        (_IMAGE.import_seq, _IMAGE.movie_id),
    ),
    Section(
        "personal_before_images",
        _personal_images,
        (personal_before_images.c.import_seq, personal_before_images.c.noun, personal_before_images.c.key),
    ),
    Section(
        "marks", _rows(marks, "movie_id", "mark", "is_set", "marked_at"), (marks.c.movie_id, marks.c.mark)
    ),
    Section("waiting", _rows(waiting, *_SHOWN_OF_WAITING), (waiting.c.number,)),
    Section("aliases", _rows(aliases, "work", "movie_id", "created_at"), (aliases.c.work,)),
    Section("plays", _rows(plays, *_SHOWN_OF_PLAY), (plays.c.number,)),
    Section("hooks", _rows(hooks, "number", "player", "created_at", "used_at"), (hooks.c.number,)),
    Section("hook_names", _rows(hook_names, "hook", "name"), (hook_names.c.hook, hook_names.c.name)),
    Section("lists", _rows(list_addresses, "number", "created_at"), (list_addresses.c.number,)),
    Section("later_writes", _kept(later_writes), (later_writes.c.import_seq, later_writes.c.movie_id)),
    Section("first_ratings", _rows(first_raters, "movie_id"), (first_raters.c.number,)),
    Section("tasks", _tasks, (tasks.c.seq,)),
    Section("idempotency_records", _answers, (idempotency_keys.c.scope, idempotency_keys.c.key)),
    Section("keys", _rows(api_keys, *_SHOWN_OF_KEY), (_KEY.prefix,)),
    Section("sessions", _rows(sessions, "created_at", "expires_at"), (sessions.c.id,)),
    Section("invitations", _rows(invitations, "expires_at"), (invitations.c.hash,)),
    Section("audit", _audit, (audit.c.number,)),
)
"""All of it, but for hashes and secrets."""
