"""Other users of the machine read nothing of what is kept."""

import os
from pathlib import Path

import pytest

from app.config import Settings
from app.storage import open_database
from tests.processes.imports import upload, write_csv
from tests.server import Server


def open_to_others(directory: Path) -> list[str]:
    paths = [directory, *directory.rglob("*")]
    return [str(path.relative_to(directory)) for path in paths if path.lstat().st_mode & 0o077]


def test_a_server_and_its_worker_keep_everything_to_themselves(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        server = Server(tmp_path / "data").start()
    finally:
        os.umask(before)
    try:
        some = write_csv(tmp_path / "some.csv", 3000, 1)
        with some.open("a") as file:
            file.write("no,row,4\n")
        task_id = upload(server, some)
        assert server.wait(task_id)["result"]["rejected"] > 0
        rebuild = server.client.post("/recommender/rebuild").json()["task_id"]
        assert server.wait(rebuild)["status"] == "complete"
        assert open_to_others(server.data_dir) == []
        kept = {path.name for path in server.data_dir.iterdir()}
        assert kept >= {"matinee.db", "matinee.db-wal", "uploads", "models", "imports"}
    finally:
        server.close()


def test_an_existing_data_directory_is_closed_at_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_database(Settings(data_dir=data)).close()
    (data / "uploads").mkdir()
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    open_database(Settings(data_dir=data)).close()
    assert open_to_others(data) == []


def test_what_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "notes.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    open_database(Settings(data_dir=tmp_path)).close()
    assert set(open_to_others(tmp_path)) == {".", "notes.txt"}


@pytest.mark.parametrize("there", [False, True])
def test_a_database_elsewhere_is_closed_too(tmp_path: Path, there: bool) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "other.db"
    if there:
        file.touch(0o644)
    database = open_database(Settings(data_dir=tmp_path / "data", database_url=f"sqlite:///{file}"))
    assert open_to_others(tmp_path) == ["."]
    database.close()
