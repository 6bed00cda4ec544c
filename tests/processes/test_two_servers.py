"""Two servers on one data folder show the same in the next request, whatever has changed through which."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server, poll

MOVIES = "id,title,year,genre\n" + "".join(f"{800_000 + n},Film {n},1990,Drama\n" for n in range(10))
RATINGS = "user_id,movie_id,score\n" + "".join(
    f"{user},{800_000 + n},{4 + n % 2}\n" for user in range(1, 30) for n in range(10) if (user + n) % 3
)
PATHS = (
    *(f"/recommendations/{user}?limit=100" for user in (1, 1001, 1002, 424_242)),
    *(f"/users/{user}/recommendations?limit=100" for user in (1, 1001, 424_242)),
    "/movies/popular?limit=100",
)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    servers = Server(tmp_path / "data").start(), Server(tmp_path / "data").start()
    yield servers
    for server in servers:
        server.close()
    for server in servers:
        poll(lambda server=server: not server.orphans(), within=10)  # type: ignore[misc]


def shown(server: Server) -> list[tuple[object, str]]:
    answers = [server.client.get(path) for path in PATHS]
    return [(answer.json(), answer.headers["etag"]) for answer in answers]


def run(server: Server, path: str, text: str | None = None) -> str:
    headers = {"Content-Type": "text/csv"} if text else {}
    answer = server.client.post(path, content=text, headers=headers).raise_for_status()
    task_id = str(answer.json()["task_id"])
    assert server.wait(task_id)["status"] == "complete"
    return task_id


def test_two_servers_agree_in_the_next_request_after_any_change(two: tuple[Server, Server]) -> None:
    one, other = two
    imported: list[str] = []
    new = one.client.post("/movies", json={"title": "New"}).json()["id"]
    rating = {"movie_id": new, "user_id": 1001, "score": 5}
    changes: list[Callable[[], object]] = [
        lambda: run(one, "/imports"),
        lambda: imported.append(run(other, "/imports", MOVIES)),
        lambda: imported.append(run(one, "/imports", RATINGS)),
        lambda: run(other, "/recommender/rebuild"),
        lambda: one.client.post("/ratings", json=rating),
        lambda: other.client.put("/movies/800001", json={"title": "Renamed"}),
        lambda: one.client.delete("/movies/800001?force=true"),
        lambda: run(one, f"/imports/{imported[1]}/undo"),
        lambda: run(other, f"/imports/{imported[0]}/undo"),
        lambda: run(one, "/imports", MOVIES),
        lambda: run(other, "/imports", RATINGS),
        lambda: run(one, "/recommender/rebuild"),
        lambda: other.client.post("/models/1/activate"),
    ]
    for server in two:
        shown(server)
    for number, change in enumerate(changes):
        change()
        assert shown(one) == shown(other), number
    listed = other.client.get("/recommendations/1?limit=100").json()
    assert {800_000 + n for n in range(10)} <= set(listed)
