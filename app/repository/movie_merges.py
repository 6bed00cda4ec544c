"""The two movies of a merge: its start, its end, and the way back. Their ratings are in `moves`.

An import merges many pairs under its number: those that it takes over (`app.imports.arrivals`). Its undo
brings the movies back first, then their ratings, and at last their ids are their own again.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.mark import Mark, Marked
from app.repository import catalogue, merged_movies, movies, personal_images
from app.repository import marks as mark_queries
from app.repository.personal_images import Image
from app.storage.personal import aliases, marks
from app.storage.players import plays
from app.storage.schema import merged_movies as merged


def require_unmerged(connection: Connection, movie_id: int, *, lock: bool = False) -> None:
    """Raises `NotFound`, or `Conflict` for a movie that was merged into another one."""
    if (now := merged_movies.now(connection, movie_id, lock=lock)) != movie_id:
        raise Conflict(
            f"Movie {movie_id} was merged into movie {now}. Name that one, or undo the merge first."
        )
    movies.get(connection, movie_id)


def begin(connection: Connection, from_id: int, into_id: int, task_seq: int) -> None:
    """From now on the one id means the other. Raises as `require_unmerged`."""
    for movie_id in (from_id, into_id):
        require_unmerged(connection, movie_id, lock=True)
    connection.execute(merged.insert().values(movie_id=from_id, into_id=into_id, task_seq=task_seq))


def is_under_way(connection: Connection, task_seq: int) -> bool:
    """Whether the merge of that task has begun, and neither an undo nor a deleted movie has ended it."""
    mine = sa.select(merged.c.movie_id).where(merged.c.task_seq == task_seq)
    return connection.execute(mine).first() is not None


def finish(connection: Connection, from_id: int, into_id: int, task_seq: int) -> None:
    """Remove a movie whose ratings were all moved, and give its ids elsewhere to the other if that has none.

    Raises `Conflict` if it has ratings, `NotFound` if there is no other movie.
    """
    close(connection, from_id, into_id, task_seq)
    movies.note_change(connection)


def close(connection: Connection, from_id: int, into_id: int, task_seq: int, *, moved: int = 0) -> None:
    """`finish`, but for the version of the catalogue. `moved`: ratings whose counts are not taken out yet."""
    movies.get(connection, into_id, lock=True)
    movie = catalogue.existing(connection, catalogue.MOVIE, [from_id]).get(from_id)
    links = catalogue.existing(connection, catalogue.LINK, [from_id, into_id])
    link, others = links.get(from_id), links.get(into_id)
    kept = {"movie": movie, "link": link}
    mine = merged.c.task_seq == task_seq, merged.c.movie_id == from_id
    connection.execute(merged.update().where(*mine).values(kept))
    if link:
        both = {name: (others or {}).get(name) or value for name, value in link.items()}
        if both != others:
            catalogue.write(connection, catalogue.LINK, {into_id: both}, task_seq, now=0)
    _move_personal(connection, from_id, into_id, task_seq)
    if movie:
        if count := movies.get(connection, from_id, lock=True).rating_count - moved:
            raise Conflict(f"Movie {from_id} has {count} new ratings. Undo this merge, then start another.")
        movies.drop(connection, [from_id])


def _move_personal(connection: Connection, from_id: int, into_id: int, task_seq: int) -> None:
    """Marks, aliases and plays of the one become the other's, of two marks of a person the newer one."""
    theirs = marks.c.movie_id == from_id
    given: dict[tuple[int, int], dict[Mark, Marked]] = {}
    images = list[Image]()
    for row in connection.execute(sa.select(marks).where(theirs)).mappings():
        states = given.setdefault((row["user_id"], into_id), {})
        states[Mark(row["mark"])] = Marked(row["is_set"], row["marked_at"])
        images.append(Image(row["user_id"], personal_images.MOVED, f"{from_id}:{row['mark']}", dict(row)))
    mark_queries.add_many(connection, given, import_seq=task_seq)
    connection.execute(marks.delete().where(theirs))
    chosen = aliases.c.movie_id == from_id
    for user_id, work in connection.execute(sa.select(aliases.c.user_id, aliases.c.work).where(chosen)):
        before = {"movie_id": from_id, "into_id": into_id}
        images.append(Image(user_id, personal_images.ALIAS, work, before))
    connection.execute(aliases.update().where(chosen).values(movie_id=into_id))
    for user_id, number in connection.execute(sa.select(plays.c.user_id, plays.c.number).where(_of(from_id))):
        before = {"movie_id": from_id, "into_id": into_id}
        images.append(Image(user_id, personal_images.PLAY, str(number), before))
    connection.execute(plays.update().where(_of(from_id)).values(movie_id=into_id))
    personal_images.keep(connection, task_seq, images)


def _of(movie_id: int) -> sa.ColumnElement[bool]:
    return plays.c.movie_id == movie_id


def restore(connection: Connection, task_seq: int) -> int:
    """Undo `finish` and `begin`; returns how many movies are back. The other's ids elsewhere are an image."""
    row = connection.execute(sa.select(merged).where(merged.c.task_seq == task_seq)).first()
    if row is None:
        return 0
    connection.execute(merged.delete().where(merged.c.task_seq == task_seq))
    there = catalogue.existing(connection, catalogue.MOVIE, [row.movie_id])
    if row.movie is None or there:
        return 0
    catalogue.put(connection, catalogue.MOVIE, {row.movie_id: row.movie})
    if row.link is not None:
        catalogue.put(connection, catalogue.LINK, {row.movie_id: row.link})
    movies.note_change(connection)
    return 1


def restore_taken(connection: Connection, task_seq: int, limit: int) -> int:
    """Bring up to `limit` movies back that an import has taken over; returns how many.

    Their ids lead to the other movies until `forget_taken`.
    """
    mine = merged.c.task_seq == task_seq, merged.c.movie.is_not(None)
    query = sa.select(merged.c.movie_id, merged.c.movie, merged.c.link).where(*mine)
    rows = connection.execute(query.order_by(merged.c.movie_id).limit(limit)).all()
    if rows:
        catalogue.put(connection, catalogue.MOVIE, {row.movie_id: row.movie for row in rows})
        links = {row.movie_id: row.link for row in rows if row.link is not None}
        catalogue.put(connection, catalogue.LINK, links)
        back = merged.c.movie_id.in_([row.movie_id for row in rows])
        nothing = {"movie": sa.null(), "link": sa.null()}
        connection.execute(merged.update().where(merged.c.task_seq == task_seq, back).values(nothing))
        movies.note_change(connection)
    return len(rows)


def forget_taken(connection: Connection, task_seq: int) -> None:
    """What an import has taken over is no part of other movies any more."""
    if connection.execute(merged.delete().where(merged.c.task_seq == task_seq)).rowcount:
        movies.note_change(connection)
