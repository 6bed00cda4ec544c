"""Settings: one row a setting, read from the environment (prefix ``MATINEE_``)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

PREFIX = "MATINEE_"


def _setting(default: Any, unit: str, meaning: str) -> Any:
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every knob of the service. ``docs/configuration.md`` is checked against this table by a test."""

    data_dir: Path = _setting(Path("data"), "path", "where the database, uploads and models are kept")
    database_url: str = _setting(
        "", "URL", "sqlite:///... or postgresql://...; empty: SQLite in the data directory"
    )
    redis_url: str = _setting("", "URL", "redis://...; when set, models are published through it")
    host: str = _setting("127.0.0.1", "address", "where `matinee serve` and `matinee demo` listen")
    port: int = _setting(8000, "port", "where `matinee serve` and `matinee demo` listen")
    allowed_hosts: str = _setting("", "names", "further Host names to answer to, separated by commas")
    log_level: str = _setting("INFO", "level", "DEBUG, INFO, WARNING or ERROR")
    max_body: int = _setting(1_048_576, "bytes", "largest JSON body")
    max_upload: int = _setting(2_147_483_648, "bytes", "largest upload of an import")
    embedded_worker: bool = _setting(True, "on/off", "whether an API process starts a worker of its own")
    worker_nice: int = _setting(15, "niceness", "priority of the worker, 0 (normal) to 19 (lowest)")
    train_threads: int = _setting(
        0, "threads", "of a rebuild; 0: one a processor, but the embedded worker leaves one to the API"
    )
    worker_patience: float = _setting(
        3.0, "spans", "a worker silent for so many times its longest step is killed and replaced"
    )
    shutdown_grace: float = _setting(5.0, "seconds", "how long a stop waits for the worker to checkpoint")
    task_crashes: int = _setting(5, "crashes", "after so many crashes without progress a task is failed")
    task_attempts: int = _setting(
        4, "attempts", "how often a task that fails for the moment is tried in a row"
    )
    keep_tasks: float = _setting(30.0, "days", "how long ended tasks and what they left are kept, at least 1")
    keep_models: int = _setting(10, "versions", "how many models are kept; the one that is served always is")
    max_queue: int = _setting(1_000, "tasks", "with so many queued, no further task is taken")
    rebuild_every: float = _setting(
        0.0, "hours", "rebuild this long after the last one began, if ratings changed"
    )
    rebuild_after: int = _setting(0, "changes", "rebuild after so many changed ratings")
    import_chunk: int = _setting(
        64_000,
        "rows",
        "most rows of an import in one transaction; it ends sooner when somebody else wants to write",
    )
    factors: int = _setting(64, "factors", "size k of the model, a multiple of 16")
    sweeps: int = _setting(8, "sweeps", "alternations of a rebuild over users and movies")
    regularization: float = _setting(0.006, "lambda", "regularisation, scaled by frequency")
    unobserved_weight: float = _setting(0.2, "alpha0", "weight of every pair that was not rated")
    gate_margin: float = _setting(0.01, "NDCG@100", "how much worse than the served one a new model may be")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; raises `ConfigurationError` that names the variable and what it should be."""
        environment = os.environ if environment is None else environment
        values = {}
        for row in fields(cls):
            name = PREFIX + row.name.upper()
            if (text := environment.get(name)) is not None:
                values[row.name] = _parse(name, text, type(row.default), row.metadata["unit"])
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """The variables that make another process of this machine read the same settings."""
        values = {row.name: getattr(self, row.name) for row in fields(self)} | {
            "data_dir": self.data_dir.absolute()
        }
        return {PREFIX + name.upper(): str(value) for name, value in values.items()}

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def uploads_dir(self) -> Path:
        return self.data_dir / "uploads"

    @property
    def url(self) -> str:
        """The database that is used, as an SQLAlchemy URL."""
        url = self.database_url or f"sqlite:///{self.data_dir.absolute() / 'matinee.db'}"
        return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _parse(name: str, text: str, kind: type, unit: str) -> Any:
    if kind is bool:
        if text.lower() in {"1", "true", "on", "yes"}:
            return True
        if text.lower() in {"0", "false", "off", "no"}:
            return False
        raise ConfigurationError(f"{name} is {text!r}; set it to on or off")
    try:
        return kind(text)
    except ValueError:
        raise ConfigurationError(f"{name} is {text!r}; set it to a {kind.__name__} ({unit})") from None
