"""A database as the first version made it: its schema, and its way to number rows."""

import functools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from app.config import Settings
from app.storage import engine_of
from app.storage.database import Database
from app.storage.revisions import MIGRATIONS

Key = tuple[int, int]
REVISION = "0005"


def _upgrade(database: Database) -> None:
    with database.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)


@functools.cache
def _file() -> bytes:
    """An empty one on SQLite, made once."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory))
        database = engine_of(settings)(settings, durable=False)
        _upgrade(database)
        database.close()
        return Path(directory, "matinee.db").read_bytes()


@dataclass
class Written:
    """What one import did. `before`: the (score, time) it replaced, or None; `owners`: whose these were."""

    id: str
    seq: int
    figures: dict[str, int] = field(default_factory=lambda: {"new": 0, "replaced": 0})
    before: dict[Key, tuple[float, int] | None] = field(default_factory=dict)
    owners: dict[Key, str | None] = field(default_factory=dict)


class FirstVersion:
    """Does what the first version did, by plain rows; `owner` is the import that wrote each rating last."""

    def __init__(self, settings: Settings) -> None:
        if settings.url.startswith("sqlite"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            (settings.data_dir / "matinee.db").write_bytes(_file())
        self._database = engine_of(settings)(settings, durable=False)
        if not settings.url.startswith("sqlite"):
            _upgrade(self._database)
        self.tables = sa.MetaData()
        self.tables.reflect(self._database.engine)
        self.imports: list[Written] = []
        self.owner: dict[Key, str | None] = {}
        self.now = 1_000

    def table(self, name: str) -> sa.Table:
        return self.tables.tables[name]

    def insert(self, connection: Connection, name: str, *rows: dict[str, Any]) -> None:
        if rows:
            connection.execute(self.table(name).insert(), list(rows))

    def task(self, connection: Connection, kind: str, status: str = "complete", **values: Any) -> int:
        """A row of `tasks`, numbered by the engine; returns its number."""
        tasks = self.table("tasks")
        values = {"kind": kind, "status": status, "params": {}, "created_at": self.now} | values
        values |= {"finished_at": self.now if status == "complete" else None}
        statement = tasks.insert().values(**values).returning(tasks.c.seq)
        seq = int(connection.execute(statement).scalar_one())
        event = {"task_seq": seq, "at": self.now, "type": "status", "data": {"status": "queued"}}
        self.insert(connection, "task_events", event)
        return seq

    def rate(self, user: int, movie: int, score: float) -> None:
        """A rating through the API."""
        with self._database.write() as connection:
            self._rate(connection, (user, movie), score, None)
        self.owner[user, movie] = None

    def _rate(self, connection: Connection, key: Key, score: float, seq: int | None) -> Any:
        """Write a rating; returns the row that it replaced, if any."""
        self.now += 1
        ratings = self.table("ratings")
        where = (ratings.c.user_id == key[0], ratings.c.movie_id == key[1])
        old = connection.execute(sa.select(ratings).where(*where)).first()
        connection.execute(ratings.delete().where(*where))
        pair = {"user_id": key[0], "movie_id": key[1]}
        row = pair | {"score": score, "rated_at": self.now, "import_seq": seq}
        self.insert(connection, "ratings", row)
        if seq is None and old is not None and old.import_seq is not None:
            later = self.table("later_writes")
            noted = {"import_seq": old.import_seq} | pair
            if not connection.execute(sa.select(later).filter_by(**noted)).first():
                self.insert(connection, "later_writes", noted)
        if seq is not None and old is not None:
            values = {"score": old.score, "rated_at": old.rated_at, "before_seq": old.import_seq}
            self.insert(connection, "rating_before_images", {"import_seq": seq} | pair | values)
        return old

    def import_ratings(self, scores: dict[Key, float]) -> Written | None:
        """An import; None where the first version failed over what it found under its number."""
        task_id = f"import-{len(self.imports)}-{self.now}"
        try:
            with self._database.write() as connection:
                written = Written(task_id, self.task(connection, "import_ratings", id=task_id))
                written.owners = {key: self.owner.get(key) for key in scores}
                for key, score in scores.items():
                    old = self._rate(connection, key, score, written.seq)
                    written.before[key] = None if old is None else (old.score, old.rated_at)
                    written.figures["new" if old is None else "replaced"] += 1
                tasks = self.table("tasks")
                cursor = {"figures": written.figures}
                connection.execute(tasks.update().filter_by(seq=written.seq).values(cursor=cursor))
        except sa.exc.IntegrityError:
            return None
        self.imports.append(written)
        self.owner |= dict.fromkeys(scores, task_id)
        return written

    def forget_tasks(self) -> None:
        """What its retention deleted: the rows of ended tasks and their events, and nothing else."""
        with self._database.write() as connection:
            tasks, events = self.table("tasks"), self.table("task_events")
            ended = sa.select(tasks.c.seq).where(tasks.c.status == "complete")
            connection.execute(events.delete().where(events.c.task_seq.in_(ended)))
            connection.execute(tasks.delete().where(tasks.c.status == "complete"))
        self.imports.clear()

    def execute(self, statement: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(sa.text(statement), values)

    def close(self) -> None:
        """With the counts of movies as they should be."""
        mine = "FROM ratings WHERE movie_id = movies.id"
        self.execute(
            f"UPDATE movies SET rating_count = (SELECT count(*) {mine}),"
            f" rating_sum = (SELECT coalesce(sum(score), 0) {mine})"
        )
        self._database.close()
