"""Many tasks, random kill -9 and SIGTERM of server and worker: all end right, each effect exactly once.

`MATINEE_TEST_CHAOS` is the number of tasks (default 15; the long proof runs 200).
"""

import os
import random
import signal
import sqlite3
from pathlib import Path
from threading import Event

from tests.server import Server, poll

TASKS = int(os.environ.get("MATINEE_TEST_CHAOS", "15"))
RATINGS = 200
ENVIRONMENT = {
    "MATINEE_TASK_CRASHES": "1000",  # else five kills in a row count as the task's own fault
    "MATINEE_KEEP_MODELS": "1000",  # every rebuild is counted
}


def csv_file(number: int) -> bytes:
    lines = [f"{number * 1000 + user},{1 + user % 2},4,{1_000_000_000 + number}" for user in range(RATINGS)]
    return "\n".join(["user_id,movie_id,score,rated_at", *lines]).encode() + b"\n"


def test_chaos_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    choose = random.Random(TASKS)
    server = Server(tmp_path / "data", **ENVIRONMENT).start()
    imports: list[str] = []
    rebuilds: set[str] = set()

    def post(path: str, key: str, content: bytes | None = None) -> str:
        headers = {"Idempotency-Key": key, "Content-Type": "text/csv"}

        def once() -> str | None:
            answer = server.client.post(path, headers=headers, content=content)
            return str(answer.json()["task_id"]) if answer.status_code == 202 else None

        return poll(once)

    try:
        for number in range(TASKS):
            if number % 5 == 4:
                rebuilds.add(post("/recommender/rebuild", f"rebuild {number}"))
            else:
                imports.append(post("/imports", f"import {number}", csv_file(number)))
            if number % 3 == 0:
                Event().wait(choose.uniform(0, 0.4))  # others get on meanwhile
                disturb(server, choose.choice(["worker", "worker", "server", "stop", "both"]))
        ended = {task_id: server.wait(task_id, within=120) for task_id in [*imports, *rebuilds]}
        assert {task["status"] for task in ended.values()} == {"complete"}, ended
        assert {ended[task_id]["result"]["new"] for task_id in imports} == {RATINGS}
    finally:
        server.close()
    poll(lambda: not server.orphans(), within=10)
    with sqlite3.connect(tmp_path / "data" / "matinee.db") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM ratings").fetchone()
        built = connection.execute("SELECT task_id FROM models").fetchall()
        (counted,) = connection.execute("SELECT sum(rating_count) FROM movies").fetchone()
    assert rows == counted == len(imports) * RATINGS
    assert sorted(task_id for (task_id,) in built) == sorted(rebuilds)


def disturb(server: Server, how: str) -> None:
    workers = server.workers()
    if how == "stop":
        server.terminate(signal.SIGTERM)
    elif how in ("server", "both"):
        server.kill()
    if how in ("worker", "both"):
        for worker in workers:
            if worker.is_running():
                worker.kill()
    if how != "worker":
        server.start()
