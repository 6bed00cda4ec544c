"""`matinee demo --kill`: a server whose worker is killed twice in an import, and what becomes of that.

It works in a folder of its own, and compares what the service then has with the file, row by row.
"""

import csv
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.cli import console
from app.cli.demo import serve
from app.client import ApiError, MatineeClient, NoAnswer
from app.config import Settings
from app.sample import MOVIES
from app.storage import open_database

ROWS, USERS = 200_000, 10_000
CHUNK = 1_000
"""Rows of a transaction: a machine that is fast still has some left after a kill."""
KILLS = (0.25, 0.6)
"""Parts of the rows that are written when the worker is killed."""
STARTS = 5
LOOK_EVERY = 0.02
Row = tuple[int, int, float]


def run(settings: Settings) -> int:
    """Returns 0 if no row is lost or there twice."""
    with tempfile.TemporaryDirectory(prefix="matinee-") as folder:
        path = Path(folder) / "ratings.csv"
        written = _write(path)
        chosen = replace(settings, data_dir=Path(folder) / "data", database_url="", import_chunk=CHUNK)
        chosen = replace(chosen, store="", redis_url="", secret_key="", embedded_worker=True, worker_nice=0)
        open_database(chosen).close()
        return serve(chosen, lambda url: _drive(url, path, written), once=True)


def _write(path: Path) -> set[Row]:
    """A file of invented ratings of the starter catalogue, in no order."""
    with MOVIES.open(encoding="utf-8") as file:
        movie_ids = [int(row["id"]) for row in csv.DictReader(file)]
    choose = random.Random(1)  # noqa: S311
    each = ROWS // USERS
    pairs = [(user, movie) for user in range(1, USERS + 1) for movie in choose.sample(movie_ids, each)]
    choose.shuffle(pairs)
    rows = [(user, movie, choose.randint(1, 10) / 2) for user, movie in pairs]
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        file.writelines(f"{user},{movie},{score},{1_000_000_000 + user}\n" for user, movie, score in rows)
    return set(rows)


def _drive(url: str, path: Path, written: set[Row]) -> bool:
    try:
        with MatineeClient(url) as client:
            return _import(client, path, written)
    except ApiError as error:
        print(f"matinee: {console.reason(error)}", file=sys.stderr)
        return False


def _import(client: MatineeClient, path: Path, written: set[Row]) -> bool:
    _await(client)
    print(f"A file of {len(written):,} ratings is imported, and the worker that does it is killed twice.")
    task_id = client.start_import(path)["task_id"]
    print(f"The request was answered at once: task {task_id} is queued.", flush=True)
    for part in KILLS:
        _kill(client, task_id, int(part * len(written)))
    task = client.wait(task_id)
    if task["status"] != "complete":
        print(f"The task is {task['status']}: {task['error']}", file=sys.stderr)
        return False
    _tell(client, task_id)
    for line in console.report_lines(task["result"]):
        print(f"  {line}")
    return _compare(client, path.with_name("exported.csv"), written)


def _await(client: MatineeClient) -> None:
    """Until the server is there: a machine that is busy may take longer to start it than a client waits."""
    for _ in range(STARTS):
        with suppress(NoAnswer):
            client.health()
            return
    client.health()


def _kill(client: MatineeClient, task_id: str, row: int) -> None:
    """Kill the worker with SIGKILL once so many rows are written."""
    while True:
        task = client.task(task_id)
        progress = task["progress"]
        if task["finished_at"] is not None:
            print("The import had ended before the worker could be killed once more.")
            return
        if progress["phase"] == "merge" and progress["done"] >= row and task["status"] == "running":
            break
        time.sleep(LOOK_EVERY)
    worker = client.get_status()["worker"]
    if worker is None or (pid := worker["pid"]) is None:
        return
    os.kill(pid, signal.SIGKILL)
    print(
        f"kill -9 {pid}: at least {progress['done']:,} rows were written, by attempt {task['attempt']}.",
        flush=True,
    )
    while (now := client.task(task_id))["finished_at"] is None:
        if now["attempt"] > task["attempt"] and now["progress"]["phase"] == "merge":
            print(
                f"Attempt {now['attempt']} goes on: {now['progress']['done']:,} rows are written.", flush=True
            )
            return
        time.sleep(LOOK_EVERY)


def _tell(client: MatineeClient, task_id: str) -> None:
    """The timeline of the task, as it stands in the database."""
    print("What the service has noted of it:")
    for event, data in client.task_events(task_id):
        if event == "status":
            print(f"  {data['status']}{_by(data)}")
        elif event == "log":
            print(f"  {data['level']}: {data['text']}")


def _by(data: dict[str, object]) -> str:
    return f", attempt {data['attempt']} by {data['worker']}" if data.get("attempt") else ""


def _compare(client: MatineeClient, path: Path, written: set[Row]) -> bool:
    """Say how what is there differs from what was sent; returns whether it does not."""
    client.export_ratings(path)
    there = list(_read(path))
    lost, foreign = len(written - set(there)), len(set(there) - written)
    doubled = len(there) - len(set(there))
    print(
        f"{len(written):,} rows were sent, {len(there):,} are there: "
        f"{lost} lost, {doubled} twice, {foreign} wrong."
    )
    return not (lost or doubled or foreign)


def _read(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield int(row["user_id"]), int(row["movie_id"]), float(row["score"])
