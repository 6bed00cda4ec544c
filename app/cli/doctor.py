"""`matinee doctor`: looks at the installation and says what is wrong and what to do; it changes nothing."""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from app import kinds  # noqa: F401  (registers them)
from app.checks import data, machine
from app.checks.finding import FAULT, GOOD, WARNING, Finding
from app.config import Settings
from app.repository import audit, sessions, tasks
from app.storage import Database, engine_of
from app.storage.start_failures import advise

SIGNS = {GOOD: " ok ", WARNING: "warn", FAULT: "FAIL"}


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the findings; returns 1 if one of them is a fault."""
    found = list(examine(settings, seconds=float("inf") if options.full else data.LONGEST))
    faults = sum(one.state == FAULT for one in found)
    if options.json:
        print(json.dumps({"faults": faults, "findings": [asdict(one) for one in found]}, indent=2))
        return int(faults > 0)
    for one in found:
        print(f"[{SIGNS[one.state]}] {one.check}: {one.text}")
        if one.advice:
            print(f"       {one.advice}")
    warnings = sum(one.state == WARNING for one in found)
    print(f"{len(found)} findings: {faults} faults, {warnings} warnings.")
    return int(faults > 0)


def examine(settings: Settings, seconds: float = data.LONGEST) -> Iterator[Finding]:
    """All that can be looked at; what is wrong with one check does not keep the others from running."""
    yield from machine.of_settings(settings, os.environ)
    yield from machine.of_versions()
    yield from machine.of_disk(settings)
    yield from machine.of_permissions(settings)
    yield from machine.of_secret(settings)
    engine = engine_of(settings)
    if not engine.exists(settings):
        yield from machine.of_clock(time.time(), None)
        yield Finding("database", GOOD, "There is no database yet; the first start makes it.")
        yield from _tried("store", lambda: data.of_store(settings), settings)
        return
    yield from _of_database(engine(settings), settings, seconds)
    yield from _tried("store", lambda: data.of_store(settings), settings)


def _of_database(database: Database, settings: Settings, seconds: float) -> Iterator[Finding]:
    def checks() -> Iterator[Finding]:
        yield from data.of_schema(database)
        with database.read() as connection:
            text = f"{database.copies.engine} {database.server_version(connection)} answers."
        yield Finding("database", GOOD, text)

    try:
        yield from (found := list(_tried("database", checks, settings)))
        if any(one.state == FAULT for one in found) or database.revision() is None:
            yield from machine.of_clock(time.time(), None)
            return
        yield from (
            found := list(_tried("integrity", lambda: data.of_integrity(database, seconds), settings))
        )
        if any(one.state == FAULT for one in found):
            return
        yield from _tried("clock", lambda: machine.of_clock(time.time(), _newest(database)), settings)
        yield from _tried("locks", lambda: data.of_locks(settings, settings.worker_patience), settings)
        yield from _tried("worker", lambda: data.of_worker(database, settings, time.time()), settings)
        yield from _tried("store", lambda: data.of_mark(database, settings), settings)
        yield from _tried("pooler", lambda: data.of_pooler(database), settings)
        yield from _tried("model", lambda: data.of_model(database, settings), settings)
    finally:
        database.close()


def _tried(check: str, look: Callable[[], Iterable[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:
        yield Finding(check, FAULT, advise(error, settings) or f"{type(error).__name__}: {error}")


def _newest(database: Database) -> float | None:
    with database.read() as connection:
        times = (latest(connection) for latest in (tasks.latest_time, sessions.newest, audit.newest))
        return max((time for time in times if time is not None), default=None)
