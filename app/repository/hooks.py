"""Queries on hooks: addresses that players send events to, and who the users of a player are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.storage.database import database_of
from app.storage.players import hook_events, hook_names, hooks

MOST = 1_000
"""Hooks of the service."""
MOST_NAMES = 200
"""Of a hook: those that are known, and likewise those that wait."""
MOST_EVENTS = 1_000
"""Of a hook that wait."""


@dataclass(frozen=True, slots=True)
class Hook:
    """`user_id`: whose it is, None: of a household. `dropped`: events that had no room to wait."""

    number: int
    player: str
    user_id: int | None
    created_at: float
    used_at: float | None = None
    counted: int = 0
    repeated: int = 0
    ignored: int = 0
    dropped: int = 0


_SHOWN = [column for column in hooks.c if column.name != "hash"]


def add(connection: Connection, player: str, user_id: int | None, digest: str, *, now: float) -> Hook:
    """Raises `Conflict` for one too many."""
    if connection.execute(sa.select(sa.func.count()).select_from(hooks)).scalar_one() >= MOST:
        raise Conflict(f"There are {MOST:,} hooks. DELETE /hooks/NUMBER removes one; GET /hooks lists them.")
    values = {"player": player, "user_id": user_id, "hash": digest, "created_at": now}
    number = connection.execute(hooks.insert().values(values).returning(hooks.c.number)).scalar_one()
    return Hook(number, player, user_id, now)


def find(connection: Connection, digest: str) -> Hook | None:
    """The hook whose secret has that digest."""
    row = connection.execute(sa.select(*_SHOWN).where(hooks.c.hash == digest)).mappings().first()
    return None if row is None else Hook(**row)


def get(connection: Connection, number: int, user_id: int | None = None) -> Hook:
    """`user_id`: whose it has to be, None: of any person. Raises `NotFound`."""
    query = sa.select(*_SHOWN).where(hooks.c.number == number)
    if user_id is not None:
        query = query.where(hooks.c.user_id == user_id)
    row = connection.execute(query.with_for_update()).mappings().first()
    if row is None:
        raise NotFound(f"There is no hook {number}. GET /hooks lists them.")
    return Hook(**row)


def listing(connection: Connection, *, user_id: int | None, limit: int, after: int = 0) -> list[Hook]:
    """All, or those of one person, by number."""
    query = sa.select(*_SHOWN).where(hooks.c.number > after)
    if user_id is not None:
        query = query.where(hooks.c.user_id == user_id)
    rows = connection.execute(query.order_by(hooks.c.number).limit(limit)).mappings()
    return [Hook(**row) for row in rows]


def remove(connection: Connection, number: int) -> None:
    """Delete a hook with its names and what waits."""
    for table in (hook_names, hook_events):
        connection.execute(table.delete().where(table.c.hook == number))
    connection.execute(hooks.delete().where(hooks.c.number == number))


def note(connection: Connection, number: int, figures: Mapping[str, int], *, now: float) -> None:
    """Count events, by the names of the columns."""
    more = {name: hooks.c[name] + count for name, count in figures.items() if count}
    connection.execute(hooks.update().where(hooks.c.number == number).values(used_at=now, **more))


def names(connection: Connection, numbers: list[int]) -> dict[int, dict[str, int | None]]:
    """Who the users of the players are, by hook; None: their events are ignored."""
    query = sa.select(hook_names).where(hook_names.c.hook.in_(numbers)).order_by(hook_names.c.name)
    found: dict[int, dict[str, int | None]] = {number: {} for number in numbers}
    for row in connection.execute(query):
        found[row.hook][row.name] = row.user_id
    return found


def put_names(connection: Connection, number: int, given: Mapping[str, int | None]) -> None:
    """Say who users of the player are; those that are not named stay. Raises `Conflict` for too many."""
    upsert = database_of(connection).upsert(hook_names, "user_id")
    rows = [{"hook": number, "name": name, "user_id": user_id} for name, user_id in given.items()]
    if rows:
        connection.execute(upsert, rows)
    if len(names(connection, [number])[number]) > MOST_NAMES:
        raise Conflict(f"Hook {number} would have more than {MOST_NAMES} names. Make another hook for some.")


def keep(
    connection: Connection, number: int, name: str, digest: str, event: dict[str, Any], *, now: float
) -> bool:
    """Let an event wait until its name is known, once; returns False if there is no room."""
    mine = hook_events.c.hook == number
    query = sa.select(sa.func.count(), sa.func.count(sa.distinct(hook_events.c.name))).where(mine)
    events, known = connection.execute(query).one()
    is_new = connection.execute(sa.select(hook_events.c.number).where(mine, hook_events.c.name == name))
    if events >= MOST_EVENTS or (known >= MOST_NAMES and is_new.first() is None):
        return False
    statement = database_of(connection).insert(hook_events).on_conflict_do_nothing()
    values = {"hook": number, "name": name, "digest": digest, "event": event, "received_at": now}
    connection.execute(statement, values)
    return True


def waiting(connection: Connection, numbers: list[int]) -> dict[int, dict[str, int]]:
    """How many events wait for each name that is not known, by hook."""
    query = sa.select(hook_events.c.hook, hook_events.c.name, sa.func.count().label("events"))
    query = query.where(hook_events.c.hook.in_(numbers)).group_by(hook_events.c.hook, hook_events.c.name)
    found: dict[int, dict[str, int]] = {number: {} for number in numbers}
    for row in connection.execute(query.order_by(hook_events.c.name)):
        found[row.hook][row.name] = row.events
    return found


def take(connection: Connection, number: int, name: str) -> list[dict[str, Any]]:
    """The events that wait for a name, oldest first; they wait no longer."""
    mine = hook_events.c.hook == number, hook_events.c.name == name
    query = sa.select(hook_events.c.event).where(*mine).order_by(hook_events.c.number)
    events = list(connection.execute(query).scalars())
    connection.execute(hook_events.delete().where(*mine))
    return events


def move(connection: Connection, before: int, after: int) -> int:
    """Give a person's hooks to another, and let their names be the other's; returns how many."""
    changed = (
        connection.execute(table.update().where(table.c.user_id == before).values(user_id=after)).rowcount
        for table in (hooks, hook_names)
    )
    return sum(changed)


def forget(connection: Connection, user_id: int) -> tuple[int, int]:
    """Delete a person's hooks with all that they hold, and their names in others; returns how many."""
    theirs = list(connection.execute(sa.select(hooks.c.number).where(hooks.c.user_id == user_id)).scalars())
    named = connection.execute(hook_names.delete().where(hook_names.c.user_id == user_id)).rowcount
    for number in theirs:
        remove(connection, number)
    return len(theirs), named
