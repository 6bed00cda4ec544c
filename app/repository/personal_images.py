"""Queries on what marks, waiting rows and aliases were before an import or a merge changed them, for undo.

As of ratings: a row is restored if it still is as that number wrote it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.storage.personal import aliases, marks, personal_before_images, waiting

MARK, WAITING, MOVED, ALIAS = "mark", "waiting", "moved_mark", "alias"
"""`MOVED`: a mark of a movie that was merged into another; `ALIAS`: a choice of one, by its work."""
_MARK = ("is_set", "marked_at", "import_seq")
_KEPT = {
    MARK: _MARK,
    MOVED: _MARK,
    ALIAS: ("movie_id", "into_id"),
    WAITING: tuple(column.name for column in waiting.c if column.name not in ("user_id", "work")),
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
        if image.noun in (MOVED, ALIAS):
            is_back = _moved_back(connection, image)
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


def _moved_back(connection: Connection, image: Image) -> bool:
    """Give a movie back what was moved to the one that it was merged into, unless that was changed."""
    row = image.row or {}
    if image.noun == ALIAS:
        same = sa.and_(aliases.c.user_id == image.user_id, aliases.c.work == image.key)
        mine = aliases.update().where(same, aliases.c.movie_id == row["into_id"])
        return bool(connection.execute(mine.values(movie_id=row["movie_id"])).rowcount)
    movie_id, mark = image.key.split(":")
    key = {"user_id": image.user_id, "movie_id": int(movie_id), "mark": mark}
    insert = database_of(connection).insert(marks).values(**key, **row)
    return bool(connection.execute(insert.on_conflict_do_nothing()).rowcount)


def _same(image: Image) -> sa.ColumnElement[bool]:
    """The row that an image is of."""
    table = _TABLES[image.noun]
    if image.noun == MARK:
        movie_id, mark = image.key.split(":")
        return sa.and_(
            marks.c.user_id == image.user_id, marks.c.movie_id == int(movie_id), marks.c.mark == mark
        )
    return sa.and_(table.c.user_id == image.user_id, table.c.work == image.key)
