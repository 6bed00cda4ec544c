"""Write every user's recommendations to a file, some users at a time, all from one version of the model.

What counts of the file is what the checkpoint says: segments in the store, and their lengths. An attempt adds
segments of its own, so a worker that was replaced can add nothing to what counts. Once all users are in it,
the file is put together.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from app.dumps.kinds import DUMP, folder_of
from app.dumps.lines import HEADERS, LINES
from app.errors import NotFound
from app.recommender.model import Model
from app.repository import models, movies, tasks, users
from app.serving.cold_start import fold_in, with_cold_start_movies
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.serving.recommendations import Filters, Serving
from app.serving.taste import taste_of
from app.storage.files import write_pieces
from app.storage.segments import Segments
from app.storage.store import store_of
from app.tasks.attempt import Attempt, Cancelled

USERS_AT_ONCE = 200
LONGEST = 0.25
"""Seconds from which a batch takes no further user: a cancel waits for the end of a batch."""

log = logging.getLogger("matinee.dump")


@dataclass
class Checkpoint:
    """The first `size` bytes of the file, in `segments`, hold the users up to `after`: `users` of `total`.

    `file`: what it is called once it is whole; in an earlier release, of an attempt that wrote one.
    `version`: of the model; 0: there was none.
    """

    file: str
    version: int
    total: int
    size: int = 0
    after: int = -1
    users: int = 0
    recommendations: int = 0
    segments: list[Any] = field(default_factory=list)


def run(
    attempt: Attempt,
    *,
    users_at_once: int = USERS_AT_ONCE,
    rest: Callable[[float], object] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Do the whole dump, or what an earlier attempt has left of it."""
    try:
        _Dump(attempt, users_at_once, rest, monotonic).run()
    except Cancelled:
        store_of(attempt.settings).delete_all(folder_of(attempt.task.id))
        raise


class _Dump:
    def __init__(
        self,
        attempt: Attempt,
        users_at_once: int,
        rest: Callable[[float], object],
        monotonic: Callable[[], float],
    ) -> None:
        self._attempt, self._users = attempt, users_at_once
        self._rest, self._monotonic = rest, monotonic
        self._params = DUMP.params_of(attempt.task)
        self._files, self._folder = store_of(attempt.settings), folder_of(attempt.task.id)
        self._name = f"{attempt.task.attempt}.{self._params.format}"
        self._segments = self._file([])
        self._store = ModelStore.of(attempt.settings)
        self._model: Model | None = None

    def _file(self, kept: list[Any]) -> Segments:
        return Segments(self._files, self._folder, f"part-{self._attempt.task.attempt}", kept)

    def run(self) -> None:
        done = self._resumed() or self._begun()
        done.segments = self._segments.save()
        self._attempt.note(phase="dump", done=done.users, total=done.total, unit="users")
        with self._attempt.transaction(checkpoint=asdict(done)):
            pass
        while self._batch(done):
            pass
        self._put_together()
        figures = {name: getattr(done, name) for name in ("users", "recommendations", "size")}
        result = asdict(self._params) | {"model_version": done.version} | figures
        with self._attempt.transaction(
            result=result, checkpoint={"file": self._name}
        ):  # names no user any more
            pass
        self._files.sweep(self._folder, {self._name})

    def _put_together(self) -> None:
        scratch = self._attempt.directory

        def pieces() -> Iterator[bytes]:
            for piece in self._segments.pieces():
                yield piece
                self._attempt.note()

        write_pieces(scratch / self._name, pieces())
        self._files.put_file(self._folder + self._name, scratch / self._name, self._attempt.note)
        shutil.rmtree(scratch, ignore_errors=True)

    def _resumed(self) -> Checkpoint | None:
        """Go on where the checkpoint says; None if what that builds on is gone."""
        task = self._attempt.task
        if not (task.checkpoint or {}).get("file"):
            return None
        done = Checkpoint(**task.checkpoint or {})
        segments = self._file(done.segments or [[done.file, done.size]])
        if not segments.are_there():
            return None
        try:
            self._load(done.version)
        except (NotFound, CorruptModel) as reason:
            log.warning("dump %s starts over with the active model: %s", task.id, reason)
            return None
        self._segments, done.file = segments, self._name
        return done

    def _begun(self) -> Checkpoint:
        """Raises `CorruptModel` if the active model cannot be read."""
        with self._attempt.database.read() as connection:
            active = models.active(connection)
            total = users.count_of_all(connection)
        done = Checkpoint(self._name, active.version if active else 0, total)
        self._load(done.version)
        self._segments.append(HEADERS[self._params.format].encode())
        done.size = self._segments.size
        return done

    def _load(self, version: int) -> None:
        """The model with the movies that were rated since it was built, as it is served."""
        self._model = None
        if version:
            with self._attempt.database.read() as connection:
                row = models.get(connection, version)
                base = self._store.load(row.checksum, version=version, created_at=row.created_at)
                self._model = with_cold_start_movies(base, fold_in(connection, base, {}, 0))

    def _batch(self, done: Checkpoint) -> bool:
        """Add the next users to the file, and rest as long if other tasks are at work; False at the end."""
        began = self._monotonic()
        with self._attempt.database.read() as connection:
            text = self._text(connection, done, until=began + LONGEST)
            others = tasks.kinds_at_work(connection) - {DUMP.name}
        if text is None:
            return False
        self._segments.append(text.encode())
        done.size, done.segments = self._segments.size, self._segments.save()
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
