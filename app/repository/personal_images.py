"""Queries on what marks, waiting rows and aliases were before an import or a merge changed them, for undo.

As of ratings: a row is restored if it still is as that number wrote it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.storage.personal import aliases, marks, personal_before_images, waiting
from app.storage.players import plays
from app.storage.schema import movies

MARK, WAITING, MOVED, ALIAS = "mark", "waiting", "moved_mark", "alias"
"""`MOVED`: a mark of a movie or person that was merged into another; `ALIAS`: a choice of a merged movie, by
its work.
"""
ENDED, PLAY, CHOSEN, COUNTED = "ended", "moved_play", "chosen", "play"
"""`ENDED`: a waiting row that is none any more, by its work; `PLAY`: one of a merged movie, by its number.

Of merged people: `CHOSEN`, a choice that was there before (`was`) or only is now, `COUNTED`, a play before
and after. An image of `ENDED` is put back before one of `WAITING` of the same work: nouns are taken in order.
"""
_MARK = ("is_set", "marked_at", "import_seq")
_WAITING = tuple(column.name for column in waiting.c if column.name not in ("user_id", "work"))
_KEPT = {
    MARK: _MARK,
    MOVED: _MARK,
    ALIAS: ("movie_id", "into_id"),
    PLAY: ("movie_id", "into_id"),
    CHOSEN: ("movie_id", "created_at", "was"),
    COUNTED: ("before", "after"),
    WAITING: _WAITING,
    ENDED: _WAITING,
}
_TABLES = {MARK: marks, WAITING: waiting}


class Image(NamedTuple):
    """A row before it was changed; `row` is None where there was none."""

    user_id: int
    noun: str
    key: str
    row: Mapping[str, Any] | None


def keep(connection: Connection, import_seq: int, images: Iterable[Image]) -> None:
    """Keep what rows were; of a row that was changed twice what it was first."""
    values = [
        image._asdict()
        | {"import_seq": import_seq}
        | {"row": None if image.row is None else {name: image.row[name] for name in _KEPT[image.noun]}}
        for image in images
    ]
    if values:
        statement = database_of(connection).insert(personal_before_images)
        connection.execute(statement.on_conflict_do_nothing(), values)


def take(connection: Connection, import_seq: int, limit: int) -> list[Image]:
    """Delete and return up to `limit` images of an import."""
    image = personal_before_images.c
    key = (image.user_id, image.noun, image.key)
    mine = sa.select(*key, image.row).where(image.import_seq == import_seq)
    found = [Image(*row) for row in connection.execute(mine.order_by(*key).limit(limit))]
    if found:
        last = sa.tuple_(*(sa.literal(value) for value in found[-1][:3]))
        gone = personal_before_images.delete().where(image.import_seq == import_seq)
        connection.execute(gone.where(sa.tuple_(*key) <= last))
    return found


def restore(connection: Connection, import_seq: int, images: Iterable[Image]) -> tuple[int, int, list[Image]]:
    """Put rows back that are as that import wrote them, and delete those that it added.

    Returns how many were deleted and put back, and those that were changed since.
    """
    deleted, restored, kept = 0, 0, list[Image]()
    for image in images:
        if image.noun in _BACK:
            is_back = _BACK[image.noun](connection, image, image.row or {})
            restored += is_back
            kept += [] if is_back else [image]
            continue
        table, same = _TABLES[image.noun], _same(image)
        written = sa.and_(same, table.c.import_seq == import_seq)
        if image.row is None:
            gone = connection.execute(table.delete().where(written)).rowcount
            deleted += gone
            if not gone and image.noun == MARK and connection.execute(sa.select(1).where(same)).first():
                kept.append(image)
        elif connection.execute(table.update().where(written).values(image.row)).rowcount:
            restored += 1
        else:
            kept.append(image)
    return deleted, restored, kept


def _alias_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    same = sa.and_(aliases.c.user_id == image.user_id, aliases.c.work == image.key)
    mine = aliases.update().where(same, aliases.c.movie_id == row["into_id"])
    return bool(connection.execute(mine.values(movie_id=row["movie_id"])).rowcount)


def _play_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    same = plays.c.number == int(image.key), plays.c.movie_id == row["into_id"]
    mine = plays.update().where(plays.c.user_id == image.user_id, *same)
    return bool(connection.execute(mine.values(movie_id=row["movie_id"])).rowcount)


def _mark_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    movie_id, mark = image.key.split(":")
    if not connection.execute(sa.select(1).where(movies.c.id == int(movie_id))).first():
        return False
    key = {"user_id": image.user_id, "movie_id": int(movie_id), "mark": mark}
    return _add(connection, marks, key | dict(row))


def _waiting_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    return _add(connection, waiting, {"user_id": image.user_id, "work": image.key} | dict(row))


def _choice_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    values = {"movie_id": row["movie_id"], "created_at": row["created_at"]}
    if row["was"]:
        return _add(connection, aliases, {"user_id": image.user_id, "work": image.key} | values)
    same = [aliases.c.user_id == image.user_id, aliases.c.work == image.key]
    same += [aliases.c[name] == value for name, value in values.items()]
    return bool(connection.execute(aliases.delete().where(*same)).rowcount)


def _count_back(connection: Connection, image: Image, row: Mapping[str, Any]) -> bool:
    same = plays.c.number == int(image.key)
    there = connection.execute(sa.select(plays).where(same)).mappings().first()
    if (None if there is None else dict(there)) != row["after"]:
        return False
    connection.execute(plays.delete().where(same))
    return row["before"] is None or _add(connection, plays, row["before"])


def _add(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    insert = database_of(connection).insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(insert.returning(*table.primary_key)).first() is not None


_BACK: dict[str, Callable[[Connection, Image, Mapping[str, Any]], bool]] = {
    MOVED: _mark_back,
    ALIAS: _alias_back,
    PLAY: _play_back,
    ENDED: _waiting_back,
    CHOSEN: _choice_back,
    COUNTED: _count_back,
}
"""Each puts back what a merge moved or an import ended, unless that was changed since: whether it did."""


def _same(image: Image) -> sa.ColumnElement[bool]:
    """The row that an image is of."""
    table = _TABLES[image.noun]
    if image.noun == MARK:
        movie_id, mark = image.key.split(":")
        return sa.and_(
            marks.c.user_id == image.user_id, marks.c.movie_id == int(movie_id), marks.c.mark == mark
        )
    return sa.and_(table.c.user_id == image.user_id, table.c.work == image.key)
