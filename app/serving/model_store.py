"""The model files of a data directory, each named by its checksum."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from app.config import Settings
from app.recommender.model import Model
from app.serving import model_file
from app.storage.files import write_atomically


class Shared(Protocol):
    """Where processes on other machines find model files, as bytes by checksum (see `app.storage.redis`)."""

    def put(self, checksum: str, data: bytes) -> None: ...

    def get(self, checksum: str) -> bytes | None: ...

    def delete(self, checksum: str) -> None: ...

    def reach(self) -> None: ...


class ModelStore:
    """Reads and writes model files, and keeps the last loaded model in memory; threads may share it."""

    def __init__(self, directory: Path, shared: Shared | None = None) -> None:
        self._directory = directory
        self._shared = shared
        self._lock = threading.Lock()
        self._loaded: Model | None = None
        self._checksum = ""

    @classmethod
    def of(cls, settings: Settings) -> "ModelStore":
        """The store for these settings. Raises `ConfigurationError` for Redis without its client library."""
        if not settings.redis_url:
            return cls(settings.models_dir)
        from app.storage.redis import SharedModels

        return cls(settings.models_dir, SharedModels(settings.redis_url))

    def save(self, model: Model) -> str:
        """Write a model file; returns its checksum. An equal model has the same file."""
        data = model_file.to_bytes(model)
        checksum = hashlib.sha256(data).hexdigest()
        write_atomically(self.path(checksum), data)
        return checksum

    def share(self, checksum: str) -> None:
        """Publish a saved model to processes on other machines. Raises `Unavailable` if Redis is down."""
        if self._shared is not None:
            self._shared.put(checksum, self.path(checksum).read_bytes())

    def reach(self) -> None:
        """Raises `Unavailable` if where models are shared cannot be reached."""
        if self._shared is not None:
            self._shared.reach()

    def has(self, checksum: str) -> bool:
        """Whether this directory has the file."""
        return self.path(checksum).exists()

    def load(self, checksum: str, *, version: int, created_at: float) -> Model:
        """The model of that checksum; raises `CorruptModel` if its file is missing or damaged."""
        model = self._loaded
        if model is not None and self._checksum == checksum and model.version == version:
            return model
        with self._lock:
            if self._loaded is None or self._checksum != checksum or self._loaded.version != version:
                self._loaded = self.read(checksum, version=version, created_at=created_at)
                self._checksum = checksum
            return self._loaded

    def adopt(self, checksum: str, model: Model) -> None:
        """Keep a model that was read ahead as the loaded one."""
        with self._lock:
            self._loaded, self._checksum = model, checksum

    def _fetch(self, checksum: str) -> None:
        if self._shared is None or self.path(checksum).exists():
            return
        data = self._shared.get(checksum)
        if data and hashlib.sha256(data).hexdigest() == checksum:
            write_atomically(self.path(checksum), data)

    def read(self, checksum: str, *, version: int, created_at: float) -> Model:
        """As `load`, but from the file, whatever is in memory."""
        self._fetch(checksum)
        try:
            return model_file.load(self.path(checksum), checksum, version=version, created_at=created_at)
        except OSError as error:
            raise model_file.CorruptModel(
                f"Model version {version} cannot be read ({error.strerror}); "
                "rebuild, or activate another version."
            ) from error

    def forget(self, checksums: Iterable[str]) -> None:
        """Delete model files, here and where they are shared."""
        for checksum in checksums:
            self.path(checksum).unlink(missing_ok=True)
            if self._shared is not None:
                self._shared.delete(checksum)

    def retain(self, checksums: Iterable[str]) -> None:
        """Delete every other file of the directory."""
        kept = {self.path(checksum) for checksum in checksums}
        for path in set(self._directory.glob("*")) - kept:
            path.unlink(missing_ok=True)

    def path(self, checksum: str) -> Path:
        return self._directory / f"{checksum}.npz"
