"""The life of a person in the service, with a trace of every kind, and how to find these in files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from app.repository import waiting
from app.repository.waiting import Waiting

RARE = 4_813_162_342_108_150_919
NAME, FILE = "Quetzalcoatlus Xyzzy", "plughlist-frobozz.csv"
HEADER = "user_id,movie_id,score,rated_at\n"
SEVERAL = HEADER + "".join(
    f"{user},{movie},4,{1000 + movie}\n" for user in (5, 6, RARE) for movie in (1, 2, 6)
)
OTHERS = HEADER + "".join(
    f"{user},{movie},{(user * movie) % 10 / 2 + 0.5},1000\n"
    for user in range(10, 60)
    for movie in (1, 2, 6, 32, 34, 39, 47, 50)
)
LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Toy Story,1995,https://boxd.it/x,4\n"

Run = Callable[[], None]


def forms(user_id: int) -> dict[str, bytes]:
    """An id as it may stand in a file."""
    groups = [user_id >> 8 + 7 * place & 0x7F for place in range(7, -1, -1)]
    return {
        "text": str(user_id).encode(),
        "big endian": user_id.to_bytes(8, "big"),
        "little endian": user_id.to_bytes(8, "little"),
        "varint": bytes(0x80 | group for group in groups) + bytes([user_id & 0xFF]),
    }


def found(folder: Path, words: dict[str, bytes]) -> list[tuple[str, str, int]]:
    """(file, word, how often) for each that is there: in names, and in contents."""
    hits = []
    for path in sorted(folder.rglob("*")):
        content = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        hits += [(path.name, name, content.count(word)) for name, word in words.items() if word in content]
    return hits


def marks() -> dict[str, bytes]:
    return forms(RARE) | {"name": NAME.encode(), "key": NAME.casefold().encode(), "file": FILE.encode()}


def post(client: TestClient, path: str, body: Any = None, **options: Any) -> str:
    answer = client.post(path, json=body, **options)
    assert answer.is_success, answer.text
    return str(answer.json().get("task_id", ""))


def send(client: TestClient, text: str, filename: str = "several.csv", **params: Any) -> str:
    headers = {"Content-Type": "text/csv", "X-Filename": filename}
    answer = client.post("/imports", content=text.encode(), headers=headers, params=params)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def wait(client: TestClient, *rows: Waiting) -> None:
    """Rows of a person wait; the movie of the first is chosen."""
    with client.app.state.service.database.write() as connection:  # type: ignore[attr-defined]
        waiting.put(connection, rows[0].user_id, rows)
        number = waiting.listing(connection, rows[0].user_id, limit=1)[0].number
    assert client.put(f"/users/{rows[0].user_id}/waiting/{number}", json={"movie_id": 32}).is_success


def play(client: TestClient) -> None:
    """A player of theirs tells of a movie that waits, and their list has an address."""
    hook = client.post("/hooks", json={"player": "kodi", "user_id": RARE, "names": {NAME: RARE}}).json()
    event = {"event": "watched", "type": "movie", "user": NAME, "session": NAME, "at": 1000}
    assert client.post(hook["address"], json=event | {"title": f"{NAME} 2"}).json()["counted"] == 1
    assert client.post(hook["address"], json=event | {"user": f"{NAME} too", "title": "A"}).is_success
    post(client, "/lists", {"user_id": RARE})


def live(client: TestClient, run_tasks: Run) -> None:
    """A person comes to the service, and leaves a trace of every kind."""
    send(client, OTHERS)
    run_tasks()
    several = send(client, SEVERAL + f"{RARE},99999,4,1\n{RARE},1\n", "several.csv")
    run_tasks()
    assert client.patch(f"/users/{RARE}", json={"name": NAME}).is_success
    rating = {"user_id": RARE, "movie_id": 1, "score": 2.5}
    post(client, "/ratings", rating, headers={"Idempotency-Key": "a"})
    post(client, "/ratings", rating | {"movie_id": 318})
    assert client.put(f"/users/{RARE}/feedback/6", json={"like": True, "watched": False}).is_success
    wait(client, Waiting(RARE, f"title:{NAME}:1", NAME, score=4.5), Waiting(RARE, "imdb:7", NAME))
    play(client)
    send(client, LETTERBOXD, FILE, user_id=RARE)
    run_tasks()
    client.delete(f"/ratings/{RARE}/2")
    post(client, "/recommender/rebuild")
    run_tasks()
    dumps = [post(client, f"/recommendations/dump?format={kind}") for kind in ("jsonl", "csv")]
    run_tasks()
    assert all(str(RARE) in client.get(f"/tasks/{dump}/result").text for dump in dumps)
    post(client, "/ratings", rating | {"movie_id": 4306})
    refused = send(client, HEADER + f"{RARE},1\n", FILE, user_id=RARE)
    run_tasks()
    assert client.get(f"/tasks/{refused}").json()["status"] == "failed"
    assert client.get(f"/imports/{several}/rejects").text.count(str(RARE)) == 1
