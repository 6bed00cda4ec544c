"""The database, its schema, locks, the worker, the model, and what is kept elsewhere."""

import hashlib
import os
import time
from collections.abc import Iterator

import sqlalchemy as sa

from app.backups.kinds import archives, folder_of
from app.checks.finding import FAULT, GOOD, WARNING, Finding
from app.config import Settings
from app.errors import AppError, ConfigurationError, Unavailable
from app.repository import models, tasks
from app.repository.models import Active
from app.serving.model_store import ModelStore
from app.storage import Database, held_places, marker
from app.storage.heartbeat import Beat, lives, read_beat, record_of
from app.storage.locks import is_held
from app.storage.revisions import head_revision
from app.storage.store import store_of
from app.storage.upgrades import UNFINISHED, works
from app.task import AT_WORK, FAILED, QUEUED

LONGEST = 10.0
"""Seconds for the engine's own check of a database, by default."""
DAY = 24 * 3600.0


def of_schema(database: Database) -> Iterator[Finding]:
    revision, head = database.revision(), head_revision()
    if revision is None:
        yield Finding("schema", GOOD, "The database is empty; the first start makes its tables.")
    elif revision.endswith(UNFINISHED):
        text = "The database is being filled by `matinee migrate-storage`, and is not whole yet."
        yield Finding("schema", FAULT, text, "Let that command end; if it was interrupted, run it again.")
    elif revision > head and works(database):
        yield Finding("schema", GOOD, f"The schema is {revision}; it only adds to this release's {head}.")
    elif revision > head:
        text = f"The database was written by a newer release: schema {revision}, here {head}."
        yield Finding("schema", FAULT, text, "Install that release, or restore a backup of this one.")
    elif revision < head:
        text = f"The database has schema {revision}; the next start brings it to {head}."
        yield Finding("schema", WARNING, text, "Make a backup before, with the release that wrote it.")
    else:
        yield Finding("schema", GOOD, f"The schema is {revision}, the newest.")


def of_integrity(database: Database, seconds: float) -> Iterator[Finding]:
    damage = database.damage(seconds)
    if damage:
        advice = "Stop the service, keep a copy of the data folder, restore the last backup into another."
        yield Finding("integrity", FAULT, f"The database is damaged: {damage}.", advice)
    else:
        text = f"Nothing is damaged ({database.size() / 1e6:,.1f} MB), as far as {seconds:.0f} s sufficed."
        yield Finding("integrity", GOOD, text)


def of_locks(settings: Settings, patience: float) -> Iterator[Finding]:
    """Locks are the system's: those of a dead process are free. What can be stale is a process."""
    for lock in held_places(settings):
        beat = read_beat(record_of(lock)) if is_held(lock) else None
        if beat is None or not lives(beat):
            continue
        silent = time.monotonic() - beat.at
        if silent > beat.silence * patience and not beat.busy:
            text = f"Process {beat.pid} holds {lock.name} and has been silent for {silent:,.0f} s."
            yield Finding(
                "locks", FAULT, text, f"A server kills it by itself; without one: kill -9 {beat.pid}"
            )
    left = [*settings.uploads_dir.glob("*.part"), *folder_of(settings).glob("*.part")]
    old = [path for path in left if not is_held(path) and time.time() - path.stat().st_mtime > DAY]
    if old:
        text = f"{len(old)} files were never finished, such as {old[0]}."
        yield Finding("locks", WARNING, text, "They can be deleted; a worker does it once a day.")
    if not old:
        yield Finding("locks", GOOD, "Nothing unfinished is left.")


def of_worker(database: Database, settings: Settings, now: float) -> Iterator[Finding]:
    beats = [beat for lock in held_places(settings) if (beat := read_beat(record_of(lock))) and lives(beat)]
    connected = database.workers.connected(database)
    with database.read() as connection:
        counts = tasks.counts(connection)
        failed = tasks.listing(connection, limit=20, status=FAILED)
    waiting = counts[QUEUED] + sum(counts[status] for status in AT_WORK)
    if waiting and not beats and not connected:
        text = f"No worker runs, and {waiting} tasks wait for one."
        yield Finding(
            "worker", FAULT, text, "Start `matinee serve`, or where its worker is off `matinee worker`."
        )
    elif beats or connected:
        yield Finding("worker", GOOD, f"{_at_work(beats, connected)}; {waiting} tasks have not ended.")
    else:
        yield Finding("worker", GOOD, "No worker runs, and no task waits for one.")
    lately = [task for task in failed if now - (task.finished_at or 0) < DAY]
    if lately:
        detail = (lately[0].error or {}).get("detail", "")
        text = f"{len(lately)} tasks failed within a day, the last one ({lately[0].kind}): {detail}"
        yield Finding("worker", WARNING, text, f"GET /tasks/{lately[0].id}, or the page Activity, has more.")


