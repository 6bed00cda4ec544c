"""An import whose transaction the server ends in favour of another one."""

from pathlib import Path

import pytest

from app.config import Settings
from app.repository import tasks
from app.storage import open_database
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from tests.imports.conftest import NOW, attempt, counts_are_right, queue, ratings
from tests.postgres import PostgresServer, raises, run


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_an_import_that_collides_goes_on_from_its_checkpoint(
    postgres: tuple[PostgresServer, str], tmp_path: Path, sqlstate: str
) -> None:
    server, template = postgres
    url = server.url(server.create_database(template))
    settings = Settings(data_dir=tmp_path / "data", database_url=url, embedded_worker=False, import_chunk=1)
    database = open_database(settings, durable=False)
    run(url, *raises(sqlstate, "(SELECT last_value FROM tried) = 3"))
    path = tmp_path / "upload"
    path.write_text("user_id,movie_id,score,rated_at\n" + "".join(f"{n},1,4,1000\n" for n in range(1, 10)))
    task = queue(database, path, "ratings.csv")
    execute(attempt(database, settings))
    with database.read() as connection:
        collided = tasks.get(connection, task.id)
    assert collided is not None
    assert (collided.status, collided.failures) == ("queued", 1)
    assert 0 < len(ratings(database)) < 9
    with database.write() as connection:
        again = claim(connection, now=NOW + 60)
    assert again is not None
    execute(Attempt(again, database, settings, clock=lambda: NOW + 60))
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    assert ended.result is not None, ended.error
    assert (ended.result["read"], ended.result["new"]) == (9, 9)
    assert len(ratings(database)) == 9
    assert counts_are_right(database)
    database.close()
