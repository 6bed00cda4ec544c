"""What `benchmarks.requests` asks, and the servers that it asks: ours on made data, and a bare endpoint."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from app.config import Settings
from app.repository import accounts
from app.user import Role
from benchmarks.load import Client, Load, request
from benchmarks.synthetic import SHAPES, generate
from tests.house import House
from tests.server import Server, free_port, poll

SIZE = "small"
HEAVY, HEAVY_RATINGS = 77_000_000, 30_000
"""A user who has rated so many movies, most of which no other has."""
RATERS = 50
BARE = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/def/{user_id}")
def ids(user_id: int, limit: int = 10) -> list[int]:
    return list(range(user_id, user_id + 10))
@app.get("/async/{user_id}")
async def ids_async(user_id: int, limit: int = 10) -> list[int]:
    return list(range(user_id, user_id + 10))
"""
NO_LIMITS = {"MATINEE_LIMIT_WRITES": "100000/second"}
SERVED_BY = ("--http", "h11", "--loop", "asyncio", "--no-access-log")
"""As `matinee serve` does and a plain installation of uvicorn, whatever else is installed here."""
SYLLABLES = ("ma", "tri", "sol", "ven", "kor", "lu", "pa", "den", "rio", "ost")


@dataclass(frozen=True)
class Kind:
    """A kind of request: a path to read, or movies to be `rated` by users in turns."""

    name: str
    path: str
    rated: tuple[int, ...] = ()

    def requests(self, headers: dict[str, str]) -> Iterator[bytes]:
        if not self.rated:
            return itertools.repeat(request("GET", self.path, headers=headers))
        bodies = (
            json.dumps(
                {"user_id": 78_000_000 + n % RATERS, "movie_id": self.rated[n % 97], "score": 1 + n % 9 / 2}
            )
            for n in itertools.count()
        )
        return (request("POST", self.path, body.encode(), headers) for body in bodies)


BARE_KINDS = (Kind("bare async def", "/async/7?limit=10"), Kind("bare def", "/def/7?limit=10"))


