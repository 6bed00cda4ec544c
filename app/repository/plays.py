"""Queries on plays: what players report, each once however often and in whatever order it comes.

Events of one person, movie and kind are one play if they lie near each other, or are of one session. A play
is the span of its events, and grows until no other play is near: so the plays that there are in the end do
not depend on the order of the events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository import counters, personal_images
from app.repository.personal_images import Image
from app.storage.players import plays

NEAR = 6 * 3600
"""Seconds between two events of one play at most."""
SAME_SESSION = 7 * 86_400
"""Likewise if they are of one session: players number these from the start again."""
MOST_SESSIONS = 100
"""Of one play that are kept."""


@dataclass(frozen=True, slots=True)
class Play:
    """`what`: watched, rated, liked, unliked. `work`: as of rows that wait; times in epoch seconds."""

    user_id: int
    what: str
    work: str
    movie_id: int | None
    first_at: int
    last_at: int
    sessions: frozenset[str] = frozenset()
    number: int = 0

    def touches(self, other: "Play") -> bool:
        """Whether both are one play."""
        apart = max(self.first_at, other.first_at) - min(self.last_at, other.last_at)
        return apart <= (NEAR if self.sessions.isdisjoint(other.sessions) else SAME_SESSION)

    def with_others(self, others: Iterable["Play"]) -> "Play":
        """One play of all of them."""
        grown = self
        for other in others:
            grown = replace(
                grown,
                first_at=min(grown.first_at, other.first_at),
                last_at=max(grown.last_at, other.last_at),
                sessions=grown.sessions | other.sessions,
                movie_id=other.movie_id if grown.movie_id is None else grown.movie_id,
            )
        return grown


def lock(connection: Connection) -> None:
    """One writer of plays at a time, until the end of the transaction; to be called first."""
    counters.add(connection, "plays")


def count(connection: Connection, play: Play) -> bool:
    """Add an event to the play that it belongs to, or as one of its own; returns whether that is new."""
    grown, joined = play, list[Play]()
    while near := [one for one in _around(connection, grown, joined) if grown.touches(one)]:
        joined += near
        grown = grown.with_others(near)
    if not joined:
        connection.execute(plays.insert().values(_values(grown)))
        return True
    first, *rest = joined
    connection.execute(plays.update().where(plays.c.number == first.number).values(_values(grown)))
    if rest:
        gone = plays.c.number.in_([one.number for one in rest])
        connection.execute(plays.delete().where(gone))
    return False


def _around(connection: Connection, play: Play, known: list[Play]) -> list[Play]:
    """The plays of the same kind that may touch this one; some 60 at most, since they lie apart."""
    same = plays.c.work == play.work
    if play.movie_id is not None:
        same = sa.or_(same, plays.c.movie_id == play.movie_id)
    query = sa.select(plays).where(
        plays.c.user_id == play.user_id,
        plays.c.what == play.what,
        same,
        plays.c.first_at <= play.last_at + SAME_SESSION,
        plays.c.last_at >= play.first_at - SAME_SESSION,
        plays.c.number.not_in([one.number for one in known]),
    )
    return [_read(row) for row in connection.execute(query.order_by(plays.c.number)).mappings()]


def _values(play: Play) -> dict[str, Any]:
    names = ("user_id", "what", "work", "movie_id", "first_at", "last_at")
    return {name: getattr(play, name) for name in names} | {"sessions": sorted(play.sessions)[:MOST_SESSIONS]}


def _read(row: Any) -> Play:
    return Play(**dict(row) | {"sessions": frozenset(row["sessions"])})


def of_user(connection: Connection, user_id: int) -> list[Play]:
    """A person's plays, in the order of their first events."""
    query = sa.select(plays).where(plays.c.user_id == user_id).order_by(plays.c.first_at, plays.c.number)
    return [_read(row) for row in connection.execute(query).mappings()]


def move(connection: Connection, before: int, after: int, import_seq: int, _limit: int) -> int:
    """Give a person's plays to another; two that become one are joined. Returns how many there were.

    All at once, since they join across any limit. What there was is kept for the undo of that number.
    """
    lock(connection)
    theirs = of_user(connection, before)
    if not theirs:
        return 0
    was = {play.number: play for play in (*theirs, *of_user(connection, after))}
    connection.execute(plays.delete().where(plays.c.user_id == before))
    for play in theirs:
        count(connection, replace(play, user_id=after))
    now = {play.number: play for play in of_user(connection, after)}
    images = [_image(was.get(number), now.get(number)) for number in sorted({*was, *now})]
    personal_images.keep(connection, import_seq, [image for image in images if image is not None])
    return len(theirs)


def _image(before: Play | None, after: Play | None) -> Image | None:
    one = before or after
    if one is None or before == after:
        return None
    row = {
        name: None if play is None else _values(play) | {"number": play.number}
        for name, play in (("before", before), ("after", after))
    }
    return Image(one.user_id, personal_images.COUNTED, str(one.number), row)


def forget(connection: Connection, user_id: int) -> int:
    return connection.execute(plays.delete().where(plays.c.user_id == user_id)).rowcount
