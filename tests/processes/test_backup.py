"""A backup of a service that imports and rebuilds, restored elsewhere: all goes on there, to the same end."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.processes.imports import await_phase, queried, upload, write_csv
from tests.server import Server

ROWS = 60_000
KEPT = "SELECT user_id, movie_id, score, rated_at FROM ratings ORDER BY user_id, movie_id"
COUNTS = "SELECT id, rating_count, rating_sum FROM movies ORDER BY id"


def digest(data_dir: Path) -> str:
    """Of what the import has written, and of the counts that belong to it."""
    return hashlib.sha256(repr(queried(data_dir, KEPT, COUNTS)).encode()).hexdigest()


def command(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MATINEE_DATA_DIR": str(data_dir)}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def serving(data_dir: Path) -> Iterator[Server]:
    with closing(Server(data_dir, MATINEE_IMPORT_CHUNK="500", MATINEE_WORKER_NICE="0").start()) as server:
        yield server


def test_an_import_and_a_rebuild_go_on_from_a_backup(tmp_path: Path) -> None:
    archive, there = tmp_path / "backup.tar", tmp_path / "there"
    with serving(tmp_path / "here") as server:
        server.wait(upload(server, write_csv(tmp_path / "first.csv", 2_000, 1)))
        task = upload(server, write_csv(tmp_path / "ratings.csv", ROWS, 2))
        rebuild = server.client.post("/recommender/rebuild").json()["task_id"]
        await_phase(server, task, "merge")
        worker = (
            server.suspended_worker()
        )  # a busy machine may take longer to start the command than to merge
        made = command(tmp_path / "here", "backup", str(archive))
        worker.resume()
        assert made.returncode == 0, made.stderr
        report = server.wait(task, within=120)["result"] | {"seconds": 0}
        server.wait(rebuild)
    restored = command(there, "restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    (status, done) = queried(there, f"SELECT status, done FROM tasks WHERE id = '{task}'")[0][0]
    assert status == "queued", "the import had ended before the backup was made"
    assert task in restored.stdout and rebuild in restored.stdout
    written = queried(
        there, f"SELECT count(*) FROM ratings JOIN tasks ON seq = import_seq WHERE id = '{task}'"
    )
    assert (written[0][0][0] > 0) == (done > 0)
    with serving(there) as server:
        assert server.wait(task, within=120)["result"] | {"seconds": 0} == report
        assert server.wait(rebuild)["status"] == "complete"
    assert digest(there) == digest(tmp_path / "here")
