"""Write every user's recommendations to a file, some users at a time, all from one version of the model.

What counts of the file is what the checkpoint says: its name and its length. An attempt that goes on copies
that much into a file of its own, so a worker that was replaced can add nothing to it.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.engine import Connection

from app.dumps.kinds import DUMP, folder_of, path_of
from app.dumps.lines import HEADERS, LINES
from app.errors import NotFound
from app.recommender.model import Model
from app.repository import models, movies, tasks, users
from app.serving.cold_start import fold_in, with_cold_start_movies
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.serving.recommendations import Filters, Serving
from app.serving.taste import taste_of
from app.tasks.attempt import Attempt, Cancelled

USERS_AT_ONCE = 200
LONGEST = 0.25
"""Seconds from which a batch takes no further user: a cancel waits for the end of a batch."""
COPIED_AT_ONCE = 1 << 20

log = logging.getLogger("matinee.dump")


@dataclass
class Checkpoint:
    """The first `size` bytes of `file` hold the users up to `after`: `users` of `total`.

    `version`: of the model; 0: there was none.
    """

    file: str
    version: int
    total: int
    size: int = 0
    after: int = -1
    users: int = 0
    recommendations: int = 0


def run(
    attempt: Attempt,
    *,
    users_at_once: int = USERS_AT_ONCE,
    rest: Callable[[float], object] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Do the whole dump, or what an earlier attempt has left of it."""
    folder = folder_of(attempt.settings, attempt.task.id)
    try:
        _Dump(attempt, folder, users_at_once, rest, monotonic).run()
    except Cancelled:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Dump:
    def __init__(
        self,
        attempt: Attempt,
        folder: Path,
        users_at_once: int,
        rest: Callable[[float], object],
        monotonic: Callable[[], float],
    ) -> None:
        self._attempt, self._folder, self._users = attempt, folder, users_at_once
        self._rest, self._monotonic = rest, monotonic
        self._params = DUMP.params_of(attempt.task)
        self._path = folder / f"{attempt.task.attempt}.{self._params.format}"
        self._store = ModelStore.of(attempt.settings)
        self._model: Model | None = None

    def run(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path.open("wb") as file:
            done = self._resumed(file) or self._begun(file)
            _sync(file)
            self._attempt.note(phase="dump", done=done.users, total=done.total, unit="users")
            with self._attempt.transaction(checkpoint=asdict(done)):
                pass
            while self._batch(file, done):
                pass
        for other in set(self._folder.iterdir()) - {self._path}:
            other.unlink(missing_ok=True)
        figures = {name: getattr(done, name) for name in ("users", "recommendations", "size")}
        result = asdict(self._params) | {"model_version": done.version} | figures
        with self._attempt.transaction(
            result=result, checkpoint={"file": done.file}
        ):  # names no user any more
            pass

    def _resumed(self, file: BinaryIO) -> Checkpoint | None:
        """Go on where the checkpoint says; None if what that builds on is gone."""
        task = self._attempt.task
        before = path_of(self._attempt.settings, task)
        if before is None or not before.is_file():
            return None
        done = Checkpoint(**task.checkpoint or {})
        if before.stat().st_size < done.size:
            return None
        try:
            self._load(done.version)
        except (NotFound, CorruptModel) as reason:
            log.warning("dump %s starts over with the active model: %s", task.id, reason)
            return None
        left = done.size
        with before.open("rb") as source:
            while left > 0:
                left -= file.write(source.read(min(left, COPIED_AT_ONCE)))
                self._attempt.note()
        done.file = self._path.name
        return done

    def _begun(self, file: BinaryIO) -> Checkpoint:
        """Raises `CorruptModel` if the active model cannot be read."""
        with self._attempt.database.read() as connection:
            active = models.active(connection)
            total = users.count_of_all(connection)
        done = Checkpoint(self._path.name, active.version if active else 0, total)
        self._load(done.version)
        done.size = file.write(HEADERS[self._params.format].encode())
        return done

    def _load(self, version: int) -> None:
        """The model with the movies that were rated since it was built, as it is served."""
        self._model = None
        if version:
            with self._attempt.database.read() as connection:
                row = models.get(connection, version)
                base = self._store.load(row.checksum, version=version, created_at=row.created_at)
                self._model = with_cold_start_movies(base, fold_in(connection, base, {}, 0))

    def _batch(self, file: BinaryIO, done: Checkpoint) -> bool:
        """Add the next users to the file, and rest as long if other tasks are at work; False at the end."""
        began = self._monotonic()
        with self._attempt.database.read() as connection:
            text = self._text(connection, done, until=began + LONGEST)
            others = tasks.kinds_at_work(connection) - {DUMP.name}
        if text is None:
            return False
        done.size += file.write(text.encode())
        _sync(file)
        with self._attempt.transaction(checkpoint=asdict(done), done=done.users):
            pass
        if others:
            self._rest(min(self._monotonic() - began, 2 * LONGEST))
        return True

    def _text(self, connection: Connection, done: Checkpoint, until: float) -> str | None:
        ids = users.ids_of_all(connection, limit=self._users, after=done.after)
        existing = None if self._model is None else movies.exist(connection, self._model.movie_ids)
        serving, lines = Serving(connection, self._model, existing), list[str]()
        for user_id in ids:
            taste = taste_of(connection, user_id)  # of one at a time: one may have many ratings
            filters = taste.narrow(Filters())
            found, source = serving.rich(taste.rated, self._params.limit, filters, reasons=False)
            lines.append(LINES[self._params.format](user_id, source, found))
            done.after, done.users = user_id, done.users + 1
            done.recommendations += len(found)
            self._attempt.note()
            if self._monotonic() >= until:
                break
        return "".join(lines) if ids else None


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