@dataclass
class Target:
    """A server under one name: how it was started, and what may be asked of it."""

    name: str
    port: int
    process: psutil.Process
    kinds: tuple[Kind, ...]
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, kind: Kind, connections: int, run: Callable[[Client, Iterator[bytes]], Load] | float
    ) -> Load:
        """Closed loop for so many seconds, or what the function does with a client."""
        requests = kind.requests(self.headers)
        with Client(self.port, connections, self._cpu) as client:
            return client.closed(requests, run) if isinstance(run, float) else run(client, requests)

    def _cpu(self) -> float:
        """Processor seconds of the server and its workers, without the process that runs tasks."""
        total = 0.0
        for one in (self.process, *self.process.children(recursive=True)):
            try:
                if "worker" not in one.cmdline():
                    total += sum(one.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total


class Bare:
    def __init__(self, folder: Path) -> None:
        (folder / "bare.py").write_text(BARE)
        port = free_port()
        command = ["-m", "uvicorn", "bare:app", "--port", str(port), *SERVED_BY]
        self._process = subprocess.Popen([sys.executable, *command, "--log-level", "error"], cwd=folder)
        poll(lambda: _answers(port), within=60)
        self.target = Target("bare", port, psutil.Process(self._process.pid), BARE_KINDS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/def/1").status_code == 200
    except httpx.TransportError:
        return False


class Ours:
    """A server with made ratings and a model, and what may be asked of it."""

    def __init__(self, name: str, folder: Path, *options: str, **environment: str) -> None:
        self.name = name
        self.server = Server(folder, *SERVED_BY, *options, **NO_LIMITS, **environment).start()
        self.environment = environment

    def fill(self, movies: Path, ratings: Path, heavy: Path) -> None:
        """With the heavy user after the model was made: most of their movies are in no model."""
        self.upload(movies)
        self.upload(ratings)
        self.rebuild()
        self.upload(heavy)

    def upload(self, path: Path, *, wait: bool = True) -> str:
        body, headers = path.read_bytes(), {"Content-Type": "text/csv"}
        answer = self.server.client.post("/imports", content=body, headers=headers, timeout=120)
        task_id = str(answer.raise_for_status().json()["task_id"])
        assert not wait or self.server.wait(task_id, within=300)["status"] == "complete"
        return task_id

    def rebuild(self, *, wait: bool = True) -> str:
        task_id = str(self.server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"])
        assert not wait or self.server.wait(task_id, within=300)["status"] == "complete"
        return task_id

    def target(self, user: int, word: str, rated: tuple[int, ...]) -> Target:
        assert self.server.process is not None
        kinds = (
            Kind("health", "/health"),
            Kind("plain", f"/recommendations/{user}?limit=10"),
            Kind("rich", f"/users/{user}/recommendations?limit=10"),
            Kind("movie", "/movies/1"),
            Kind("search", f"/movies?query={word}"),
            Kind("post a rating", "/ratings", rated),
        )
        return Target(self.name, self.server.port, psutil.Process(self.server.process.pid), kinds)

    def open_door(self) -> dict[str, str]:
        """The header of an editor. The processes of the server see it with their next transaction."""
        database = self.environment.get("MATINEE_DATABASE_URL", "")
        settings = Settings(data_dir=self.server.data_dir, database_url=database, embedded_worker=False)
        house = House(settings)
        try:
            return house.token(house.person("Ann", Role.EDITOR), "a", seconds=86_400)
        finally:
            house.service.close()

    def close_door(self) -> None:
        database = self.environment.get("MATINEE_DATABASE_URL", "")
        settings = Settings(data_dir=self.server.data_dir, database_url=database, embedded_worker=False)
        house = House(settings)
        with house.service.database.write() as connection:
            accounts.move_door(connection, is_open=False)
        house.service.close()

    def close(self) -> None:
        self.server.close()


def make_data(folder: Path) -> tuple[Path, Path, Path, int, tuple[int, ...]]:
    """Files of movies, of ratings, and of the heavy user; a user with some 232; the most rated.

    A movie with few raters would be folded into the model again with each rating.
    """
    random, shape, made = np.random.default_rng(1), SHAPES[SIZE], generate(SIZE)
    words = ["".join(random.choice(SYLLABLES, 3)) for _ in range(1_500)]
    titles = (
        f"{i},{words[i % 1_500]} {words[int(random.integers(1_500))]},1999,Drama\n"
        for i in range(1, HEAVY_RATINGS + 1)
    )
    table = made.scores
    rows = zip(
        made.user_ids[table.row_numbers()].tolist(),
        made.movie_ids[table.indices].tolist(),
        table.values.tolist(),
        strict=True,
    )
    at = int(time.time()) - 1_000_000
    head = "user_id,movie_id,score,rated_at\n"
    files = {
        "movies": "id,title,year,genre\n" + "".join(titles),
        "ratings": head + "".join(f"{u},{m},{s},{at}\n" for u, m, s in rows),
        "heavy": head + "".join(f"{HEAVY},{m},{1 + m % 9 / 2},{at}\n" for m in range(1, HEAVY_RATINGS + 1)),
    }
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    lengths = np.diff(table.indptr)
    user = int(made.user_ids[np.argmin(np.abs(lengths - 232))])
    paths = [folder / f"{name}.csv" for name in files]
    assert shape.movies <= HEAVY_RATINGS
    most = np.argsort(-np.bincount(table.indices, minlength=shape.movies))[:97]
    return paths[0], paths[1], paths[2], user, tuple(made.movie_ids[most].tolist())


def word_of(movies: Path) -> str:
    """A word of the first title, which some others have too."""
    return movies.read_text().splitlines()[1].split(",")[1].split()[0]
