"""A database of every schema there has been, made by the code of then, opens and works."""

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.service import Service
from app.storage import open_database
from app.storage.revisions import head_revision
from app.tasks.worker import run_next

FILE = "user_id,movie_id,score\n6,1,4.5\n6,32,3\n"
SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.db.xz"))


def shape(settings: Settings) -> dict[str, object]:
    """Of each table its columns, with their types, and its indexes."""
    database = open_database(settings)
    found: dict[str, object] = {}
    with database.read() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            columns = {
                one["name"]: (str(one["type"]), one["nullable"]) for one in inspector.get_columns(table)
            }
            indexes = {(one["name"], tuple(one["column_names"])) for one in inspector.get_indexes(table)}
            found[table] = (columns, indexes)
    database.close()
    return found


@pytest.fixture
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    folder = tmp_path / "older"
    folder.mkdir()
    (folder / "matinee.db").write_bytes(lzma.decompress(request.param.read_bytes()))
    return Settings(data_dir=folder, embedded_worker=False)


def test_no_schema_is_left_out() -> None:
    versions = Path(__file__).parents[2] / "app" / "storage" / "migrations" / "versions"
    assert len(SCHEMAS) >= 18
    assert {"0002", "0008", "0009"} <= {path.name[:4] for path in SCHEMAS}
    assert {path.name[:4] for path in SCHEMAS} <= {path.name[:4] for path in versions.glob("0*.py")}


@pytest.mark.parametrize("older", SCHEMAS, indirect=True, ids=lambda path: path.name.partition(".")[0])
def test_a_database_of_an_older_schema_opens_with_all_that_is_in_it(
    older: Settings, settings: Settings
) -> None:
    assert shape(older) == shape(settings)
    app = create_app(older)
    service: Service = app.state.service
    assert service.database.revision() == head_revision()
    client = TestClient(app)
    (ours,) = client.get("/movies", params={"query": "a film of ours"}).json()
    assert (ours["title"], ours["year"]) == ("A Film of Ours", 2001)
    rated = {row["movie_id"]: row["score"] for row in client.get("/ratings", params={"user_id": 7}).json()}
    assert rated == {1: 4.5, 32: 3.0}
    assert client.get("/movies/1").json()["rating_count"] == 2
    (task,) = client.get("/tasks").json()
    assert (task["kind"], task["status"]) == ("rebuild_model", "queued")
    finish(service, task["task_id"], client)
    imported = client.post("/imports", content=FILE, headers={"Content-Type": "text/csv"}).json()["task_id"]
    finish(service, imported, client)
    assert len(client.get("/ratings", params={"user_id": 6}).json()) == 2
    finish(service, client.post(f"/tasks/{imported}/undo").json()["task_id"], client)
    assert client.get("/ratings", params={"user_id": 6}).json() == []
    assert client.delete("/users/7").status_code == 200
    assert client.get("/movies/1").json()["rating_count"] == 1
    service.close()


def finish(service: Service, task_id: str, client: TestClient) -> None:
    run: Callable[[], bool] = lambda: run_next(service.database, service.settings)  # noqa: E731
    while run():
        pass
    assert client.get(f"/tasks/{task_id}").json()["status"] == "complete", client.get(
        f"/tasks/{task_id}"
    ).text
