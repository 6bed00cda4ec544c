"""Queries on people: those with a name, and ids that have ratings alone."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.repository import counters
from app.storage.database import serialize
from app.storage.schema import ratings, users
from app.user import User, name_key

CREATED = "users_created"
"""The counter of ids that were given to people."""
_ID = sa.bindparam("id", type_=sa.BigInteger)
_COUNT = sa.select(sa.func.count()).select_from(ratings).where(ratings.c.user_id == _ID)


def create(connection: Connection, name: str, *, now: float) -> User:
    """Add a person under the next id that has no ratings. Raises `Conflict` if the name is taken."""
    _refuse_taken(connection, name)
    user_id = _next_id(connection)
    _add(connection, user_id, name, now)
    return User(user_id, name, 0, now)


def _next_id(connection: Connection) -> int:
    """Move the counter on; until the end of the transaction no other one can."""
    last = int(connection.execute(counters.value(CREATED).with_for_update()).scalar_one())
    user_id = last + 1
    while find(connection, user_id):
        user_id += 1
    counters.add(connection, CREATED, user_id - last)
    return user_id


def rename(connection: Connection, user_id: int, name: str, *, now: float) -> User:
    """Give a person another name, or an id that has ratings its first. Raises `Conflict`, `NotFound`."""
    _refuse_taken(connection, name, but=user_id)
    user = get(connection, user_id)
    if user.name is None:
        _add(connection, user_id, name, now)
    else:
        change = users.update().where(users.c.id == user_id)
        connection.execute(change.values(name=name, name_key=name_key(name)))
    return User(user_id, name, user.rating_count, user.created_at or now, user.together)


def set_together(connection: Connection, user_id: int, *, is_allowed: bool) -> User:
    """Say whether others may have a list made for a person too. Raises `NotFound` without a name."""
    change = users.update().where(users.c.id == user_id).values(together=is_allowed)
    if not connection.execute(change).rowcount:
        raise NotFound(f"There is no user {user_id} with a name. PATCH /users/{user_id} gives them one.")
    return get(connection, user_id)


def _add(connection: Connection, user_id: int, name: str, now: float) -> None:
    row = {"id": user_id, "name": name, "name_key": name_key(name), "created_at": now}
    connection.execute(users.insert().values(row))


def _refuse_taken(connection: Connection, name: str, *, but: int = -1) -> None:
    """Raises `Conflict` if another person has the name; no other one takes it until the transaction ends."""
    serialize(connection, "users")
    for other in ids_of(connection, name) - {but}:
        raise Conflict(f"User {other} is called {name!r} already. Take another name.")


def get(connection: Connection, user_id: int) -> User:
    """One person, or an id that has ratings. Raises `NotFound`."""
    user = find(connection, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}. GET /users lists them; POST /users adds one.")
    return user


def find(connection: Connection, user_id: int) -> User | None:
    """Like `get`, or None."""
    row, count = _named(connection, user_id), _count(connection, user_id)
    if row is None:
        return User(user_id, rating_count=count) if count else None
    return User(user_id, row.name, count, row.created_at, row.together)


def name_of(connection: Connection, user_id: int) -> str | None:
    """The name of a person; None if the id has none."""
    row = _named(connection, user_id)
    return None if row is None else str(row.name)


def ids_of(connection: Connection, name: str) -> set[int]:
    """The id of the person of that name, or none."""
    query = sa.select(users.c.id).where(users.c.name_key == name_key(name))
    return set(connection.execute(query).scalars().all())


def listing(connection: Connection, *, limit: int, after: int = -1) -> list[User]:
    """People by id, from the one after `after`."""
    query = sa.select(users.c.id).where(users.c.id > after).order_by(users.c.id).limit(limit)
    return [get(connection, user_id) for user_id in connection.execute(query).scalars().all()]


def listing_of_all(connection: Connection, *, limit: int, after: int = -1) -> list[User]:
    """People and ids that have ratings, by id, from the one after `after`."""
    return [get(connection, user_id) for user_id in ids_of_all(connection, limit=limit, after=after)]


def ids_of_all(connection: Connection, *, limit: int, after: int = -1) -> list[int]:
    """The ids of people, and those that have ratings, from the one after `after`."""
    query = sa.select(users.c.id).where(users.c.id > after).order_by(users.c.id).limit(limit)
    named = connection.execute(query).scalars().all()
    others = connection.execute(_rating_ids().limit(limit), {"after": after}).scalars().all()
    return sorted({*named, *others})[:limit]


def count_of_all(connection: Connection) -> int:
    """How many people there are, and ids that have ratings."""
    ids = _rating_ids().subquery()
    with_ratings = connection.execute(sa.select(sa.func.count()).select_from(ids), {"after": -1})
    has_none = ~sa.exists().where(ratings.c.user_id == users.c.id)
    others = connection.execute(sa.select(sa.func.count()).select_from(users).where(has_none))
    return int(with_ratings.scalar_one()) + int(others.scalar_one())


def _rating_ids() -> sa.Select[Any]:
    """The next ids that have ratings: one step through the primary key for each, however many they gave."""
    after = sa.bindparam("after", type_=sa.BigInteger)
    first = sa.select(sa.func.min(ratings.c.user_id).label("id")).where(ratings.c.user_id > after)
    steps = first.cte("steps", recursive=True)
    following = sa.select(sa.func.min(ratings.c.user_id)).where(ratings.c.user_id > steps.c.id)
    steps = steps.union_all(sa.select(following.scalar_subquery()).where(steps.c.id.is_not(None)))
    return sa.select(steps.c.id).where(steps.c.id.is_not(None))


def _named(connection: Connection, user_id: int) -> Any:
    """The row of a name, or None."""
    query = sa.select(users.c.name, users.c.created_at, users.c.together).where(users.c.id == user_id)
    return connection.execute(query).first()


def _count(connection: Connection, user_id: int) -> int:
    return int(connection.execute(_COUNT, {"id": user_id}).scalar_one())
