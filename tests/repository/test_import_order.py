"""In which order imports wrote, on every engine."""

from typing import Any

from app.repository import import_order, tasks
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database
from app.storage.schema import tasks as table
from app.task import Task


def add(database: Database, kind: str = IMPORT_RATINGS, status: str = "complete", **values: Any) -> Task:
    with database.write() as connection:
        params = values.pop("params", {"dry_run": False, "undo_of": None})
        task = tasks.create(connection, kind, params, now=1)
        found = table.update().where(table.c.seq == task.seq).values(status=status, **values)
        connection.execute(found)
        changed = tasks.get(connection, task.id)
    assert changed is not None
    return changed


def checkpoint(order: int | None, new: int = 1) -> dict[str, Any]:
    place: dict[str, Any] = {"figures": {"new": new, "replaced": 0}}
    return place if order is None else place | {"order": order}


def newest(database: Database, task: Task) -> str | None:
    with database.read() as connection:
        found = import_order.newest_after(connection, task)
    return found.id if found else None


def test_each_order_is_higher_than_the_one_before(database: Database) -> None:
    orders = []
    for _ in range(3):
        with database.write() as connection:
            orders.append(import_order.next_order(connection))
    assert orders == [1, 2, 3]


def test_the_newest_import_is_the_one_that_wrote_last(database: Database) -> None:
    old = add(database, checkpoint=checkpoint(None))
    late = add(database, checkpoint=checkpoint(2))  # failed at first, and was tried again
    early = add(database, checkpoint=checkpoint(1))
    add(database, checkpoint=checkpoint(3, new=0))
    add(database, checkpoint=checkpoint(4), params={"dry_run": True})
    add(database, checkpoint=None)
    assert newest(database, old) == late.id
    assert newest(database, early) == late.id
    assert newest(database, late) is None
    add(database, UNDO_IMPORT, params={"undo_of": late.id}, checkpoint={"figures": {"deleted": 1}})
    assert newest(database, early) is None
    assert newest(database, old) == early.id


def test_undos_of_an_import_and_what_is_active(database: Database) -> None:
    task = add(database, checkpoint=checkpoint(1))
    undos = [
        add(database, UNDO_IMPORT, status, params={"undo_of": of})
        for status, of in (("cancelled", task.id), ("failed", "another"), ("queued", task.id))
    ]
    add(database, REBUILD_MODEL, "queued", params={})
    waiting = add(database, status="queued")
    with database.read() as connection:
        assert import_order.undos_of(connection, task.id) == [undos[2], undos[0]]
        assert import_order.active(connection) == [undos[2], waiting]
