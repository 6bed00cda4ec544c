"""Queries that delete what is kept of a person. Each returns how many rows it deleted."""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.rating import STEP, RatingColumns
from app.repository import counters, hooks, imports, list_addresses, plays
from app.repository import ratings as rating_queries
from app.repository.count_changes import changes_of
from app.repository.import_order import UNDO_IMPORT, UNDO_OF, WRITERS
from app.repository.models import FORGOTTEN
from app.storage.database import database_of
from app.storage.personal import aliases, marks, personal_before_images, waiting
from app.storage.schema import (
    api_keys,
    audit,
    first_raters,
    idempotency_keys,
    later_writes,
    movies,
    rating_before_images,
    ratings,
    tasks,
    users,
)
from app.task import Task

FORGET_USER = "forget_user"
"""The action in the audit."""
NO_ONE = -1
"""A first rater in the place of a forgotten one: without ratings, and with a new number, so that every
process folds the movie in again."""


def forget_ratings(connection: Connection, user_id: int) -> int:
    """Delete the ratings, and take them out of the counts of the movies."""
    rated = sa.select(ratings.c.movie_id).where(ratings.c.user_id == user_id)
    # As a writer of a single rating does: first the movies, in one order, so that no two wait for each other.
    movie_locks = sa.select(movies.c.id).where(movies.c.id.in_(rated)).order_by(movies.c.id).with_for_update()
    connection.execute(movie_locks).close()
    database_of(connection).join_ratings(connection, user_id)
    delete = ratings.delete().where(ratings.c.user_id == user_id)
    rows = connection.execute(delete.returning(ratings.c.movie_id, ratings.c.score)).all()
    if rows:
        movie_id, score = zip(*rows, strict=True)
        half_steps, other = (np.array(score) / STEP).astype(np.uint8), np.zeros(len(rows), np.int64)
        gone = RatingColumns(other, np.array(movie_id, np.int64), half_steps, other)
        imports.apply_counts(connection, changes_of([], [gone]))
        rating_queries.note_changes(connection, len(rows), slot=user_id)
    return len(rows)


def forget_first_raters(connection: Connection, user_id: int) -> int:
    """Put `NO_ONE` in the place of the person: models that fold their ratings in do it again without."""
    theirs = first_raters.c.user_id == user_id
    movie_ids = list(connection.execute(sa.select(first_raters.c.movie_id).where(theirs)).scalars())
    for some in database_of(connection).batches(movie_ids):
        replaced = sa.or_(theirs, first_raters.c.user_id == NO_ONE)
        connection.execute(first_raters.delete().where(replaced, first_raters.c.movie_id.in_(some)))
        rows = [{"movie_id": movie_id, "user_id": NO_ONE} for movie_id in some]
        connection.execute(first_raters.insert(), rows)
    return len(movie_ids)


def forget_rest(connection: Connection, user_id: int) -> dict[str, int]:
    """Delete marks, rows that wait, what was chosen for titles, and all of players; how many of each."""
    own, named = hooks.forget(connection, user_id)
    of_players = {"plays": plays.forget(connection, user_id), "hooks": own, "hook_names": named}
    of_players["lists"] = list_addresses.forget(connection, user_id)
    return of_players | {
        table.name: connection.execute(table.delete().where(table.c.user_id == user_id)).rowcount
        for table in (marks, waiting, aliases)
    }


def forget_undos(connection: Connection, user_id: int) -> tuple[int, int]:
    """Delete what undos would put back or list: before-images, and notes of later writes."""
    seqs = sa.select(tasks.c.seq).where(tasks.c.kind.in_(WRITERS))  # leads the engine into the keys
    images, later, personal = (
        connection.execute(
            table.delete().where(table.c.import_seq.in_(seqs), table.c.user_id == user_id)
        ).rowcount
        for table in (rating_before_images, later_writes, personal_before_images)
    )
    return images + personal, later


def records_of(user_id: int, prefixes: Collection[str]) -> sa.ColumnElement[bool]:
    """The idempotency records of the person's requests and keys, and those that carry them.

    A scope is caller, method and path; a body is compact JSON.
    """
    scope, body = idempotency_keys.c.scope, idempotency_keys.c.body
    callers = [scope.startswith(f"{caller} ", autoescape=True) for caller in (user_id, *prefixes)]
    paths = [f"/users/{user_id}", f"/ratings/{user_id}"]
    about = [scope.endswith(path, autoescape=True) for path in paths]
    about += [scope.contains(f"{path}/", autoescape=True) for path in paths]
    about += [body.contains(f'"user_id":{user_id}{end}', autoescape=True) for end in ",}"]
    made = [body.contains(f'"id":{user_id}{end}', autoescape=True) for end in ",}"]
    return sa.or_(*callers, *about, sa.and_(scope.endswith(" /users"), sa.or_(*made)))


def forget_answers(connection: Connection, user_id: int, prefixes: Collection[str]) -> int:
    return connection.execute(idempotency_keys.delete().where(records_of(user_id, prefixes))).rowcount


