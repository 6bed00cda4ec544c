"""Settings: one row each, read from the environment (prefix ``MATINEE_``).

``python -m app.config`` prints the table in ``docs/configuration.md``.
"""

import difflib
import functools
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from app import setting_values as values
from app.errors import ConfigurationError

PREFIX = "MATINEE_"
LIMIT, LIMIT_UNIT, SECRET = values.LIMIT, values.LIMIT_UNIT, values.SECRET
OTHERS = ("MATINEE_URL", "MATINEE_TOKEN")
"""Variables of the client."""
OTHER_PREFIXES = ("MATINEE_TEST_", "MATINEE_BENCH_")

log = logging.getLogger("matinee.config")


def _setting(default: Any, unit: str, meaning: str, **bounds: Any) -> Any:
    """A row. `bounds`: those of its values, as arguments of `pydantic.Field`."""
    return Field(default=default, description=meaning, json_schema_extra={"unit": unit}, **bounds)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the service. A test compares ``docs/configuration.md`` with these rows."""

    data_dir: Path = _setting(Path("data"), "path", "where the database, uploads and models are kept")
    database_url: str = _setting(
        "", "URL", "sqlite:///... or postgresql://...; empty: SQLite in the data directory"
    )
    store: values.Store = _setting(
        "",
        "path or URL",
        "where files are kept that all machines need (uploads, models): a folder or s3://BUCKET/PREFIX; "
        "empty: the data directory",
    )
    redis_url: str = _setting(
        "", "URL", "redis://...; when set, models are announced or published through it and requests counted"
    )
    host: str = _setting(
        "127.0.0.1", "address", "where `matinee serve` and `matinee demo` listen", min_length=1
    )
    port: int = _setting(
        8000, "port", "where `matinee serve` and `matinee demo` listen; 0: any that is free", ge=0, le=65_535
    )
    secret_key: str = _setting(
        "", "text", "signs access tokens; empty: the file secret.key in the data directory", **SECRET
    )
    secret_key_before: str = _setting(
        "",
        "text",
        "the secret before a change of it: its tokens stay valid until they expire",
        **SECRET,
    )
    access_minutes: float = _setting(15.0, "minutes", "how long an access token is valid", ge=1, le=1_440)
    session_days: float = _setting(30.0, "days", "after so long without use a login ends", gt=0, le=366)
    keep_audit: float = _setting(365.0, "days", "how long it is kept who changed what", ge=1, le=36_500)
    limit_logins: str = _setting(
        "10/minute", LIMIT_UNIT, "logins of a name from an address, with the door open", **LIMIT
    )
    limit_writes: str = _setting("50/second", LIMIT_UNIT, "writes of a caller, with the door open", **LIMIT)
    limit_imports: str = _setting("10/minute", LIMIT_UNIT, "imports of a caller, with the door open", **LIMIT)
    allowed_hosts: str = _setting("", "names", "further Host names to answer to, separated by commas")
    tls_cert: str = _setting("", "path", "certificate with its chain (PEM), for `matinee serve` with TLS")
    tls_key: str = _setting("", "path", "the key of that certificate (PEM, without a passphrase)")
    trusted_proxies: values.Proxies = _setting(
        "",
        "addresses or networks, separated by commas",
        "proxies whose X-Forwarded-For, -Proto and -Host count; unix: one at a Unix socket",
    )
    cors_origins: values.Origins = _setting(
        "",
        "origins, separated by commas",
        "pages of these may call the API, such as https://app.example; empty: none of another origin",
    )
    root_path: str = _setting(
        "",
        "path that begins with /, not with one at its end",
        "prefix of all addresses, such as /films, if a proxy serves other sites too",
        **values.ROOT_PATH,
    )
    log_level: values.LogLevel = _setting("INFO", "level", "what is logged: this level and above")
    log_format: values.LogFormat = _setting("auto", "format", "of the log; auto: text on a terminal, or json")
    max_body: int = _setting(1_048_576, "bytes", "largest JSON body", ge=1)
    max_upload: int = _setting(2_147_483_648, "bytes", "largest upload of an import", ge=1)
    embedded_worker: bool = _setting(True, "on/off", "whether an API process starts a worker of its own")
    worker_nice: int = _setting(
        15, "niceness", "priority of the worker, 0 (normal) to 19 (lowest)", ge=0, le=19
    )
    train_threads: int = _setting(
        0,
        "threads",
        "of a rebuild; 0: one a processor. A worker leaves the API beside it one while requests come",
        ge=0,
        le=1_024,
    )
    shutdown_grace: float = _setting(
        5.0, "seconds", "how long a stop waits for the worker to checkpoint", ge=0, le=3_600
    )
    task_crashes: int = _setting(
        5, "crashes", "after so many crashes without progress a task is failed", ge=1
    )
    worker_patience: float = _setting(
        3.0,
        "spans",
        "a worker silent for so many times its longest step is killed and replaced",
        gt=0,
        le=1_000_000_000,
    )
    lease: values.Lease = _setting(
        15.0,
        "seconds",
        "on PostgreSQL another worker takes up the task of one that is not heard of for so long",
        ge=2,
        le=600,
    )
    task_attempts: int = _setting(
        4, "attempts", "how often a task that fails for a passing reason is tried in a row", ge=1
    )
    keep_tasks: float = _setting(
        30.0, "days", "how long ended tasks and what they left are kept", ge=1, le=36_500
    )
    keep_models: int = _setting(
        10, "versions", "how many models are kept; the one that is served always is", ge=1
    )
    backup_every: float = _setting(
        0.0, "hours", "back up this long after the last time; 0: never", ge=0, le=1_000_000
    )
    backup_dir: str = _setting(
        "",
        "path",
        "where scheduled backups are kept, best on another disk; empty: in the data directory",
    )
    keep_backups: int = _setting(7, "backups", "how many scheduled backups are kept", ge=1, le=100_000)
    max_queue: int = _setting(1_000, "tasks", "with so many queued, no further task is taken", ge=1)
    rebuild_every: float = _setting(
        0.0,
        "hours",
        "rebuild this long after the last one began, if ratings changed; 0: never",
        ge=0,
        le=1_000_000,
    )
    rebuild_after: int = _setting(0, "changes", "rebuild after so many changed ratings; 0: never", ge=0)
    import_chunk: int = _setting(
        0,
        "rows",
        "most rows of an import in one transaction, which ends sooner while others wait to write; 0: 64,000, "
        "on PostgreSQL 512,000",
        ge=0,
        le=1_000_000,
    )
    trainer: values.Trainer = _setting("local", "trainer", "of the factors; spark: the one at MATINEE_SPARK")
    spark: str = _setting(
        "local[*]",
        "local[*], local[N], spark://HOST:PORT or sc://HOST:PORT",
        "where it trains: on the worker's machine, in a cluster, or through Spark Connect",
        **values.SPARK,
    )
    factors: values.Factors = _setting(
        "auto",
        "a multiple of 16 from 16 to 512, or auto",
        "size k of the model; auto: by the number of ratings",
    )
    item_memory: int = _setting(
        128,
        "MB",
        "of a rebuild for half the matrix of all pairs of movies; 0: no item weights, the factors alone",
        ge=0,
        le=100_000,
    )
    sweeps: int = _setting(8, "sweeps", "alternations of a rebuild over users and movies", ge=1, le=100_000)
    regularization: float = _setting(0.006, "lambda", "regularisation, scaled by frequency", gt=0, le=100)
    unobserved_weight: float = _setting(0.2, "alpha0", "weight of every pair that was not rated", gt=0, le=1)
    gate_margin: float = _setting(
        0.01, "NDCG@100", "how much worse than the served one a new model may be", ge=-1, le=1
    )

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, warn: bool = True
    ) -> "Settings":
        """Read the settings. Raises `ConfigurationError`, which names each wrong variable and its range.

        `warn`: log a warning for each variable that looks like a setting but is none, once a process.
        """
        environment = os.environ if environment is None else environment
        names = {PREFIX + row.name.upper(): row.name for row in fields(cls)}
        for name in environment:
            if warn and name.startswith(PREFIX) and name not in names:
                _warn_of(name)
        values: dict[str, Any] = {names[name]: text for name, text in environment.items() if name in names}
        try:
            return cls(**values)
        except ValidationError as error:
            wrong = {str(fault["loc"][0]): fault.get("ctx", {}).get("error") for fault in error.errors()}
            texts = [
                f"{PREFIX}{name.upper()} is {_shown(name, values[name])}; "
                f"{reason or f'set it to {_expected(name)}'}"
                for name, reason in wrong.items()
            ]
            raise ConfigurationError(". ".join(texts) + ".") from None

    def to_environment(self) -> dict[str, str]:
        """The variables from which another process on this machine reads the same settings."""
        values = {row.name: getattr(self, row.name) for row in fields(self)} | {
            "data_dir": self.data_dir.absolute(),
            "store": self.store if "://" in self.store or not self.store else Path(self.store).absolute(),
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
        """The SQLAlchemy URL of the database."""
        url = self.database_url or f"sqlite:///{self.data_dir.absolute() / 'matinee.db'}"
        return re.sub("^postgres(ql)?://", "postgresql+psycopg://", url)


_ROWS = {row.name: Settings.__pydantic_fields__[row.name] for row in fields(Settings)}  # type: ignore[attr-defined]


def _shown(name: str, value: object) -> str:
    """The value, but not of a secret."""
    return repr(value) if _ROWS[name].repr else "unusable"


def _range(name: str) -> str:
    """The range of a setting in words; empty if it takes any value of its type."""
    row = _ROWS[name]
    if row.annotation is bool:
        return "on or off"
    if choices := get_args(row.annotation):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}"
    bounds = {kind: getattr(rule, kind) for rule in row.metadata for kind in _BOUNDS if hasattr(rule, kind)}
    return " ".join(f"{word} {bounds[kind]:,}" for kind, word in _BOUNDS.items() if kind in bounds)


_BOUNDS = {"multiple_of": "a multiple of", "ge": "from", "gt": "above", "le": "to"}


def _expected(name: str) -> str:
    row = _ROWS[name]
    kind = {int: "a whole number", float: "a number", str: "a text"}.get(row.annotation, "")
    return ", ".join(filter(None, (kind, _range(name)))) + f" ({row.json_schema_extra['unit']})"


@functools.cache
def _warn_of(name: str) -> None:
    for _, advice in not_settings((name,)):
        log.warning("%s is no setting and is not used. %s", name, advice)


def not_settings(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those names of variables that look like settings but are none, each with what may have been meant."""
    known = [PREFIX + row.upper() for row in _ROWS]
    for name in names:
        is_ours = not name.startswith(PREFIX) or name in OTHERS or name.startswith(OTHER_PREFIXES)
        if is_ours or name in known:
            continue
        near = difflib.get_close_matches(name, known, 1, 0.8)
        yield name, f"Did you mean {near[0]}?" if near else "docs/configuration.md lists the settings."


def table() -> Iterator[str]:
    """The settings as lines of a Markdown table."""
    yield "| variable | default | values | unit | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for name, row in _ROWS.items():
        default = {True: "on", False: "off"}[row.default] if row.annotation is bool else str(row.default)
        cells = (f"`{PREFIX}{name.upper()}`", f"`{default}`" if default else "-", _range(name) or "-")
        yield f"| {' | '.join((*cells, row.json_schema_extra['unit'], row.description))} |"


if __name__ == "__main__":
    sys.stdout.writelines(line + "\n" for line in table())
