"""The model files of the store, each named by its checksum."""

import hashlib
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from app.config import Settings
from app.recommender.model import Model
from app.serving import model_file
from app.storage.redis import Announcements, SharedModels
from app.storage.store import Store, store_of

FOLDER = "models/"
COPIES = 24 * 3600.0
"""Seconds from which a copy of a file of the store goes when another one comes."""


class ModelStore:
    """Reads and writes model files, and keeps the last loaded model in memory; threads may share it.

    `copies`: a folder of this machine for those of a store that is elsewhere. `carried`: how the files reach
    machines that do not see the store; `announced`: how those that do learn of one.
    """

    def __init__(
        self,
        store: Store,
        copies: Path,
        carried: SharedModels | None = None,
        announced: Announcements | None = None,
    ) -> None:
        self._store, self._copies = store, copies
        self._carried, self._announced = carried, announced
        self._lock = threading.Lock()
        self._loaded: Model | None = None
        self._checksum = ""

    @classmethod
    def of(cls, settings: Settings) -> "ModelStore":
        """The store for these settings. Raises `ConfigurationError` for Redis without its client library."""
        store, url = store_of(settings), settings.redis_url
        if not url:
            return cls(store, settings.models_dir)
        if settings.store:
            return cls(store, settings.models_dir, announced=Announcements(url))
        return cls(store, settings.models_dir, carried=SharedModels(url))

    def save(self, model: Model) -> str:
        """Write a model file; returns its checksum. An equal model has the same file."""
        data = model_file.to_bytes(model)
        checksum = hashlib.sha256(data).hexdigest()
        self._store.put(_key(checksum), data)
        return checksum

    def share(self, checksum: str) -> None:
        """Publish a saved model to processes that do not see the store. Raises `Unavailable`."""
        if self._carried is not None:
            self._carried.put(checksum, self._store.read(_key(checksum)))

    def announce(self, version: int) -> None:
        """Tell processes that see the store to read a version ahead."""
        if self._announced is not None:
            self._announced.announce(version)

    def keep(self, checksum: str) -> None:
        """Have the active model where the processes find it that do not see the store."""
        if self._carried is not None:
            with suppress(FileNotFoundError):
                self._carried.keep(checksum, lambda: self._store.read(_key(checksum)))

    @property
    def announced(self) -> Announcements | None:
        return self._announced

    def reach(self) -> None:
        """Raises `Unavailable` if Redis cannot be reached."""
        if self._carried is not None:
            self._carried.reach()
        if self._announced is not None:
            self._announced.reach()

    def has(self, checksum: str) -> bool:
        """Whether the store has the file."""
        return self._store.size(_key(checksum)) is not None

    def load(self, checksum: str, *, version: int, created_at: float) -> Model:
        """The model of that checksum.

        Raises `CorruptModel` if its file is missing or damaged; `Unavailable` if the store cannot be reached.
        """
        if (model := self.held(checksum, version)) is not None:
            return model
        with self._lock:
            if self._loaded is None or self._checksum != checksum or self._loaded.version != version:
                self._loaded = self.read(checksum, version=version, created_at=created_at)
                self._checksum = checksum
            return self._loaded

    def held(self, checksum: str, version: int) -> Model | None:
        """The model of that checksum, if it is the loaded one."""
        model = self._loaded
        is_it = model is not None and self._checksum == checksum and model.version == version
        return model if is_it else None

    def adopt(self, checksum: str, model: Model) -> None:
        """Keep a model that was read ahead as the loaded one."""
        with self._lock:
            self._loaded, self._checksum = model, checksum

    def _fetch(self, checksum: str) -> None:
        if self._carried is None or self.has(checksum):
            return
        data = self._carried.get(checksum)
        if data and hashlib.sha256(data).hexdigest() == checksum:
            self._store.put(_key(checksum), data)

    def read(self, checksum: str, *, version: int, created_at: float) -> Model:
        """As `load`, but from the file, whatever is in memory."""
        self._fetch(checksum)
        try:
            path = self._store.local(_key(checksum), self._copies)
            if self._store.path(_key(checksum)) is None:
                return self._of_copy(path, checksum, version, created_at)
            return model_file.load(path, checksum, version=version, created_at=created_at)
        except OSError as error:
            raise model_file.CorruptModel(
                f"Model version {version} cannot be read ({error.strerror}); "
                "rebuild, or activate another version."
            ) from error

    def _of_copy(self, path: Path, checksum: str, version: int, created_at: float) -> Model:
        """A copy that is no good is made once more. Older ones go: they can be had again."""
        try:
            model = model_file.load(path, checksum, version=version, created_at=created_at)
        except model_file.CorruptModel:
            path.unlink(missing_ok=True)
            path = self._store.local(_key(checksum), self._copies)
            model = model_file.load(path, checksum, version=version, created_at=created_at)
        for other in set(self._copies.glob("*")) - {path}:
            with suppress(FileNotFoundError):
                if time.time() - other.stat().st_mtime > COPIES:
                    other.unlink()
        return model

    def forget(self, checksums: Iterable[str]) -> None:
        """Delete model files, here and where they are shared."""
        for checksum in checksums:
            self._store.delete([_key(checksum)])
            (self._copies / f"{checksum}.npz").unlink(missing_ok=True)
            if self._carried is not None:
                self._carried.delete(checksum)

    def retain(self, checksums: Iterable[str]) -> None:
        """Delete every other file."""
        self.sweep(checksums, None)

    def sweep(self, checksums: Iterable[str], before: float | None) -> None:
        """Delete every other file; with `before`, those that were written before that time."""
        self._store.sweep(FOLDER, {f"{checksum}.npz" for checksum in checksums}, before)


def _key(checksum: str) -> str:
    return f"{FOLDER}{checksum}.npz"
