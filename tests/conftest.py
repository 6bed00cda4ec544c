"""Fixtures: a database on every engine, an application without a worker, tasks run on the spot."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings

from app.config import Settings
from app.main import create_app
from app.service import Service
from app.storage import Database, open_database
from app.tasks.worker import run_next
from tests.postgres import PostgresServer
from tests.s3 import BUCKET, S3Server

ENGINES = ("sqlite", "postgres")
MEMORY, ENOUGH = Path("/dev/shm"), 4 << 30  # noqa: S108
"""Files of the tests lie in memory where so many bytes are free; a kill -9 needs no disk."""
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
    tempfile.tempdir = str(MEMORY)

LONG = (
    "api/test_attacks.py",
    "api/test_bad_input.py",
    "api/test_catalogue.py",
    "api/test_compression.py",
    "api/test_cors.py",
    "api/test_direct.py",
    "api/test_examples.py",
    "api/test_explanations.py",
    "api/test_feed.py",
    "api/test_idempotency.py",
    "api/test_knobs.py",
    "api/test_lists.py",
    "api/test_manners.py",
    "api/test_marks_and_recommendations.py",
    "api/test_models.py",
    "api/test_preconditions.py",
    "api/test_proxies.py",
    "api/test_recommendation_batches.py",
    "api/test_retries.py",
    "api/test_root_path.py",
    "api/test_rules.py",
    "api/test_scarce.py",
    "api/test_tasks.py",
    "api/test_together.py",
    "api/test_token.py",
    "api/test_values.py",
    "backups/test_commands.py",
    "dumps",
    "exports",
    "imports/test_arrivals.py",
    "imports/test_cancelled_arrivals.py",
    "imports/test_collisions.py",
    "imports/test_damaged_archives.py",
    "imports/test_export.py",
    "imports/test_fuzz.py",
    "imports/test_kills.py",
    "imports/test_lanes.py",
    "imports/test_merge_movies.py",
    "imports/test_readers.py",
    "imports/test_rejects.py",
    "imports/test_retention.py",
    "imports/test_sequences.py",
    "imports/test_sources.py",
    "imports/test_tables.py",
    "imports/test_undo.py",
    "imports/test_waiting.py",
    "people/test_export.py",
    "people/test_forget.py",
    "people/test_forgotten_models.py",
    "people/test_merge.py",
    "players",
    "processes",
    "recommender/test_import_model.py",
    "recommender/test_kernel.py",
    "repository/test_histograms.py",
    "repository/test_many_values.py",
    "repository/test_marks.py",
    "repository/test_numbers.py",
    "repository/test_rating_batches.py",
    "repository/test_search.py",
    "storage/test_database.py",
    "storage/test_machines.py",
    "storage/test_migrations.py",
    "storage/test_numbers_migration.py",
    "storage/test_pooler.py",
    "storage/test_postgres.py",
    "storage/test_private.py",
    "storage/test_schemas.py",
    "storage/test_shared_models.py",
    "storage/test_store.py",
    "storage/test_upgrades.py",
    "storage/test_waits.py",
    "tasks/test_embedded.py",
    "tasks/test_leases.py",
    "tasks/test_states.py",
    "test_cli_people.py",
    "test_deploy.py",
    "test_deploy_files.py",
    "transfers",
    "web/test_accessibility.py",
    "web/test_activity.py",
    "web/test_discover.py",
    "web/test_door.py",
    "web/test_import.py",
    "web/test_keyboard.py",
    "web/test_login_forms.py",
    "web/test_people.py",
    "web/test_players.py",
    "web/test_ratings.py",
    "web/test_root_path.py",
    "web/test_system.py",
    "web/test_waiting.py",
)
"""Folders and files of the long marks: `pytest -q -m long` runs them."""
PROOFS = (
    "imports/test_kills_of_readers.py",
    "processes/test_backup.py",
    "processes/test_demo_kill.py",
    "processes/test_hook_storm.py",
    "processes/test_machines.py",
    "processes/test_rolling.py",
    "processes/test_slow_clients.py",
    "processes/test_workers.py",
    "spark/test_spark.py",
)
"""Files that CI leaves out, since others show the same in less time: `pytest -n 0 -m proof` runs them."""
LONG_ON_POSTGRES = ("imports", "tasks", "api", "people", "test_cli_people.py", "backups")
"""Folders whose tests run on SQLite alone in the short form: the engines have their own tests."""

# The same examples in every run, so that a run judges the code alone; CI draws others each time and
# prints how to repeat what fails: that becomes an `@example` of its test.
hypothesis_settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis_settings.register_profile("random", derandomize=False, deadline=None, print_blob=True)
hypothesis_settings.load_profile("random" if os.environ.get("CI") == "true" else "repeatable")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of whose tests none is asked for is not even imported."""
    here, asked = Path(__file__).parent, config.option.markexpr
    if collection_path.suffix != ".py" or not collection_path.is_relative_to(here):
        return None
    path = collection_path.relative_to(here).as_posix()
    is_left_out = ("not long" in asked and path.startswith(LONG + PROOFS)) or (
        asked == "long" and not path.startswith(LONG + LONG_ON_POSTGRES)
    )
    return True if is_left_out else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks, and the pages first: those that follow each other in a process share a server and a browser."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.is_relative_to(here / "web"))
    for item in items:
        if not item.path.is_relative_to(here):
            continue
        path = item.path.relative_to(here).as_posix()
        is_postgres = "postgres" in item.name.partition("[")[2]
        if path.startswith(PROOFS) or item.get_closest_marker("proof"):
            item.add_marker("proof")
        elif path.startswith(LONG) or (is_postgres and path.startswith(LONG_ON_POSTGRES)):
            item.add_marker("long")


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[PostgresServer, str]]:
    """A server, and the name of a migrated database to copy. Skipped (never in CI) where it cannot run."""
    try:
        server = PostgresServer()
    except (OSError, KeyError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL cannot run here: {error}")
    template = server.create_database()
    open_database(Settings(database_url=server.url(template))).close()
    yield server, template
    server.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server, to be asked for by those who kill it; it is to run again when they end."""
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3_address(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix of a bucket, to which the environment leads."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(scope="session", autouse=True)
def one_loop() -> Iterator[None]:
    """All clients share an event loop: one for each request takes longer than most requests."""
    with start_blocking_portal() as portal:
        TestClient.portal = portal
        yield
        TestClient.portal = None


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy: to make one takes fifty times as long."""
    folder = tmp_path_factory.mktemp("migrated")
    open_database(Settings(data_dir=folder, embedded_worker=False)).close()
    return folder / "matinee.db"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """A SQLite data directory of the test's own, with an empty, migrated database."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(migrated, folder / "matinee.db")
    (folder / "matinee.db").chmod(0o600)
    return Settings(data_dir=folder, embedded_worker=False)


@pytest.fixture(params=ENGINES)
def engine_settings(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[Settings]:
    """Settings for each engine in turn, with an empty, migrated database."""
    if request.param == "sqlite":
        yield settings
        return
    server, template = request.getfixturevalue("postgres")
    name = server.create_database(template)
    yield Settings(data_dir=tmp_path / "data", database_url=server.url(name), embedded_worker=False)
    server.drop_database(name)


@pytest.fixture
def database(engine_settings: Settings) -> Iterator[Database]:
    """An open database, on each engine in turn. It holds the starter catalogue."""
    database = open_database(engine_settings)
    yield database
    database.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The application on SQLite, without a worker: `run_tasks` runs what it queued."""
    app = create_app(settings)
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


@pytest.fixture
def run_tasks(client: TestClient) -> Callable[[], None]:
    """Run every queued task of `client` here and now."""

    def run() -> None:
        service: Service = client.app.state.service  # type: ignore[attr-defined]
        while run_next(service.database, service.settings):
            pass

    return run
