"""kill -9 of the server, of the worker, of both, at random moments: nothing is lost, nothing done twice.

`MATINEE_TEST_KILLS` is the number of kills for each victim and kind of task (default 1; the long proof
runs 5).
"""

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.sample.generate import TASTES
from tests.server import Server, poll

KILLS = int(os.environ.get("MATINEE_TEST_KILLS", "1"))
FILMS = sorted(film for films in TASTES.values() for film in films)
Start = Callable[[Server, int], str]


def csv_file(number: int) -> bytes:
    """30,000 ratings, some of them bad, some of them of the file before."""
    choose = random.Random(number)
    lines = ["user_id,movie_id,score,rated_at"]
    for user in range(number * 300, number * 300 + 500):
        for film in FILMS:
            score = choose.choice(["0.5", "3", "4.5", "5", "9" if choose.random() < 0.01 else "2"])
            lines.append(f"{user},{film},{score},{1_000_000_000 + number * 1000 + choose.randrange(2000)}")
    return "\n".join(lines).encode() + b"\n"


def start_import(server: Server, number: int) -> str:
    answer = server.client.post("/imports", content=csv_file(number), headers={"Content-Type": "text/csv"})
    return str(answer.raise_for_status().json()["task_id"])


def start_rebuild(server: Server, number: int) -> str:
    rating = {"movie_id": FILMS[number % len(FILMS)], "user_id": 9_999_999, "score": 1 + number % 5}
    server.client.post("/ratings", json=rating).raise_for_status()
    return str(server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"])


def effects(data_dir: Path) -> list[Any]:
    """What imports and rebuilds leave in the database."""
    with sqlite3.connect(data_dir / "matinee.db") as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT count(*), sum(user_id), sum(movie_id), sum(score) FROM ratings",
                "SELECT sum(rated_at) FROM ratings WHERE user_id < 9999999",
                "SELECT id, rating_count, rating_sum FROM movies ORDER BY id",
                "SELECT version, checksum, active FROM models ORDER BY version",
            )
        ]


def run(
    data_dir: Path, start: Start, meanwhile: Callable[[Server, int], None]
) -> tuple[list[Any], list[Any]]:
    server = Server(data_dir).start()
    results = []
    try:
        for number in range(KILLS * len(VICTIMS)):
            task_id = start(server, number)
            meanwhile(server, number)
            task = server.wait(task_id)
            assert task["status"] == "complete", task
            results.append({k: v for k, v in task["result"].items() if k not in ("seconds", "evaluation")})
    finally:
        server.close()
    poll(lambda: not server.orphans(), within=10)
    return results, effects(data_dir)


def kill_server(server: Server) -> None:
    server.kill()
    poll(lambda: not server.orphans(), within=5)
    server.start()


def kill_worker(server: Server) -> None:
    for worker in server.workers():
        worker.send_signal(signal.SIGKILL)


def kill_both(server: Server) -> None:
    workers = server.workers()
    server.kill()
    for worker in workers:
        if worker.is_running():
            worker.kill()
    server.start()


VICTIMS = (kill_server, kill_worker, kill_both)


@pytest.mark.parametrize("start", [start_import, start_rebuild])
def test_a_kill_changes_nothing_in_the_end(tmp_path: Path, start: Start) -> None:
    seconds: list[float] = []

    def measure(server: Server, _number: int) -> None:
        task = poll(lambda: next(iter(server.client.get("/tasks?limit=1").json()), None))
        ended = server.wait(task["task_id"])
        seconds.append(float(ended["result"].get("seconds") or 0.5))

    expected = run(tmp_path / "undisturbed", start, measure)
    choose = random.Random(start.__name__)

    def strike(server: Server, number: int) -> None:
        victim, moment = VICTIMS[number % len(VICTIMS)], choose.uniform(0, max(seconds))
        print(f"{start.__name__}: {victim.__name__} after {moment:.3f} s")
        Event().wait(moment)  # others get on meanwhile
        victim(server)

    assert run(tmp_path / "killed", start, strike) == expected
