"""Does the service do what its description says: schemathesis over it, with and without credentials.

    uv run --group contract python -m benchmarks.contract --cases 20000 --json FILE

Data that fits the description and data that does not, operation by operation and along links.
Tasks run in a thread, so that streams and long polls end.
"""

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status
from schemathesis.engine.events import NonFatalError, ScenarioFinished

from app.config import Settings
from app.main import create_app
from app.service import Service
from app.tasks.worker import run_next
from app.user import Role
from tests.house import House

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
CALLERS: dict[str, tuple[Role | None, bool]] = {
    "admin": (Role.ADMIN, False),
    "viewer": (Role.VIEWER, False),
    "nobody": (None, False),
    "closed door": (None, True),
}
"""The role of each, and whether the door is closed."""
PHASES = ("examples", "coverage", "fuzzing", "stateful")
EXAMPLES = 10
"""Requests of an operation in each phase that draws them at random, for each caller and seed."""
PLENTY = 1_000_000
"""Requests a minute that a caller may make here, so that limits do not hide what is behind them."""


@dataclass
class Findings:
    """What came of the calls. `statuses`: how many answers of each; `failures`: by check, each once."""

    cases: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    by_phase: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        counted = {
            name: dict(sorted(value.items()))
            for name, value in vars(self).items()
            if isinstance(value, Counter)
        }
        return vars(self) | counted


@schemathesis.serializer("text/csv", "application/csv", "application/x-ndjson", "application/jsonl")
def _as_text(_context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.serializer(
    "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed"
)
def _as_bytes(_context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def explore(
    app: FastAPI, headers: dict[str, str], phases: Iterable[str], *, examples: int, seed: int, found: Findings
) -> None:
    """Call every operation with about `examples` requests a phase, and add what came of it."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": headers,
            "continue-on-failure": True,
            "max-stream-events": 5,
            "suppress-health-check": ["all"],
            "generation": {"max-examples": examples, "mode": "all", "no-shrink": True, "database": "none"},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "phases": {name: {"enabled": name in phases} for name in PHASES},
        }
    )
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = app
    for event in engine.from_schema(schema).execute():
        if isinstance(event, ScenarioFinished):
            _count(event, found)
        elif isinstance(event, NonFatalError):
            found.errors.append(f"{event.label}: {event.value}"[:2000])


def _count(event: ScenarioFinished, found: Findings) -> None:
    for id_, interaction in event.recorder.interactions.items():
        found.cases += 1
        found.by_phase[event.phase.value] += 1
        found.operations[event.recorder.cases[id_].value.operation.label] += 1
        if interaction.response is not None:
            found.statuses[interaction.response.status_code] += 1
        for check in event.recorder.checks.get(id_, ()):
            if check.status == Status.FAILURE and check.failure_info is not None:
                failure, label = check.failure_info.failure, event.recorder.cases[id_].value.operation.label
                key = f"{check.name}: {label}: {failure.title}"
                found.failures.setdefault(key, f"{failure.message}\n{check.failure_info.code_sample}"[:2000])


@contextmanager
def tasks_run(service: Service) -> Iterator[None]:
    """Tasks of the service run in a thread of this process meanwhile."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.05):
            while not ended.is_set() and run_next(service.database, service.settings):
                pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def examine(
    phases: Iterable[str] = PHASES, *, examples: int, seed: int, role: Role | None, closed: bool = False
) -> Findings:
    """As a person of that role, or as nobody, with the door open or `closed`. Each has its own service."""
    found, began = Findings(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        limit = f"{PLENTY}/minute"
        settings = Settings(
            data_dir=Path(folder), embedded_worker=False, limit_writes=limit, limit_imports=limit
        )
        headers: dict[str, str] = {}
        if closed:
            app = create_app(settings)
        else:
            house = House(settings)
            app, headers = house.app, house.key(house.person("Ada", role), role) if role else {}
        with tasks_run(app.state.service):
            explore(app, headers, phases, examples=examples, seed=seed, found=found)
        app.state.service.close()
    found.seconds = time.perf_counter() - began
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1500, help="at least so many in all (default: 1500)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the others count on from it")
    parser.add_argument("--json", type=Path, help="write the findings to this file")
    options = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    for seed in itertools.count(options.seed):
        for caller, (role, closed) in CALLERS.items():
            found = examine(examples=EXAMPLES, seed=seed, role=role, closed=closed)
            rounds.append({"seed": seed, "caller": caller} | found.report())
            if options.json:
                options.json.write_text(json.dumps(rounds, indent=1), encoding="utf-8")
            print(f"seed {seed}, {caller}: {found.cases} cases, {len(found.failures)} failures", flush=True)
        if sum(one["cases"] for one in rounds) >= options.cases:
            break
    failures = {key: text for one in rounds for key, text in one["failures"].items()}
    for key, text in failures.items():
        print(f"\n{key}\n{text}")
    sys.exit(1 if failures or any(one["errors"] for one in rounds) else 0)


if __name__ == "__main__":
    main()