def key_prefixes(connection: Connection, user_id: int) -> list[str]:
    """Of the person's API keys."""
    query = sa.select(api_keys.c.prefix).where(api_keys.c.user_id == user_id)
    return list(connection.execute(query.order_by(api_keys.c.prefix)).scalars())


def named_in(user_id: int) -> sa.ColumnElement[bool]:
    """The tasks whose parameters name the person."""
    names = (sa.cast(tasks.c.params[name].as_string(), sa.Text) for name in ("user_id", "from_id"))
    return sa.or_(*(name == str(user_id) for name in names))


def tasks_about(connection: Connection, user_id: int) -> list[Task]:
    """The tasks whose parameters name the person, and the undos of these."""
    about = named_in(user_id)
    ids = sa.select(tasks.c.id).where(about)
    undos = sa.and_(tasks.c.kind == UNDO_IMPORT, UNDO_OF.in_(ids))
    query = sa.select(tasks).where(sa.or_(about, undos)).order_by(tasks.c.seq)
    return [Task(**row) for row in connection.execute(query).mappings()]


def writers(connection: Connection) -> list[Task]:
    """Every import, merge and undo, oldest first."""
    query = sa.select(tasks).where(tasks.c.kind.in_((*WRITERS, UNDO_IMPORT))).order_by(tasks.c.seq)
    return [Task(**row) for row in connection.execute(query).mappings()]


def of_kind(connection: Connection, kind: str) -> list[Task]:
    """Every task of that kind, oldest first."""
    query = sa.select(tasks).where(tasks.c.kind == kind).order_by(tasks.c.seq)
    return [Task(**row) for row in connection.execute(query).mappings()]


def owned(connection: Connection, user_id: int) -> list[Task]:
    """The tasks that the person asked for."""
    query = sa.select(tasks).where(tasks.c.owner == user_id).order_by(tasks.c.seq)
    return [Task(**row) for row in connection.execute(query).mappings()]


def rewrite(connection: Connection, task: Task, values: dict[str, Any]) -> None:
    """Change columns of an ended task that say something of a person; its status stays."""
    connection.execute(tasks.update().where(tasks.c.seq == task.seq).values(values))


def disown(connection: Connection, user_id: int) -> int:
    """Take the person from the tasks that they asked for; returns how many."""
    theirs = tasks.update().where(tasks.c.owner == user_id)
    return connection.execute(theirs.values(owner=None)).rowcount


def forget_in_audit(connection: Connection, user_id: int, prefixes: Collection[str]) -> int:
    """Leave of the person's rows, and of those about them, what was done and when.

    Returns how many rows were changed.
    """
    theirs = sa.or_(audit.c.user_id == user_id, audit.c.key.in_(prefixes))
    nothing = {"user_id": None, "key": None, "address": None, "request_id": None}
    changed = connection.execute(audit.update().where(theirs).values(nothing)).rowcount
    words = (str(user_id), *prefixes)
    named = sa.or_(*(audit.c.target.contains(word, autoescape=True) for word in words))
    is_fact = audit.c.action == FORGET_USER
    rows = connection.execute(sa.select(audit.c.number, audit.c.target).where(named, ~is_fact)).all()
    for number, target in rows:
        if (left := without(target, words)) != target:
            connection.execute(audit.update().where(audit.c.number == number).values(target=left))
            changed += 1
    return changed


def without(text: str, words: Iterable[str], instead: str = "-") -> str:
    """The text with `instead` for each of the words where it stands alone: 7 is not in 17."""
    for word in words:
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _: instead, text)
    return text


def forget_name(connection: Connection, user_id: int) -> int:
    return connection.execute(users.delete().where(users.c.id == user_id)).rowcount


def count(connection: Connection, table: sa.Table, is_theirs: Callable[[Any], Any]) -> int:
    """How many rows of a table are theirs."""
    query = sa.select(sa.func.count()).select_from(table).where(is_theirs(table.c))
    return int(connection.execute(query).scalar_one())


def forgotten_ids(connection: Connection) -> list[int]:
    """The people who were forgotten, as long as the audit says so, without those who have a name again."""
    query = sa.select(audit.c.target).where(audit.c.action == FORGET_USER).distinct()
    ids = {int(target) for target in connection.execute(query).scalars() if target.isdecimal()}
    for some in database_of(connection).batches(sorted(ids)):
        ids -= set(connection.execute(sa.select(users.c.id).where(users.c.id.in_(some))).scalars())
    return sorted(ids)


def facts(connection: Connection) -> list[tuple[int, float]]:
    """Who was forgotten and when, in epoch seconds, as long as the audit says so."""
    query = sa.select(audit.c.target, audit.c.at).where(audit.c.action == FORGET_USER)
    rows = connection.execute(query.order_by(audit.c.number)).all()
    return [(int(target), at) for target, at in rows if target.isdecimal()]


def note_forgotten(connection: Connection) -> None:
    """From here on the models that there are have seen a person who is forgotten."""
    counters.add(connection, FORGOTTEN)
