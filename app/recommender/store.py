"""The models of a data directory: one file each, named by its checksum."""

import threading
from pathlib import Path

from app.recommender import model_file
from app.recommender.model import Model


class ModelStore:
    """Keeps the model that was asked for last in memory; any number of threads share it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._loaded: tuple[str, Model] | None = None

    def save(self, model: Model) -> str:
        """Write a model; answers its checksum. A model that is there already is written over by itself."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new = self._directory / f"{threading.get_ident()}.new"
        checksum = model_file.save(model, new)
        new.replace(self.path(checksum))
        return checksum

    def load(self, checksum: str, *, version: int, created_at: float) -> Model:
        """The model of that checksum; raises `CorruptModel` if its file is missing or damaged."""
        loaded = self._loaded
        if loaded and loaded[0] == checksum and loaded[1].version == version:
            return loaded[1]
        with self._lock:
            if not (self._loaded and self._loaded[0] == checksum and self._loaded[1].version == version):
                path = self.path(checksum)
                try:
                    model = model_file.load(path, checksum, version=version, created_at=created_at)
                except OSError as error:
                    raise model_file.CorruptModel(
                        f"Model version {version} cannot be read ({error.strerror}); "
                        "rebuild, or activate another version."
                    ) from error
                self._loaded = checksum, model
            return self._loaded[1]

    def path(self, checksum: str) -> Path:
        return self._directory / f"{checksum}.npz"
