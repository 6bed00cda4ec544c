"""Files of ratings, and a look at the imports of them on a real server."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sample import TASTES
from tests.server import Server, poll

FILMS = sorted(film for films in TASTES.values() for film in films)


def write_csv(path: Path, rows: int, seed: int) -> Path:
    """Ratings in no order, some of them twice, one in two hundred bad."""
    choose = np.random.default_rng(seed)
    users, films = choose.integers(1, 20_000, rows).tolist(), choose.choice(FILMS, rows).tolist()
    steps, times = choose.integers(1, 11, rows).tolist(), choose.integers(10**9, 10**9 + 10**6, rows).tolist()
    bad = (choose.random(rows) < 0.005).tolist()
    with path.open("w") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        for user, film, step, at, spoilt in zip(users, films, steps, times, bad, strict=True):
            file.write(f"{user},{film},{9 if spoilt else step / 2},{at}\n")
    return path


def upload(server: Server, path: Path) -> str:
    answer = server.client.post("/imports", content=path.read_bytes(), headers={"Content-Type": "text/csv"})
    return str(answer.raise_for_status().json()["task_id"])


def queried(data_dir: Path, *queries: str) -> list[Any]:
    with sqlite3.connect(data_dir / "matinee.db") as connection:
        return [connection.execute(query).fetchall() for query in queries]


def await_phase(server: Server, task_id: str, phase: str) -> None:
    """Until the task is in that phase, or past it."""
    query = f"SELECT phase = '{phase}' OR finished_at FROM tasks WHERE id = '{task_id}'"
    poll(lambda: queried(server.data_dir, query)[0][0][0], every=0.005)