def _at_work(beats: list[Beat], connected: list[str]) -> str:
    busy = [beat for beat in beats if beat.task]
    here = [f"Process {beat.pid} works on {beat.kind} {beat.task}" for beat in busy]
    here = here or [f"Process {beats[0].pid} waits"] if beats else ["No worker runs on this machine"]
    return "; ".join(here + ([f"connected are {', '.join(connected)}"] if connected else []))


def of_pooler(database: Database) -> Iterator[Finding]:
    """Whether sessions of the database are what they seem."""
    if database.workers.is_pooled(database):
        text = (
            "A pooler gives each transaction another session: wake-ups and prepared statements do not work."
        )
        advice = "Set MATINEE_DATABASE_URL to PostgreSQL itself, or the pooler to pool by session."
        yield Finding("pooler", WARNING, text, advice)


def of_model(database: Database, settings: Settings) -> Iterator[Finding]:
    with database.read() as connection:
        active = models.active(connection)
        rated = connection.execute(sa.text("SELECT 1 FROM ratings LIMIT 1")).first() is not None
    if active is None:
        state, advice = (WARNING, "`matinee rebuild` makes one.") if rated else (GOOD, "")
        yield Finding("model", state, "There is no model; everybody gets the popular list.", advice)
        return
    problem = _problem_of(active, settings)
    if problem:
        advice = "`matinee rebuild`, or activate another version (POST /models/VERSION/activate)."
        yield Finding("model", FAULT, f"Model {active.version} cannot be served: {problem}.", advice)
    else:
        yield Finding("model", GOOD, f"Model {active.version} is there, and is what was saved.")


def _problem_of(active: Active, settings: Settings) -> str:
    store, key = store_of(settings), f"models/{active.checksum}.npz"
    digest = hashlib.sha256()
    try:
        for piece in store.pieces(key):
            digest.update(piece)
    except OSError as error:
        return (
            "" if settings.redis_url and not settings.store else f"{key} in {store.where}: {error.strerror}"
        )
    return "" if digest.hexdigest() == active.checksum else f"{key} is not what was saved (by its SHA-256)"


def of_mark(database: Database, settings: Settings) -> Iterator[Finding]:
    """Whether the store is that of the database; a store that cannot be reached is reported by `of_store`."""
    try:
        with database.read() as connection:
            marker.check(connection, settings)
    except ConfigurationError as error:
        yield Finding("store", FAULT, error.detail, "See docs/store.md.")
    except Unavailable:
        return


def of_store(settings: Settings) -> Iterator[Finding]:
    """What is kept outside of database and data folder."""
    if settings.store:
        try:
            store_of(settings).check()
        except AppError as error:
            yield Finding("store", FAULT, error.detail, "See docs/store.md.")
        else:
            yield Finding("store", GOOD, f"The store {settings.store} answers.")
    if settings.redis_url:
        try:
            ModelStore.of(settings).reach()
        except AppError as error:
            yield Finding("store", FAULT, error.detail, "Start Redis there, or unset MATINEE_REDIS_URL.")
        else:
            yield Finding("store", GOOD, "Redis answers.")
    folder = folder_of(settings)
    if not settings.backup_every and not folder.is_dir():
        return
    newest = max((path.stat().st_mtime for path in archives(folder)), default=None)
    age = None if newest is None else (time.time() - newest) / 3600
    if settings.backup_every and (age is None or age > 2 * settings.backup_every):
        text = (
            "There is no scheduled backup." if age is None else f"The newest backup is {age:,.0f} hours old."
        )
        yield Finding("store", WARNING, text, f"See tasks of the kind back_up, and room in {folder}.")
    elif age is not None:
        yield Finding("store", GOOD, f"The newest backup is {age:,.1f} hours old.")
    if folder.is_dir() and not os.access(folder, os.W_OK):
        yield Finding("store", FAULT, f"{folder} cannot be written.", "Give it to the service's user.")
