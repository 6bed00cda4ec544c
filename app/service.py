"""The service of one process: database, embedded worker and active model, opened on first use."""

import logging
import threading

from app import (
    brief,
    kinds,  # noqa: F401  (registers them)
)
from app.config import Settings
from app.errors import Unavailable
from app.measures import Measures
from app.people.door import Door
from app.people.key_uses import KeyUses
from app.people.logins import Logins
from app.people.traces import remove_unfinished
from app.serving.active_model import ActiveModel
from app.serving.heavy import Heavy
from app.serving.model_store import ModelStore
from app.storage import Database, open_database
from app.storage.database import PATIENCE
from app.storage.last_request import LastRequest
from app.storage.quotas import Quotas
from app.storage.snapshots import Snapshots
from app.tasks.embedded import EmbeddedWorker, WorkerState

log = logging.getLogger("matinee.serving")


class Service:
    """Opens everything once, on first use, under a lock: there may be no start-up event (TestClient)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._worker: EmbeddedWorker | None = None
        self.door = Door(settings)
        self.key_uses = KeyUses(lambda: self.database)
        self.quotas = Quotas(settings)
        self.logins = Logins(settings, lambda: self.database, self.quotas)
        self.heavy = Heavy()
        self.measures = Measures()
        self.last_request = LastRequest(settings)
        self.snapshots = Snapshots(settings.data_dir / "metrics", self.measures.snapshot)
        models = ModelStore.of(settings)
        self.model = ActiveModel(models, lambda: self.database)
        self._announced = models.announced
        self._closed = threading.Event()

    @property
    def database(self) -> Database:
        """The database; the first use opens it and starts the embedded worker. Raises `Unavailable`."""
        return self._database or self._open()

    def _open(self) -> Database:
        brief.leave()
        if not self._lock.acquire(timeout=PATIENCE):
            raise Unavailable("The database is being opened. Try again.", headers={"Retry-After": "2"})
        try:
            if self._database is None:
                if self.settings.embedded_worker and self._worker is None:
                    self._worker = EmbeddedWorker(self.settings)  # it starts while the schema is made
                self._database = open_database(self.settings)
                if self.settings.store:  # no worker may ever clean the data folder of this machine
                    remove_unfinished(self.settings)
                self._listen()
            return self._database
        finally:
            self._lock.release()

    def _listen(self) -> None:
        """Read models ahead that are announced: the first request for one does not wait for its file."""
        if self._announced is not None:
            self._closed = threading.Event()
            listen, arguments = self._announced.listen, (self._read_ahead, self._closed)
            threading.Thread(target=listen, args=arguments, daemon=True).start()

    def _read_ahead(self, version: int) -> None:
        try:
            self.model.read_ahead(version)
        except Exception as error:
            log.warning("version %d was not read ahead: %s", version, error)

    def worker_state(self) -> WorkerState | None:
        """The state of the embedded worker; None if this process has none."""
        return self._worker.state() if self._worker is not None else None

    def wake_worker(self) -> None:
        """Have the worker look into the queue: a background task of the requests that queue a task."""
        if self._worker is not None:
            self._worker.wake()

    def close(self) -> None:
        """End the worker at its next safe point and close the database; a later use opens both again."""
        self.snapshots.close()
        self._closed.set()
        self.key_uses.close()  # before the lock, which it may need to open the database
        with self._lock:
            worker, database = self._worker, self._database
            self._worker = self._database = None
        if worker is not None:
            worker.close()
        if database is not None:
            database.close()
