"""Two servers on one data folder show the same in the next request, whatever has changed through which."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.people import secrets
from app.repository import accounts, api_keys, sessions
from app.user import Role
from tests.house import House
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


def statuses(two: tuple[Server, Server], headers: dict[str, str], method: str = "GET") -> list[int]:
    body = {"title": "A"} if method == "POST" else None
    return [
        server.client.request(method, "/movies", json=body, headers=headers).status_code for server in two
    ]


@pytest.fixture
def house(two: tuple[Server, Server]) -> Iterator[House]:
    """Opens the door of their data folder, as the command line does: in a process of its own."""
    assert statuses(two, {}) == [200, 200]
    house = House(Settings(data_dir=two[0].data_dir, embedded_worker=False))
    yield house
    house.service.close()


def test_two_servers_agree_about_the_door_in_the_next_request(
    two: tuple[Server, Server], house: House
) -> None:
    assert statuses(two, {}) == [401, 401]
    for is_open, expected in ((False, 200), (True, 401)) * 5:
        with house.service.database.write() as connection:
            accounts.move_door(connection, is_open=is_open)
        assert statuses(two, {}) == [expected, expected]


def test_two_servers_agree_about_roles_tokens_and_keys_in_the_next_request(
    two: tuple[Server, Server], house: House
) -> None:
    house.person("Dan", Role.ADMIN)
    ann, database = house.person("Ann", Role.VIEWER), house.service.database
    token, later, key = house.token(ann, "a"), house.token(ann, "b"), house.key(ann, Role.EDITOR)
    for role, expected in ((Role.EDITOR, 201), (Role.VIEWER, 403)) * 5:
        with database.write() as connection:
            accounts.set_role(connection, ann, role)
        assert statuses(two, token, "POST") == statuses(two, key, "POST") == [expected, expected]
    with database.write() as connection:
        sessions.end(connection, "a")
    assert statuses(two, token) == [401, 401]
    assert statuses(two, later) == statuses(two, key) == [200, 200]
    with database.write() as connection:
        api_keys.revoke(connection, api_keys.listing(connection)[0].prefix)
    assert statuses(two, key) == [401, 401]
    with database.write() as connection:
        accounts.remove(connection, ann)
    assert statuses(two, later) == [401, 401]


def test_two_servers_agree_about_the_secrets_in_the_next_request(
    two: tuple[Server, Server], house: House
) -> None:
    ann = house.person("Ann", Role.VIEWER)
    known = [house.token(ann, "0")]
    assert statuses(two, known[0]) == [200, 200]
    for number in range(1, 5):
        secrets.rotate(house.service.settings)
        with house.service.database.write() as connection:
            accounts.move_door(connection)
        known.append(house.token(ann, str(number)))
        assert statuses(two, known[-1]) == statuses(two, known[-2]) == [200, 200]
        if number > 1:
            assert statuses(two, known[-3]) == [401, 401]
